import { execFile } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { temporaryFolder } from '../../unit/pairing/temporary-folder.ts';
import { type WdockdFolder, wdockdFolder } from '../daemon/processes.ts';

vi.setConfig({ testTimeout: 300_000 }); // an empty guest, whose agent is waited for

const run = promisify(execFile);
const mayMakeNamespaces = process.getuid?.() === 0;

/** A PATH on which QEMU, asked what it can, says that this processor has no AES; all else it does itself. */
async function pathWithoutAes(): Promise<string> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const { stdout: real } = await run('sh', ['-c', 'command -v qemu-system-x86_64']);
  const wrapper = join(folder.path, 'qemu-system-x86_64');
  const lacking = String.raw`s/("name": "Westmere-v1"[^}]*"unavailable-features": \[)\]/\1"aes"]/`;
  const asked = `*"-machine none"*"-qmp stdio"*) ${real.trim()} "$@" | sed -E '${lacking}' ;;`;
  await writeFile(wrapper, `#!/bin/sh\ncase "$*" in\n${asked}\n*) exec ${real.trim()} "$@" ;;\nesac\n`);
  await chmod(wrapper, 0o755);
  return `${folder.path}:${process.env['PATH']}`;
}

/** The whole of wdockd on two devices with a cable between them; the desk's processor has no AES. */
async function padAndDesk() {
  const [a, b] = [`cpu${process.pid}a`, `cpu${process.pid}b`];
  const ip = async (...args: string[]) => await run('ip', args);
  for (const namespace of [a, b]) {
    await ip('netns', 'add', namespace);
    onTestFinished(async () => void (await ip('netns', 'delete', namespace)));
  }
  await ip('link', 'add', 'eth0', 'netns', a, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b);
  const start = async (name: string, namespace: string, address: string, path: string) => {
    await ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    await ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    await ip('-n', namespace, 'link', 'set', 'lo', 'up');
    const environment = ['env', `PATH=${path}`, 'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/no/bus'];
    const enter = ['ip', 'netns', 'exec', namespace, ...environment];
    const device = await wdockdFolder(name, { address, port: 7440 }, enter);
    onTestFinished(() => device[Symbol.asyncDispose]());
    const daemon = device.spawnShipped();
    onTestFinished(() => daemon[Symbol.asyncDispose]());
    await daemon.printed('"ready"');
    return device;
  };
  return {
    pad: await start('pad', a, '192.0.2.1', process.env['PATH'] ?? ''),
    desk: await start('desk', b, '192.0.2.2', await pathWithoutAes()),
  };
}

function wdock(device: WdockdFolder, ...args: string[]) {
  const running = device.wdock(...args);
  running.child.stdin?.end();
  return running.ended;
}

/** By code; what wdock says on both. */
async function pair(pad: WdockdFolder, desk: WdockdFolder) {
  const shown = pad.wdock('--json', 'pair');
  let text = '';
  shown.child.stdout?.on('data', (data) => {
    text += String(data);
  });
  await shown.printed('"expiresInMs"');
  const { code } = JSON.parse(text.split('\n')[0] ?? '') as { code: string };
  const taken = desk.wdock('pair', 'pad', '--address', '192.0.2.1', '--code-file', '-');
  taken.child.stdin?.end(`${code}\n`);
  const [onPad, onDesk] = await Promise.all([shown.ended, taken.ended]);
  return { onPad: JSON.parse(onPad.out.trim().split('\n')[1] ?? '') as object, onDesk: onDesk.out };
}

describe.skipIf(!mayMakeNamespaces)('two devices of which one has the better processor', () => {
  it('are told at pairing what that changes, and a dock that cannot be is refused before anything is', async () => {
    const { pad, desk } = await padAndDesk();
    const create = async (name: string, ...args: string[]) => {
      const disk = join(pad.path, name);
      await run('qemu-img', ['create', '-q', '-f', 'qcow2', disk, '64M']);
      return await wdock(
        pad,
        ...['workspace', 'create', name, '--disk', disk, '--base-memory', '128'],
        ...args,
      );
    };
    expect(await create('play', '--cpu-model', 'host')).toMatchObject({
      exit: 2,
      err: expect.stringContaining('--cpu-model: "host" is no model'),
    });
    expect(await create('play', '--cpu-model', 'GraniteRapids-v1')).toMatchObject({
      exit: 4,
      err: expect.stringMatching(/--cpu-model: this device cannot give a guest .*avx512f/),
    });
    expect(await create('play', '--cpu-model', 'Westmere-v1')).toMatchObject({
      exit: 0,
      out: expect.stringContaining('CPU model Westmere-v1 (x86-64-v2), as asked for'),
    });
    expect(await create('work')).toMatchObject({
      exit: 0,
      out: expect.stringContaining('CPU model Nehalem-v1 (x86-64-v2), the one that emulation does well'),
    });

    const { onPad, onDesk } = await pair(pad, desk);
    expect(onPad).toMatchObject({
      cpuModel: { model: 'Nehalem-v1' },
      docking: [
        {
          workspace: 'play',
          can: 'no',
          detail: expect.stringContaining('needs aes, which emulation on "desk" does not have'),
          remedy: expect.stringContaining('wdock workspace start play --cpu-model common'),
        },
        { workspace: 'work', device: 'desk', can: 'yes', detail: 'work can dock to desk' },
      ],
    });
    expect(onDesk).toContain('New workspaces get the CPU model Nehalem-v1 (x86-64-v2)');
    expect((await wdock(pad, 'doctor')).out).toMatch(/warning +cpu of play +play cannot dock to desk/);
    expect((await wdock(pad, 'workspace', 'show', 'work')).out).toContain('- work can dock to desk.');

    expect(await wdock(pad, 'workspace', 'start', 'work', '--cpu-model', 'GraniteRapids-v1')).toMatchObject({
      exit: 4,
    });
    expect(await wdock(pad, 'workspace', 'start', 'work', '--cpu-model', 'Westmere-v1')).toMatchObject({
      exit: 0,
    });
    const { out } = await wdock(pad, 'workspace', 'show', 'work');
    expect(out).toMatch(/CPU model: +Westmere-v1/);
    expect(out).toContain('- work cannot dock to desk while it runs');
    expect(await wdock(pad, 'dock', 'desk', '-w', 'work')).toMatchObject({
      exit: 4,
      err: expect.stringMatching(
        /discover: work cannot dock to desk while it runs: its CPU model Westmere-v1 .*; after a new start with Nehalem-v1 /,
      ),
    });
    expect((await wdock(pad, '--json', 'workspace', 'show', 'work')).out).toContain('"state":"here"');
    expect((await wdock(desk, '--json', 'workspace', 'list')).out).toContain('"workspaces":[]');
    expect(await wdock(pad, 'workspace', 'stop', 'work', '--force')).toMatchObject({ exit: 0 });
  });
});
