import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { type WdockdFolder, wdockdFolder } from './processes.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes and sockets, on a machine that may be busy

const run = promisify(execFile);
const mayMakeNamespaces = process.getuid?.() === 0;

/** Two network namespaces with a cable between them, and a wdockd in each. */
async function twoHosts() {
  const stack = new AsyncDisposableStack();
  const id = `wd${process.pid}`;
  const [a, b] = [`${id}a`, `${id}b`];
  const ip = async (...args: string[]) => await run('ip', args);
  for (const namespace of [a, b]) {
    await ip('netns', 'add', namespace);
    stack.defer(async () => void (await ip('netns', 'delete', namespace)));
  }
  await ip('link', 'add', 'eth0', 'netns', a, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b);
  for (const [namespace, address] of [
    [a, '192.0.2.1/24'],
    [b, '192.0.2.2/24'],
  ] as const) {
    await ip('-n', namespace, 'address', 'add', address, 'dev', 'eth0');
    await ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    await ip('-n', namespace, 'link', 'set', 'lo', 'up');
  }
  const enter = (namespace: string) => ['ip', 'netns', 'exec', namespace];
  const mid = stack.use(await wdockdFolder('mid', { address: '192.0.2.1', port: 7440 }, enter(a)));
  const pc = stack.use(await wdockdFolder('pc', { address: '192.0.2.2', port: 7440 }, enter(b)));
  return {
    mid,
    pc,
    cut: () => ip('-n', b, 'link', 'set', 'eth0', 'down'),
    mend: () => ip('-n', b, 'link', 'set', 'eth0', 'up'),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** As their users pair them: certificate and fingerprint from one, trusted by the other. */
async function introduce(
  device: WdockdFolder,
  name: string,
  address: string,
  to: WdockdFolder,
): Promise<void> {
  const { out } = await device.wdock('--json', 'devices', 'certificate').ended;
  const { certificatePem, fingerprint } = JSON.parse(out) as { certificatePem: string; fingerprint: string };
  const file = join(to.path, `${name}.pem`);
  await writeFile(file, certificatePem);
  const added = await to.wdock('devices', 'add', file, '--fingerprint', fingerprint, '--address', address)
    .ended;
  expect(added).toMatchObject({ exit: 0 });
}

const reachability = async (device: WdockdFolder, name: string): Promise<string> => {
  const { out } = await device.wdock('devices').ended;
  return (
    /(not reachable|reachable)$/.exec(out.split('\n').find((line) => line.startsWith(name)) ?? '')?.[0] ?? out
  );
};

describe.skipIf(!mayMakeNamespaces)('two wdockd in two network namespaces', () => {
  it('trust each other after both users said so, notice a cable that is cut, and find each other again', async () => {
    await using hosts = await twoHosts();
    const { mid, pc } = hosts;
    await using midDaemon = await mid.start();
    await using pcDaemon = await pc.start();
    void midDaemon;
    await introduce(pc, 'pc', '192.0.2.2', mid);
    expect(await reachability(mid, 'pc')).toBe('not reachable'); // pc does not know mid yet
    await introduce(mid, 'mid', '192.0.2.1', pc);
    expect(await reachability(mid, 'pc')).toBe('reachable');

    await using wdock = mid.wdock('undock');
    await pcDaemon.printed('undock was asked');
    await hosts.cut();
    const { exit, err } = await wdock.ended;
    expect(exit).toBe(6);
    // At the pace of a connection that somebody waits for, not of an idle one.
    expect(err).toMatch(/the connection to "pc" is lost: it has not answered for 2 s/);
    expect(await reachability(mid, 'pc')).toBe('not reachable');

    await hosts.mend();
    expect(await reachability(mid, 'pc')).toBe('reachable');

    expect(await pc.wdock('devices', 'forget', 'mid').ended).toMatchObject({ exit: 0 });
    expect(await reachability(mid, 'pc')).toBe('not reachable');
  }, 60_000);
});
