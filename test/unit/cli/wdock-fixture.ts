import { join } from 'node:path';
import pino from 'pino';
import { runWdock } from '../../../host-plugins/cli/program.ts';
import type { Terminal } from '../../../host-plugins/cli/terminal.ts';
import { ControlServer } from '../../../host-plugins/daemon/control-server.ts';
import type { ControlHandlers } from '../../../host-plugins/daemon/handlers.ts';
import { Renewal } from '../../../host-plugins/daemon/renewal.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { temporaryFolder } from '../pairing/temporary-folder.ts';

export interface Printed {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

export interface RunningWdock {
  readonly ended: Promise<Printed>;
  /** Resolves when this was printed to either stream. */
  printed(text: string): Promise<void>;
  /** Ctrl-C. */
  interrupt(): void;
}

/** What `--json` prints: one object a line. */
export const jsonLines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** wdock in this process, with what it prints caught. */
export function startWdock(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  terminal: Partial<Terminal> = {},
): RunningWdock {
  const printed = { out: '', err: '' };
  const waiting = new Set<() => void>();
  const add = (stream: 'out' | 'err') => (text: string) => {
    printed[stream] += `${text}\n`;
    for (const check of waiting) check();
  };
  const first = new AbortController();
  const second = new AbortController();
  const ended = runWdock(args, {
    terminal: {
      out: add('out'),
      err: add('err'),
      columns: undefined,
      colour: false,
      unicode: false,
      ...terminal,
    },
    environment,
    signal: first.signal,
    impatience: second.signal,
  });
  return {
    ended: ended.then((exit) => ({ exit, ...printed })),
    printed: (text) =>
      new Promise((resolve) => {
        const check = () => {
          if (!printed.out.includes(text) && !printed.err.includes(text)) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    interrupt() {
      if (!first.signal.aborted) first.abort(new DockError('cancelled', 'interrupted'));
      else second.abort();
    },
  };
}

/** A control socket whose methods are answered by these handlers. */
export async function controlSocket(handlers: ControlHandlers, simulated = false) {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'wdockd.sock');
  const server = new ControlServer(
    path,
    { name: 'mid', simulated },
    [handlers],
    pino({ level: 'silent' }),
    new Renewal(() => undefined),
  );
  await server.start();
  const wdock = (...args: string[]) => startWdock(['--socket', path, ...args]);
  return {
    path,
    /** Removed with the whole; for a test that ends the server in its own way. */
    folder,
    server,
    wdock,
    run: (...args: string[]): Promise<Printed> => wdock(...args).ended,
    async [Symbol.asyncDispose]() {
      await server.stop(AbortSignal.timeout(5_000));
      await folder[Symbol.asyncDispose]();
    },
  };
}
