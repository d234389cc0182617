import { describe, expect, it } from 'vitest';
import { linkLocalOf } from '../../../guest-agent/decide/ip-address.ts';
import { type BoundGuest, needsRoot, otherHost, shows, startAgent, until } from './bound-guest.ts';

const toOther = { mode: 'bridged', metered: false, hostMac: otherHost, lan: 'other' } as const;

/** On its first LAN, with its address of each family. */
async function startAtHome(): Promise<BoundGuest & { readonly keep: [string, string] }> {
  const guest = await startAgent({ ipv4: 'auto', ipv6: 'auto' });
  await until(async () => (await guest.network.addresses(6)).length === 2);
  const [address4 = ''] = await guest.network.addresses(4);
  const address6 = (await guest.network.addresses(6)).find((one) => one.endsWith('/64')) ?? '';
  return Object.assign(guest, { keep: [bare(address4), bare(address6)] as [string, string] });
}

const bare = (address: string): string => address.replace(/\/\d+$/, '');

describe.runIf(needsRoot)("the guest's network on another LAN", { timeout: 90_000 }, () => {
  it('says that no DHCP server answered, and has the address that it keeps', async () => {
    await using guest = await startAtHome();
    const [keep4, keep6] = guest.keep;
    await guest.network.stopDhcp('away');
    await guest.network.moveTo('away');
    const { problems } = await guest.host.call('apply-network', { ...toOther, keep: guest.keep });
    expect(problems).toEqual([
      `no DHCP server on the new LAN answered; the guest has only ${keep4}, ${keep6}, kept from its former LAN`,
    ]);
    expect(await guest.network.addresses(4)).toEqual([`${keep4}/32`]);
    await shows(guest, 6, [`${keep6}/128`]);
    // All goes to the host, which knows the way; no gateway says how the guest is attached.
    for (const to of ['10.78.0.1', 'fd78:0:0:1::1']) {
      const hop = (await guest.network.nextHop(to)) ?? '';
      expect(await guest.network.neighbour(hop)).toBe(otherHost);
    }
    expect((await guest.host.call('observe', {})).network).not.toHaveProperty('mode');
    // It goes on asking.
    await guest.network.startDhcp('away');
    await until(async () => (await guest.network.addresses(4)).length === 2);
    expect(await guest.network.nextHop('10.78.0.1')).toBe('10.79.0.1');
  });

  it('says that the address which the new LAN gives is taken, and does not use it', async () => {
    await using guest = await startAtHome();
    await guest.network.stopDhcp('away');
    await guest.network.startDhcp('away', { addresses: 1 });
    await guest.network.moveTo('away');
    await guest.network.takeAddress('10.79.0.50/24');
    const { problems } = await guest.host.call('apply-network', toOther);
    expect(problems).toEqual([
      'the DHCP server on the new LAN gave 10.79.0.50, which another host there uses; it gave IPv6 only',
    ]);
    expect(await guest.network.addresses(4)).toEqual([]);
  });

  it('works when NetworkManager is started again in the middle', async () => {
    await using guest = await startAtHome();
    const [keep4] = guest.keep;
    await guest.network.moveTo('away');
    const wish = { ...toOther, keep: [keep4] };
    const asked = guest.host.call('apply-network', wish);
    await guest.network.stopManager();
    const { problems } = await asked;
    expect(problems).not.toEqual([]);
    await guest.network.startManager();
    await until(async () => (await guest.host.call('apply-network', wish)).problems.length === 0);
    expect(await guest.network.addresses(4)).toEqual([
      `${keep4}/32`,
      expect.stringMatching(/^10\.79\.0\..*\/24$/),
    ]);
  });

  it('is of that LAN at once, with what it keeps beside it, until it is named no more', async () => {
    await using guest = await startAtHome();
    const [keep4, keep6] = guest.keep;
    await guest.network.moveTo('away');
    const mac = await guest.network.routerMac();
    await using monitor = guest.network.watchAddresses();
    expect(await guest.host.call('apply-network', { ...toOther, keep: guest.keep })).toEqual({
      problems: [],
    });
    const [new4] = (await guest.network.addresses(4)).filter((one) => one !== `${keep4}/32`);
    expect(new4).toMatch(/^10\.79\.0\..*\/24$/);
    expect(await guest.network.addresses(4)).toContain(`${keep4}/32`);
    await until(async () => (await guest.network.addresses(6)).length === 3);
    expect((await guest.network.addresses(6)).filter((one) => one.startsWith('fd78:'))).toEqual([
      `${keep6}/128`,
    ]);
    // Routes and names are those of the new LAN.
    expect(await guest.network.nextHop('10.78.0.1')).toBe('10.79.0.1');
    expect(await guest.network.nextHop('fd78:0:0:1::1')).toBe(linkLocalOf(mac));
    expect(await guest.network.resolvConf()).toContain('10.79.0.1');
    expect(await guest.network.resolvConf()).not.toContain('10.78.0.1');
    expect((await guest.host.call('observe', {})).network).toMatchObject({
      mode: 'bridged',
      gateway: '10.79.0.1',
    });

    const all6 = await guest.network.addresses(6);
    const same = { ...toOther, lan: 'same' } as const;
    expect(await guest.host.call('apply-network', { ...same, keep: guest.keep })).toEqual({ problems: [] });
    await shows(guest, 6, all6);
    const lost4 = monitor.lines.filter((line) => line.startsWith('Deleted') && line.includes('10.79.'));
    expect(await guest.host.call('apply-network', same)).toEqual({ problems: [] });
    await shows(guest, 4, [String(new4)]);
    await shows(
      guest,
      6,
      all6.filter((one) => !one.startsWith('fd78:')),
    );
    expect(lost4).toEqual([]);
    expect(await guest.network.neighbour('169.254.77.1')).toBeUndefined();
  });

  it('comes home with the addresses that it kept', async () => {
    await using guest = await startAtHome();
    const before = await guest.network.addresses(4);
    const before6 = await guest.network.addresses(6);
    await guest.network.moveTo('away');
    await guest.host.call('apply-network', { ...toOther, keep: guest.keep });
    await guest.network.moveTo('home');
    expect(await guest.host.call('apply-network', { ...toOther, keep: guest.keep })).toEqual({
      problems: [],
    });
    expect(await guest.host.call('apply-network', { ...toOther, lan: 'same' })).toEqual({ problems: [] });
    await shows(guest, 4, before);
    await shows(guest, 6, before6);
  });

  it('keeps the way out of what it keeps through a host that routes', async () => {
    await using guest = await startAtHome();
    const [, keep6] = guest.keep;
    await guest.network.moveTo('away');
    const hostMac = await guest.network.routerMac();
    const wish = { ...toOther, mode: 'routed', dhcp: true, hostMac, keep: guest.keep } as const;
    expect(await guest.host.call('apply-network', wish)).toEqual({ problems: [] });
    await shows(guest, 6, [`${keep6}/128`]);
    expect(await guest.network.nextHop('fd78:0:0:1::1')).toBe(linkLocalOf(hostMac));
    expect((await guest.host.call('observe', {})).network).toMatchObject({
      mode: 'routed',
      gateway: '10.79.0.1',
    });
  });
});
