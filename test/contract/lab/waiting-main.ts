// Waits for the end that it is told to come to, takes a moment for its own, and says so; for a test of `runMain`.
import { once } from 'node:events';
import { runCommand } from '../../lab/run-command.ts';
import { runMain } from '../../lab/run-main.ts';

await runMain(async (_argv, signal) => {
  await using resources = new AsyncDisposableStack();
  resources.defer(async () => {
    await runCommand(['true'], {}, AbortSignal.timeout(30_000));
    process.stdout.write('cleaned up\n');
  });
  const command = runCommand(['sleep', '3600'], {}, signal);
  process.stdout.write('ready\n');
  await command;
  await once(signal, 'abort');
});
