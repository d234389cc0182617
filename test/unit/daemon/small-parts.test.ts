import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { groupId } from '../../../host-plugins/daemon/control-server.ts';
import { endRunningCalls } from '../../../host-plugins/daemon/handlers.ts';
import { InstanceLock } from '../../../host-plugins/daemon/instance-lock.ts';
import { openLogFile } from '../../../host-plugins/daemon/log-file.ts';
import { nodeVersionProblem } from '../../../host-plugins/daemon/node-version.ts';
import { type WatchEvent, WatchHub } from '../../../host-plugins/daemon/watch-hub.ts';
import type { RunningCall } from '../../../host-plugins/rpc/rpc-server.ts';
import { temporaryFolder } from '../pairing/temporary-folder.ts';

it.each([
  ['v20.19.2', /needs Node 24/],
  ['v18.20.4', /needs Node 24/],
  ['nonsense', /needs Node 24/],
])('Node %s is refused with what to do', (version, message) => {
  expect(nodeVersionProblem(version)).toMatch(message);
});

it.each(['v24.0.0', 'v25.1.0', 'v100.0.0'])('Node %s is good', (version) => {
  expect(nodeVersionProblem(version)).toBeUndefined();
});

it.each([
  ['', undefined],
  ['root:x:0:\nwireless-dock2:x:7:\n', undefined],
  ['root:x:0:\nwireless-dock:x:998:ann,ben\n', 998],
  ['wireless-dock:x:\n', undefined],
])('the group wireless-dock of %j is %s', (groupFile, expected) =>
  expect(groupId(groupFile, 'wireless-dock')).toBe(expected),
);

describe('a lock on a folder', () => {
  it('is free again after it was released', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'x.lock');
    InstanceLock.acquire(path, 'it')[Symbol.dispose]();
    InstanceLock.acquire(path, 'it')[Symbol.dispose]();
    expect((await readFile(`${path}.pid`, 'utf8')).trim()).toBe(String(process.pid));
  });

  it('cannot be had where the folder cannot be made', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'file');
    InstanceLock.acquire(path, 'it')[Symbol.dispose]();
    expect(() => InstanceLock.acquire(join(path, 'below', 'x.lock'), 'it')).toThrow(/cannot lock/);
  });
});

describe('the log file', () => {
  it('never grows beyond its bound, and keeps the newest lines', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'log', 'wdockd.log');
    const file = openLogFile(path);
    const line = `${'x'.repeat(1024 * 1024 - 1)}\n`;
    for (let n = 0; n < 40; n++) file.write(line);
    file.write('newest\n');
    file.close();
    const size = async (name: string) => (await stat(name)).size;
    for (const name of [path, `${path}.1`, `${path}.2`])
      expect(await size(name)).toBeLessThan(10 * 1024 * 1024);
    await expect(stat(`${path}.3`)).rejects.toMatchObject({ code: 'ENOENT' });
    expect((await readFile(path, 'utf8')).endsWith('newest\n')).toBe(true);
  });
});

describe('those who watch', () => {
  const event: WatchEvent = {
    kind: 'device',
    at: 1,
    status: { id: 'x', name: 'pc', fingerprint: 'AA', reachable: true, self: false },
  };

  it('get every event until they leave, and nothing after', async () => {
    const hub = new WatchHub();
    const seen: WatchEvent[] = [];
    const controller = new AbortController();
    const watching = hub.watch((now) => seen.push(now), controller.signal);
    hub.publish(event);
    hub.publish(event);
    controller.abort();
    await watching;
    hub.publish(event);
    expect(seen).toHaveLength(2);
  });
});

describe('ending what runs', () => {
  const call = (done: Promise<void>): RunningCall => ({
    method: 'dock',
    controller: new AbortController(),
    done,
  });

  it('names what did not end in time', async () => {
    const running = new Set([call(new Promise(() => undefined))]);
    await expect(endRunningCalls(running, AbortSignal.timeout(20))).rejects.toMatchObject({
      kind: 'timeout',
      message: /dock/,
    });
  });

  it('aborts each call and waits for its undo', async () => {
    const undone = Promise.withResolvers<void>();
    const running = call(undone.promise);
    running.controller.signal.addEventListener('abort', () => undone.resolve());
    await endRunningCalls(new Set([running]), new AbortController().signal);
    expect(running.controller.signal.reason).toMatchObject({ kind: 'cancelled' });
  });
});
