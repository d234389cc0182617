import { appendFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Namespace } from '../plugins/network-fixture.ts';
import { lonelyDevice, mayMakeNamespaces } from './lonely-device.ts';

/** On Wi-Fi, with the address 10.77.0.11. */
const mobileDevice = fileURLToPath(new URL('../../lab/profiles/mid.yaml', import.meta.url));

vi.setConfig({ testTimeout: 240_000 }); // each start waits for an agent that never comes

describe.skipIf(!mayMakeNamespaces)('workspaces that start on a device that routes', () => {
  it('are behind it without an address of its LAN, or with one that is taken; the other is answered for', async () => {
    const { at, start, wdock, disk, run, namespace } = await lonelyDevice();
    const neighbour = await Namespace.create('neighbour');
    onTestFinished(() => neighbour[Symbol.asyncDispose]());
    const cable = ['type', 'veth', 'peer', 'name', 'wlan0', 'netns', neighbour.name];
    await run('ip', 'link', 'add', 'wlan0', ...cable);
    for (const [host, address] of [
      [namespace, '10.77.0.11/24'],
      [neighbour, '10.77.0.60/24'],
    ] as const) {
      await host.run('ip', 'address', 'add', address, 'dev', 'wlan0');
      await host.run('ip', 'link', 'set', 'wlan0', 'up');
    }
    await appendFile(at('wdockd.yaml'), `profile: ${mobileDevice}\n`);
    const daemon = await start();
    const addresses = {
      new: [],
      elsewhere: ['10.9.0.50/24'],
      taken: ['10.77.0.60/24'],
      own: ['10.77.0.50/24'],
    };
    for (const [name, known] of Object.entries(addresses)) {
      const options = ['--disk', await disk(name), '--base-memory', '128'];
      const told = known.flatMap((address) => ['--address', address]);
      expect(await wdock('workspace', 'create', name, ...options, ...told)).toMatchObject({ exit: 0 });
    }
    const names = Object.keys(addresses);
    // Side by side.
    for (const started of await Promise.all(names.map((name) => wdock('workspace', 'start', name))))
      expect(started).toMatchObject({ exit: 0 });

    const tap = (name: string) => run('ip', '-o', '-4', 'address', 'show', 'dev', `wd-${name}`);
    for (const name of ['new', 'elsewhere', 'taken'])
      expect(await tap(name)).toMatch(/inet 192\.168\.\d+\.1\/24/);
    expect(await tap('own')).toBe('');
    const proxies = (await run('ip', 'neigh', 'show', 'proxy', 'dev', 'wlan0')).trim();
    expect(proxies.split('\n').map((line) => line.split(' ')[0])).toEqual(['10.77.0.50']);
    await daemon.printed('(nat): another computer on this network has the address 10.77.0.60');
    for (const name of names)
      expect(await wdock('workspace', 'stop', name, '--force')).toMatchObject({ exit: 0 });
  });
});
