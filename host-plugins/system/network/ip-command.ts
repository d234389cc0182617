import { DockError } from '../../../protocol/dock-error.ts';
import { run } from '../process/run.ts';
import { WaitingProgram } from '../process/waiting-program.ts';

export const commandLimitMs = 10_000;
const batchArgv = ['ip', '-batch', '-'];
const nftArgv = ['nft', '-f', '-'];

/** What iproute2 says of things that are gone; then there is nothing to put back. */
const gone = /Cannot find device|does not exist|No such (device|file|process)|Device not found/i;

/** ip(8). Throws `io` with what it said. */
export async function ip(args: readonly string[], signal: AbortSignal): Promise<void> {
  await run(['ip', ...args], { timeoutMs: commandLimitMs, signal });
}

/** Starts an ip(8) that does several commands when it gets them (`ipBatch`). */
export function startIpBatch(signal: AbortSignal): WaitingProgram {
  return new WaitingProgram(batchArgv, signal);
}

/**
 * Several commands of ip(8) in one process, in order, up to the first that fails. Throws `io` with what it said.
 * `waiting`: the `startIpBatch` that does them, where there is one already; all are done anew where it could not.
 */
export async function ipBatch(
  commands: readonly (readonly string[])[],
  signal: AbortSignal,
  waiting?: WaitingProgram,
): Promise<void> {
  if (commands.length === 0) return;
  await feedOrRun(batchArgv, linesOf(commands), signal, waiting);
}

/** As `ipBatch`, for putting back: does all commands, and what is gone already is no error. */
export async function ipBatchUnlessGone(
  commands: readonly (readonly string[])[],
  signal: AbortSignal,
): Promise<void> {
  if (commands.length === 0) return;
  const input = linesOf(commands);
  await goneIsNoError(run(['ip', '-force', '-batch', '-'], { input, timeoutMs: commandLimitMs, signal }));
}

function linesOf(commands: readonly (readonly string[])[]): string {
  return commands.map((words) => `${words.join(' ')}\n`).join('');
}

/** For putting back: runs a command of iproute2, and what is gone already is no error. */
export async function unlessGone(argv: readonly string[], signal: AbortSignal): Promise<void> {
  await goneIsNoError(run(argv, { timeoutMs: commandLimitMs, signal }));
}

async function goneIsNoError(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    const failure = DockError.from(error);
    const said = failure.detail?.['stderr'];
    if (failure.kind !== 'io' || typeof said !== 'string') throw error;
    // Of a batch, each failure is followed by a line with its number.
    const complaints = said.split('\n').filter((line) => line !== '' && !line.startsWith('Command failed'));
    if (complaints.length === 0 || !complaints.every((line) => gone.test(line))) throw error;
  }
}

/** Starts an nft(8) that applies its input when it gets it (`nft`). */
export function startNft(signal: AbortSignal): WaitingProgram {
  return new WaitingProgram(nftArgv, signal);
}

/** Applies a whole nft(8) input, or nothing of it. `waiting`: the `startNft` that does it, where there is one already. */
export async function nft(input: string, signal: AbortSignal, waiting?: WaitingProgram): Promise<void> {
  await feedOrRun(nftArgv, input, signal, waiting);
}

async function feedOrRun(
  argv: readonly string[],
  input: string,
  signal: AbortSignal,
  waiting: WaitingProgram | undefined,
): Promise<void> {
  try {
    if (waiting !== undefined) return await waiting.feed([Buffer.from(input)], commandLimitMs);
  } catch {
    signal.throwIfAborted();
  }
  await run(argv, { input, timeoutMs: commandLimitMs, signal });
}
