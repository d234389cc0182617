import { describe, expect, it } from 'vitest';
import { agentBusName, agentPath } from '../../../guest-agent/dbus/agent-interface.ts';
import { DbusConnection } from '../../../guest-agent/dbus/dbus-connection.ts';
import { plainDbusValue } from '../../../guest-agent/dbus/dbus-value.ts';
import { needsRoot, otherHost, startAgent, until } from './bound-guest.ts';

describe.runIf(needsRoot)('what else a network is like', { timeout: 60_000 }, () => {
  it('lets the lease go on behind a host that relays DHCP', async () => {
    await using guest = await startAgent();
    const addresses = await guest.network.addresses();
    await using monitor = guest.network.watchAddresses();
    const wish = { mode: 'routed', metered: true, hostMac: guest.mac, dhcp: true } as const;
    expect(await guest.host.call('apply-network', wish)).toEqual({ problems: [] });
    expect(await guest.network.addresses()).toEqual(addresses);
    expect(monitor.lines).toEqual([]);
    // From a fixed configuration it begins again.
    await guest.host.call('apply-network', { ...wish, dhcp: false });
    const before = await guest.network.acknowledged();
    await guest.host.call('apply-network', wish);
    await until(async () => (await guest.network.acknowledged()) > before);
    expect(await guest.network.addresses()).toEqual(addresses);
  });

  it('sends no packet that is too large for it, and larger ones again after it', async () => {
    await using guest = await startAgent();
    const wish = { mode: 'bridged', metered: false, hostMac: otherHost } as const;
    expect(await guest.host.call('apply-network', { ...wish, mtu: 1400 })).toEqual({ problems: [] });
    await until(async () => (await guest.network.mtu()) === 1400);
    expect(await guest.host.call('apply-network', wish)).toEqual({ problems: [] });
    await until(async () => (await guest.network.mtu()) === 1500);
  });

  it('has its captive portal told to applications, and the end of it', async () => {
    await using guest = await startAgent();
    await using bus = new DbusConnection(guest.network.bus.address);
    const agent = { destination: agentBusName, path: agentPath, interface: agentBusName };
    const seen: unknown[] = [];
    bus.listen({ sender: agentBusName, member: 'PropertiesChanged' }, ({ body }) => {
      const changed = plainDbusValue(body[1]) as Record<string, unknown>;
      if ('HostConnectivity' in changed) seen.push(changed['HostConnectivity']);
    });
    const limit = AbortSignal.timeout(10_000);
    seen.push(plainDbusValue(await bus.getProperty(agent, 'HostConnectivity', limit)));
    const wish = { mode: 'bridged', metered: true, hostMac: otherHost } as const;
    await guest.host.call('apply-network', { ...wish, portal: true });
    await guest.host.call('apply-network', { ...wish, portal: true });
    await guest.host.call('apply-network', wish);
    await until(async () => seen.length === 3);
    expect(seen).toEqual(['unknown', 'portal', 'full']);
  });
});
