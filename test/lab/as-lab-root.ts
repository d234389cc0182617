// Runs a command where it may make network namespaces: as it is for root, else as root of a user namespace of its own.
//
//   node test/lab/as-lab-root.ts <command> [argument…]
import { spawn } from 'node:child_process';

const argv = process.argv.slice(2);
if (argv.length === 0) {
  process.stderr.write('usage: node test/lab/as-lab-root.ts <command> [argument…]\n');
  process.exit(2);
}
// The PID namespace ends with its first process, and everything started inside ends with it.
const ownNamespaces = [
  '--user',
  '--map-root-user',
  '--net',
  '--mount',
  '--pid',
  '--mount-proc',
  '--fork',
  '--kill-child',
];
const enter = process.geteuid?.() === 0 ? [] : ['unshare', ...ownNamespaces, '--'];
const [program = '', ...rest] = [...enter, ...argv];
const child = spawn(program, rest, { stdio: 'inherit' });
// The terminal sends its signals to the child as well; what is sent to this process alone is passed on.
for (const name of ['SIGTERM', 'SIGHUP'] as const) process.on(name, () => child.kill(name));
process.on('SIGINT', () => undefined);
child.on('error', (error) => {
  process.stderr.write(`cannot start ${program}: ${error.message}\n`);
  process.exitCode = 127;
});
child.on('exit', (code, killedBy) => {
  process.exitCode = killedBy ? 128 : (code ?? 1);
});
