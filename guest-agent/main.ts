import { setMaxListeners } from 'node:events';
import { DockError } from '../protocol/dock-error.ts';
import { agentUsage } from './usage.ts';

// Everything that is asked of NetworkManager for one move, at once, waits for the end of that move.
setMaxListeners(50);

/** Each command loads only what it needs: the helper of a session is kept small that way. */
async function main(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args;
  if (command === 'system') {
    const { runSystemAgent, systemAgentDefaults } = await import('./system-main.ts');
    const options = {
      port: optionOf(rest, '--port') ?? systemAgentDefaults.port,
      root: optionOf(rest, '--root') ?? systemAgentDefaults.root,
      stateFile: optionOf(rest, '--state') ?? systemAgentDefaults.stateFile,
    };
    await serve((signal) => runSystemAgent(options, note, signal));
  } else if (command === 'session') {
    const { runSessionHelper } = await import('./session-main.ts');
    const address =
      process.env['DBUS_SESSION_BUS_ADDRESS'] ?? `unix:path=/run/user/${process.getuid?.()}/bus`;
    await serve((signal) => runSessionHelper(address, note, signal));
  } else if (command === 'status') {
    const { readStatus } = await import('./status-main.ts');
    process.stdout.write(`${await readStatus(rest.includes('--json'), AbortSignal.timeout(10_000))}\n`);
  } else if (command === 'version') {
    const { agentVersion } = await import('./agent-version.ts');
    process.stdout.write(`${agentVersion}\n`);
  } else if (command === '--help' || command === 'help') {
    process.stdout.write(agentUsage);
  } else {
    throw new DockError('usage', agentUsage);
  }
}

/** Runs a service until it is asked to stop, and then ends by the signal that asked. */
async function serve(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  let asked: NodeJS.Signals = 'SIGTERM';
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      asked = name;
      stop.abort(new DockError('cancelled', `stopped by ${name}`));
    });
  }
  for (const fault of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(fault, (thrown: unknown) => {
      process.stderr.write(`<3>${thrown instanceof Error ? thrown.stack : String(thrown)}\n`);
      endBy('SIGKILL');
    });
  }
  await run(stop.signal);
  endBy(asked);
}

/** exit() would wait for a read of the port that does not return; a signal does not, and systemd counts it as clean. */
function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** A line for the journal, as a warning (sd-daemon(3)). */
function note(text: string): void {
  process.stdout.write(`<4>${text.replaceAll('\n', ' ')}\n`);
}

function optionOf(args: readonly string[], option: string): string | undefined {
  const at = args.indexOf(option);
  return at < 0 ? undefined : args[at + 1];
}

main(process.argv.slice(2)).catch((thrown: unknown) => {
  const error = DockError.from(thrown);
  process.stderr.write(`${error.message}\n`);
  if (error.kind === 'internal') process.stderr.write(`${error.stack}\n`);
  process.exitCode = error.kind === 'usage' ? 2 : 1;
});
