import { describe, expect, it } from 'vitest';
import { needsRoot, otherHost, startAgent, until } from './bound-guest.ts';

describe.runIf(needsRoot)(
  "the guest's network, re-bound by the real NetworkManager",
  { timeout: 60_000 },
  () => {
    it('keeps its address, all the time, from a bridge to a routing host and back', async () => {
      await using guest = await startAgent();
      const [address] = await guest.network.addresses();
      await using monitor = guest.network.watchAddresses();

      const routed = { mode: 'routed', metered: true, hostMac: guest.mac } as const;
      expect(await guest.host.call('apply-network', routed)).toEqual({ problems: [] });
      expect((await guest.host.call('observe', {})).network).toMatchObject({
        mode: 'routed',
        interface: 'eth0',
        addresses: [address],
        gateway: '10.78.0.1',
      });
      expect(await guest.host.call('apply-network', routed)).toEqual({ problems: [] });

      const before = await guest.network.acknowledged();
      const bridged = { mode: 'bridged', metered: false, hostMac: otherHost } as const;
      expect(await guest.host.call('apply-network', bridged)).toEqual({ problems: [] });
      expect((await guest.host.call('observe', {})).network).toMatchObject({
        mode: 'bridged',
        addresses: [address],
      });
      // Once for the lease, and once more when the fixed address beside it was given up.
      await until(async () => (await guest.network.acknowledged()) >= before + 2);
      expect(await guest.network.addresses()).toEqual([address]);
      expect(monitor.lines.filter((line) => line.startsWith('Deleted') && line.includes('inet '))).toEqual(
        [],
      );
    });

    it('keeps the address that it had when DHCP does not answer on the bridge', async () => {
      await using guest = await startAgent();
      const addresses = await guest.network.addresses();
      await guest.host.call('apply-network', { mode: 'routed', metered: true, hostMac: guest.mac });
      await guest.network.stopDhcp();
      await guest.host.call('apply-network', { mode: 'bridged', metered: false, hostMac: otherHost });
      expect(await guest.network.addresses()).toEqual(addresses);
      await guest.host.call('apply-network', { mode: 'routed', metered: true, hostMac: guest.mac });
      expect(await guest.network.addresses()).toEqual(addresses);
    });

    it('says that NetworkManager does not run, and works with it when it does again', async () => {
      await using guest = await startAgent();
      await guest.network.stopManager();
      const wish = { mode: 'routed', metered: true, hostMac: guest.mac } as const;
      const { problems } = await guest.host.call('apply-network', wish);
      expect(problems).toEqual(['NetworkManager does not run; eth0 stays configured as it was']);
      expect((await guest.host.call('observe', {})).network.mode).toBe('routed');
      await guest.network.startManager();
      await guest.network.connected();
      expect(await guest.host.call('apply-network', wish)).toEqual({ problems: [] });
    });

    it('keeps the address when NetworkManager is started again behind a host that routes, where DHCP is silent', async () => {
      await using guest = await startAgent();
      const addresses = await guest.network.addresses();
      const wish = { mode: 'routed', metered: true, hostMac: guest.mac } as const;
      await guest.host.call('apply-network', wish);
      await guest.network.stopDhcp();
      await guest.network.stopManager();
      await guest.network.startManager();
      // Until it has taken the device up again it has nothing that could be changed.
      await until(async () => (await guest.host.call('apply-network', wish)).problems.length === 0);
      await guest.network.connected();
      expect(await guest.network.addresses()).toEqual(addresses);
    });

    it('says that the gateway does not answer', async () => {
      await using guest = await startAgent();
      await guest.network.cut();
      const { problems } = await guest.host.call('apply-network', {
        mode: 'routed',
        metered: false,
        hostMac: guest.mac,
      });
      expect(problems).toContainEqual(expect.stringContaining('the gateway 10.78.0.1 does not answer'));
      expect((await guest.host.call('observe', {})).network).not.toHaveProperty('mode');
    });
  },
);
