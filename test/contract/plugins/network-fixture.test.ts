import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { run } from '../../../host-plugins/system/process/run.ts';
import { mayMakeNamespaces } from '../daemon/lonely-device.ts';
import { Namespace } from './network-fixture.ts';

const ip = (...argv: string[]) =>
  run(['ip', ...argv], { timeoutMs: 20_000, signal: AbortSignal.timeout(20_000) });

describe.runIf(mayMakeNamespaces)('namespaces of tests', () => {
  it('are taken along, with all that runs in them, when their test was killed; those of others are not', async () => {
    await using mine = await Namespace.create('mine');
    const dead = spawn('true');
    await once(dead, 'exit');
    const left = `wdp${dead.pid}-0-host`;
    await ip('netns', 'add', left);
    const inside = spawn('ip', ['netns', 'exec', left, 'sleep', '600']);
    onTestFinished(() => void inside.kill('SIGKILL'));
    const ended = once(inside, 'exit');
    await expect.poll(async () => (await ip('netns', 'pids', left)).stdout).not.toBe('');
    await Namespace.sweep();
    expect(await ended).toEqual([null, 'SIGKILL']);
    const names = await readdir('/run/netns');
    expect(names).not.toContain(left);
    expect(names).toContain(mine.name);
  });
});
