import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkChange } from '../../../guest-agent/decide/choose-network-settings.ts';
import { Namespace } from '../plugins/network-fixture.ts';
import { needsRoot } from './bound-guest.ts';

const own = { address: 'fd78::5', prefix: 64 };
const gateway = 'fe80::1';
const present = { addresses: [own], gateway, nameservers: [], searches: [] };

describe.runIf(needsRoot)('IPv6 addresses that NetworkManager takes away', () => {
  let guest: Namespace;
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wdp-'));
    guest = await Namespace.create('guest');
    await guest.ip(
      'link add eth0 type veth peer name other',
      'link set eth0 up',
      'link set other up',
      'address add fd78::5/64 dev eth0 nodad',
      'address add fd78::6/64 dev eth0 nodad',
    );
  });

  afterEach(async () => {
    await guest[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  /** @param programs a folder with programs that are found before those of the system */
  async function change(ip6: NetworkChange['ip6'], busyMs = 0, programs = ''): Promise<string[]> {
    const child = fileURLToPath(new URL('./staying-child.ts', import.meta.url));
    const path = `PATH=${programs}:${process.env['PATH']}`;
    const said = await guest.run('env', path, process.execPath, child, JSON.stringify(ip6), String(busyMs));
    return JSON.parse(said) as string[];
  }

  async function makeProgram(name: string, script: string): Promise<void> {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  async function addresses(scope: 'global' | 'link'): Promise<string[]> {
    const shown = await guest.run('ip', '-j', '-6', 'address', 'show', 'dev', 'eth0', 'scope', scope);
    const [device] = JSON.parse(shown) as { addr_info?: { local?: string; prefixlen: number }[] }[];
    // What a filter leaves out is printed as an empty object.
    return (device?.addr_info ?? []).flatMap(({ local, prefixlen }) =>
      local === undefined ? [] : [`${local}/${prefixlen}`],
    );
  }

  const route = (to: string) => guest.run('ip', '-6', 'route', 'get', to);

  it('come back by themselves, and those of the link, where it does not give them back on a bridge', async () => {
    const ofLink = await addresses('link');
    expect(ofLink).toHaveLength(1);
    await change({ kind: 'renewed', addresses: [own], gateway: undefined, beside: [] });
    expect(await addresses('global')).toEqual(['fd78::5/64']);
    expect(await addresses('link')).toEqual(ofLink);
    expect(await route('fd78::77')).not.toContain(' via ');
  });

  it('come back also while the agent has no time for it', async () => {
    const seen = await change({ kind: 'renewed', addresses: [own], gateway: undefined, beside: [] }, 3_000);
    expect(seen.toSorted()).toEqual([own.address, expect.stringMatching(/^fe80:/)]);
  });

  it('come back also where the programs for it have to be read from a slow disk first', async () => {
    await makeProgram('setpriv', 'sleep 1; exec /usr/bin/setpriv "$@"');
    const ip6 = { kind: 'renewed', addresses: [own], gateway: undefined, beside: [] } as const;
    const seen = await change(ip6, 3_000, folder);
    expect(seen.toSorted()).toEqual([own.address, expect.stringMatching(/^fe80:/)]);
  });

  it('come back also where these programs end at once', async () => {
    await makeProgram('setpriv', 'exit 1');
    await change({ kind: 'renewed', addresses: [own], gateway: undefined, beside: [] }, 0, folder);
    expect(await addresses('global')).toEqual(['fd78::5/64']);
  });

  it('leave no program behind', async () => {
    const processes = async () => (await promisify(execFile)('ip', ['netns', 'pids', guest.name])).stdout;
    await change({ kind: 'renewed', addresses: [own], gateway: undefined, beside: [] });
    await expect.poll(processes).toBe('');
  });

  it('come back with the way through a host that routes', async () => {
    await change({ kind: 'kept', present, routed: [{ address: 'fd78::', prefix: 64 }] });
    expect(await addresses('global')).toEqual(['fd78::5/64']);
    expect(await route('fd78::77')).toContain(`via ${gateway}`);
    expect(await route('2001:db8::1')).toContain(`via ${gateway}`);
  });

  it('are left to it where the change does not name them', async () => {
    await change({ kind: 'unchanged' });
    expect(await addresses('global')).toEqual([]);
  });
});
