import { createInterface } from 'node:readline/promises';
import type { z } from 'zod';
import type { controlMethods, PairingCode } from '../../../protocol/control-methods.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { TrustLevel } from '../../../protocol/trust-level.ts';
import { formatDeviceAddress } from '../../pairing/device-address.ts';
import {
  encodePairingLink,
  formatPairingCode,
  parsePairingCode,
  parsePairingLink,
} from '../../pairing/pairing-code.ts';
import { type CommandRun, done } from '../command-context.ts';
import { readInputOrStandard } from '../read-input.ts';
import { renderDocking } from '../render/render-docking.ts';
import { renderQr } from '../render/render-qr.ts';
import { simulatedMark } from '../render/render-status.ts';
import { renderFields } from '../render/table.ts';
import { printable } from '../terminal.ts';

export interface PairOptions {
  readonly address?: string;
  readonly codeFile?: string;
  readonly name?: string;
  readonly trust?: string;
}

/** Without a name it shows a code; with one it takes the code that the device of that name shows. */
export async function pair(run: CommandRun, name: string | undefined, options: PairOptions): Promise<number> {
  const trust = options.trust === undefined ? undefined : parseTrust(options.trust);
  if (name === undefined) {
    if (options.address !== undefined || options.codeFile !== undefined) {
      throw new DockError(
        'usage',
        'to take the code that another device shows, say what to call that device: `wdock pair NAME --address HOST`',
      );
    }
    return await offer(run, { name: options.name, trust });
  }
  if (options.name !== undefined) {
    throw new DockError('usage', `either \`wdock pair ${name} …\` or \`wdock pair --name …\`, not both`);
  }
  return await join(run, name, trust, options);
}

export function parseTrust(text: string): TrustLevel {
  const level = TrustLevel.safeParse(text);
  if (level.success) return level.data;
  throw new DockError(
    'usage',
    `"${text.slice(0, 80)}" is no level of trust; write ${TrustLevel.options.join(', ')}`,
  );
}

async function offer(
  run: CommandRun,
  wish: { name: string | undefined; trust: TrustLevel | undefined },
): Promise<number> {
  const paired = await run.withDaemon((daemon) =>
    daemon.call('pair.offer', wish, {
      signal: run.signal,
      onProgress: (shown) => show(run, shown),
      onAbort: 'wait', // until nothing is open any more
    }),
  );
  return tellPaired(run, paired);
}

function show(run: CommandRun, shown: PairingCode): void {
  if (run.json) {
    run.print(shown, '');
    return;
  }
  const { code, expiresInMs, port, addresses } = shown;
  const reached = addresses.map((host) => formatDeviceAddress({ host, port }));
  const [first = 'ADDRESS', ...others] = reached;
  const { terminal } = run;
  const command = printable(`wdock pair ${run.device?.name ?? 'NAME'} --address ${first}`);
  const digits = formatPairingCode(code);
  terminal.out(`On the other device:\n\n  ${command}`);
  if (others.length > 0) terminal.out(`  (or ${others.join(', ')})`);
  terminal.out(`\nand there this code:\n\n  ${digits}\n`);
  const qr = renderQr(encodePairingLink(first, code));
  const fits = terminal.unicode && terminal.colour && (terminal.columns ?? 0) >= qr.columns;
  if (fits && reached.length > 0) {
    terminal.out(`${qr.lines.join('\n')}\n`);
    // It is nearly as tall as a terminal: what stands above it has left the screen.
    terminal.out(`${command}\ncode: ${digits}`);
  }
  terminal.out(`Good for ${Math.round(expiresInMs / 60_000)} minutes and one try; Ctrl-C ends it. Waiting …`);
}

async function join(
  run: CommandRun,
  name: string,
  trust: TrustLevel | undefined,
  options: PairOptions,
): Promise<number> {
  const given = await readCode(run, name, options.codeFile);
  const link = parsePairingLink(given);
  const address = options.address ?? link?.address;
  if (address === undefined) {
    throw new DockError(
      'usage',
      `say where ${name} is reached: \`--address HOST[:PORT]\`, as \`wdock pair\` shows it there`,
    );
  }
  const code = link?.code ?? parsePairingCode(given);
  const paired = await run.withDaemon((daemon) =>
    daemon.call('pair.join', { name, address, code, trust }, { signal: run.signal, onAbort: 'wait' }),
  );
  return tellPaired(run, paired);
}

/** Never an argument: the arguments of a process can be read by everybody, and stay in the shell's history. */
async function readCode(run: CommandRun, name: string, file: string | undefined): Promise<string> {
  if (file !== undefined) return (await readInputOrStandard(file, run.signal)).trim();
  if (!process.stdin.isTTY) {
    throw new DockError('usage', 'there is no terminal to ask for the code; give it with `--code-file -`');
  }
  // The terminal shows it while it is typed: a wrong digit makes the code void, and it is good for one try only.
  const prompt = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    return await prompt.question(`The code that ${name} shows: `, { signal: run.signal });
  } catch (error) {
    throw DockError.from(run.signal.aborted ? run.signal.reason : error, 'cancelled');
  } finally {
    prompt.close();
  }
}

type Paired = z.output<(typeof controlMethods)['pair.join']['result']>;

function tellPaired(run: CommandRun, paired: Paired): number {
  const { device, ownFingerprint, cpuModel, docking = [] } = paired;
  const fields = renderFields([
    [run.device?.name ?? 'this device', ownFingerprint],
    [device.name, device.fingerprint],
  ]);
  run.print(
    paired,
    [
      `Paired with ${device.name}${simulatedMark(device.simulated)} (${device.address}), trusted as ${device.trust}; \`wdock devices trust\` changes that.`,
      'The other screen shows the same two fingerprints:',
      '',
      fields,
      ...(cpuModel === undefined ? [] : ['', `New workspaces get the ${cpuModel.detail}.`]),
      ...docking.flatMap((each) => renderDocking(each, run.terminal.columns)),
    ].join('\n'),
  );
  return done;
}
