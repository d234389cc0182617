import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { Namespace } from '../plugins/network-fixture.ts';
import { Folder } from '../qemu/machine-fixture.ts';
import { Running } from './processes.ts';

const run = promisify(execFile);
const main = (name: string) =>
  fileURLToPath(new URL(`../../../host-plugins/${name}/main.ts`, import.meta.url));
export const mayMakeNamespaces = process.getuid?.() === 0;

/** The whole of wdockd, alone on a network of its own. */
export async function lonelyDevice() {
  const folder = await Folder.create();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const namespace = await Namespace.create('lonely');
  onTestFinished(() => namespace[Symbol.asyncDispose]());
  const at = (...names: string[]) => join(folder.path, ...names);
  const config = at('wdockd.yaml');
  await writeFile(
    config,
    [
      'device: { name: pad, class: laptop }',
      'stateFolder: state',
      'runtimeFolder: run',
      'listen: { address: 127.0.0.1, port: 0 }',
      'identity: { tpm: off }',
      '',
    ].join('\n'),
  );
  const start = async () => {
    const daemon = new Running([
      ...['ip', 'netns', 'exec', namespace.name, 'env', `DBUS_SYSTEM_BUS_ADDRESS=unix:path=${at('no-bus')}`],
      ...[process.execPath, main('daemon'), '--config', config],
    ]);
    onTestFinished(() => daemon[Symbol.asyncDispose]());
    await daemon.printed('"ready"');
    return daemon;
  };
  const wdock = (...args: string[]) =>
    new Running([process.execPath, main('cli'), '--config', config, ...args]);
  return {
    at,
    namespace,
    start,
    /** Runs a command in the device's network. */
    run: async (...argv: string[]) => (await run('ip', ['netns', 'exec', namespace.name, ...argv])).stdout,
    wdock: (...args: string[]) => {
      const running = wdock(...args);
      running.child.stdin?.end();
      return running.ended;
    },
    async disk(name: string): Promise<string> {
      await run('qemu-img', ['create', '-q', '-f', 'qcow2', at(name), '64M']);
      return at(name);
    },
    /** Whether no process has it open. */
    isFree: (path: string) =>
      run('qemu-img', ['info', path]).then(
        () => true,
        () => false,
      ),
  };
}
