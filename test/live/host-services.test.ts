import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeTrip } from '../lab/demo/judge-trip.ts';
import { Lab, provideGuestWithAgent } from '../lab/lab.ts';
import type { LabHost } from '../lab/lab-host.ts';
import { labAddresses, labAddresses6 } from '../lab/network/address-plan.ts';
import { askPeer } from '../lab/traffic/ask-peer.ts';
import { peerPort } from '../lab/traffic/guest-peer.ts';
import { hostAddresses, listeningPorts, scanFromGuest, startServices } from '../lab/watch/host-services.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 300_000;
const scanLimitMs = 240_000;
const silent = () => undefined;

/** What each host serves on all of its addresses, TCP and UDP alike. (5353 is wdockd's own where there is no Avahi.) */
const servedPorts = [22, 5355, 8080];
/** Where services of a system are. */
const systemPorts = Array.from({ length: 1024 }, (_, at) => at + 1);

/** One life of one VM; each test begins where the one before it ended. */
describe('a guest', () => {
  let lab: Lab;
  let card: string;

  beforeAll(async () => {
    const signal = within(14 * 60_000);
    const guest = await provideGuestWithAgent(silent, signal);
    lab = await Lab.start(guest, { link: 'unshaped', pc: 'small-pc', progress: silent }, signal);
    const { mid, pc, client } = lab.network;
    for (const host of [mid, pc, client]) await startServices(host, servedPorts, within(30_000));
    const { addresses } = await askPeer(client, lab.guestAddress, { kind: 'network' }, within(60_000));
    card = addresses[0]?.name ?? '';
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  /**
   * What the guest reaches of these addresses, with every port that the host listens on among those it tries.
   * @param guest the address by which the client reaches the guest
   */
  async function reaches(
    host: LabHost,
    addresses: readonly string[],
    guest = lab.guestAddress,
  ): Promise<string[]> {
    const listening = await listeningPorts(host.namespace, within(10_000));
    expect(listening).toEqual(expect.arrayContaining(servedPorts));
    return await scanFromGuest(
      {
        ...{ from: lab.network.client, guest, addresses },
        ...{ tcpPorts: listening, udpPorts: [...servedPorts, 7440] },
      },
      within(scanLimitMs),
    );
  }

  async function expectNothingReached(host: LabHost): Promise<void> {
    const addresses = await hostAddresses(host.namespace, card, within(10_000));
    expect(addresses).toContain(lab.network.addresses[host.name]);
    expect(addresses).toContain(lab.network.addresses6[host.name]);
    expect(addresses.some((address) => address.startsWith('fe80:'))).toBe(true);
    expect(await reaches(host, addresses)).toEqual([]);
    const [address] = [lab.network.addresses[host.name]];
    const scan = { from: lab.network.client, guest: lab.guestAddress, addresses: [address] };
    expect(
      await scanFromGuest({ ...scan, tcpPorts: systemPorts, udpPorts: [] }, within(scanLimitMs)),
    ).toEqual([]);
  }

  it('reaches the services of another computer on the LAN, so that what it does not reach is kept from it', async () => {
    const everywhere = [labAddresses.client, labAddresses6.client];
    const expected = everywhere.flatMap((address) => [
      ...servedPorts.map((port) => `tcp/${port} at ${address}`),
      ...servedPorts.map((port) => `udp/${port} at ${address}`),
    ]);
    const scan = { from: lab.network.client, guest: lab.guestAddress, addresses: everywhere };
    expect(
      await scanFromGuest({ ...scan, tcpPorts: servedPorts, udpPorts: servedPorts }, within(scanLimitMs)),
    ).toEqual(expected);
  });

  it('reaches no service of its host where the host routes to it', async () => {
    await expectNothingReached(lab.mid);
  });

  it('reaches no service of its host where it is on a bridge', async () => {
    const outcome = await lab.mid.trip(['dock', 'pc'], silent, within(tripLimitMs));
    expect(judgeTrip(outcome, 'small-pc')).toEqual([]);
    await expectNothingReached(lab.pc);
  });

  it('reaches the services of the host that it has left, as anybody on the LAN does', async () => {
    expect(await reaches(lab.mid, [labAddresses.mid])).toEqual(
      expect.arrayContaining(servedPorts.map((port) => `tcp/${port} at ${labAddresses.mid}`)),
    );
  });

  it('reaches the port that the policy of its host opens, and no other', async () => {
    await lab.mid.trip(['undock'], silent, within(tripLimitMs));
    await lab.setDevicePolicy(lab.pc, 'version: 1\nnetwork:\n  open: [tcp/8080, udp/5355]\n');
    const outcome = await lab.mid.trip(['dock', 'pc'], silent, within(tripLimitMs));
    expect(judgeTrip(outcome, 'small-pc')).toEqual([]);
    expect(await reaches(lab.pc, [labAddresses.pc])).toEqual([
      `tcp/8080 at ${labAddresses.pc}`,
      `udp/5355 at ${labAddresses.pc}`,
    ]);
  });

  it('reaches no service of its host behind NAT but DHCP and DNS, and is reached by the ports that are forwarded', async () => {
    await lab.mid.trip(['undock'], silent, within(tripLimitMs));
    const forwarded = `network:\n  prefer: [nat]\n  forward: [tcp/${peerPort}]\n`;
    await lab.setDevicePolicy(lab.pc, `version: 1\n${forwarded}`);
    const outcome = await lab.mid.trip(['dock', 'pc'], silent, within(tripLimitMs));
    expect(outcome.guest.after?.network.mode).toBe('nat');

    const addresses = await hostAddresses(lab.pc.namespace, card, within(10_000));
    const reached = await reaches(lab.pc, addresses, labAddresses.pc);
    const named = reached.filter((each) => !/^(tcp|udp)\/53 at /.test(each));
    expect(named).toEqual([]);
    expect(reached.filter((each) => each.endsWith(` at ${labAddresses.pc}`))).toEqual([]);
    // The LAN itself is open to it.
    const elsewhere = { from: lab.network.client, guest: labAddresses.pc, addresses: [labAddresses.client] };
    expect(
      await scanFromGuest({ ...elsewhere, tcpPorts: [8080], udpPorts: [] }, within(scanLimitMs)),
    ).toEqual([`tcp/8080 at ${labAddresses.client}`]);
  });
});
