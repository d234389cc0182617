import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LabNetwork } from '../../lab/network/lab-network.ts';
import type { NetworkNamespace } from '../../lab/network/network-namespace.ts';
import { askPeer } from '../../lab/traffic/ask-peer.ts';
import { peerPort } from '../../lab/traffic/guest-peer.ts';
import { Traffic } from '../../lab/traffic/traffic.ts';
import type { TrafficSeen } from '../../lab/traffic/traffic-report.ts';

const soon = () => AbortSignal.timeout(30_000);
const peer = join(import.meta.dirname, '../../lab/traffic/guest-main.ts');
const mbit = 1_000_000;

/** The guest's peer on a host of the lab, started as systemd starts it in the guest. Returns when it can be asked. */
async function startPeer(host: NetworkNamespace): Promise<void> {
  const argv = ['systemd-socket-activate', `--listen=${peerPort}`, process.execPath, peer];
  const child = host.spawn(argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  await once(child.stderr as NonNullable<typeof child.stderr>, 'data', { signal: soon() });
}

describe('traffic between a client and a guest', { timeout: 60_000 }, () => {
  let network: LabNetwork;
  beforeEach(async () => {
    network = await LabNetwork.create({}, soon());
    await startPeer(network.pc);
  });
  afterEach(() => network[Symbol.asyncDispose]());

  /** With the PC in the guest's place. */
  const open = ({ client, addresses, addresses6 }: LabNetwork) =>
    Traffic.open(
      client,
      {
        ways: [
          { name: 'ipv4', guest: addresses.pc, own: addresses.client },
          { name: 'ipv6', guest: addresses6.pc, own: addresses6.client },
        ],
        bitsPerS: mbit,
      },
      soon(),
    );

  const everyFlow = ({ flows }: TrafficSeen, holds: (flow: TrafficSeen['flows'][number]) => boolean) => {
    expect(flows.filter((flow) => !holds(flow))).toEqual([]);
  };

  it('says so when nobody listens in the guest', async () => {
    const { client, addresses } = network;
    const ways = [{ name: 'ipv4', guest: addresses.mid, own: addresses.client }];
    await expect(Traffic.open(client, { ways, bitsPerS: mbit }, soon())).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    await expect(askPeer(client, addresses.mid, { kind: 'network' }, soon())).rejects.toMatchObject({
      kind: 'io',
    });
  });

  it('says which connection was broken, and why', async () => {
    await using traffic = await open(network);
    await network.pc.run(['ss', '-K', 'dst', network.addresses.client, 'sport', `:${peerPort}`], soon());
    await vi.waitFor(
      async () => {
        const { flows } = await traffic.report(soon());
        expect(flows.find(({ name }) => name === 'ipv4 to guest')).toMatchObject({ open: false });
      },
      { timeout: 10_000, interval: 200 },
    );
    const { flows } = await traffic.report(soon());
    expect(flows.find(({ name }) => name === 'ipv4 to guest')?.ended).toMatch(/ECONNRESET|closed/);
    expect(flows.filter(({ open: isOpen }) => isOpen).map(({ name }) => name)).toContain('ipv6 from guest');
  });

  it('goes on through a cut, with every byte as it was sent, and says how long it was silent', async () => {
    await using traffic = await open(network);
    await vi.waitFor(
      async () => everyFlow(await traffic.report(soon()), (flow) => flow.receivedBytes > 60_000 && flow.open),
      { timeout: 20_000, interval: 200 },
    );
    await traffic.mark(soon());
    const cutMs = performance.now();
    await network.cutLink('pc', soon());
    // A ping that nobody answers takes its time, during which the silence lasts.
    await network.client.run(['ping', '-c1', '-W1', network.addresses.pc], soon()).catch(() => undefined);
    const during = await traffic.report(soon());
    await network.restoreLink('pc', soon());
    const silentMs = performance.now() - cutMs;
    everyFlow(during, (flow) => flow.longestSilenceMs > 900 && flow.longestSilenceMs < 2 * silentMs);
    await vi.waitFor(
      async () =>
        everyFlow(await traffic.report(soon()), ({ receivedBytes, name }) => {
          const before = during.flows.find((flow) => flow.name === name);
          return receivedBytes > (before?.receivedBytes ?? Number.NaN) + 60_000;
        }),
      { timeout: 20_000, interval: 200 },
    );
    const after = await traffic.report(soon());
    everyFlow(after, (flow) => flow.open && flow.mismatches === 0 && flow.longestSilenceMs > 900);
    for (const { sent, answered, lost, doubled, longestSilenceMs } of after.datagrams) {
      expect(longestSilenceMs).toBeGreaterThan(900);
      expect(answered).toBeLessThan(sent);
      expect(lost).toBeLessThan(sent / 2);
      expect(doubled).toBe(0);
    }
    expect(await askPeer(network.client, network.addresses6.pc, { kind: 'flows' }, soon())).toEqual({
      open: after.flows.length,
    });
  });

  it('can be closed: the guest has no connection left', async () => {
    const traffic = await open(network);
    await traffic[Symbol.asyncDispose]();
    await vi.waitFor(
      async () => {
        const left = await askPeer(network.client, network.addresses.pc, { kind: 'flows' }, soon());
        expect(left).toEqual({ open: 0 });
      },
      { timeout: 10_000, interval: 200 },
    );
  });
});

describe('the peer in the guest', { timeout: 60_000 }, () => {
  it('finds the ports that are open, and tells a datagram that was refused from one that nobody answers', async () => {
    await using network = await LabNetwork.create({}, soon());
    const { client, pc, addresses, addresses6 } = network;
    await startPeer(pc);
    const ports = Array.from({ length: 1024 }, (_, at) => at + 1);
    const scan = (address: string) =>
      askPeer(client, addresses.pc, { kind: 'scan', address, ports, timeoutMs: 500 }, soon());
    const send = (address: string) =>
      askPeer(client, addresses.pc, { kind: 'datagram', address, port: 54, timeoutMs: 500 }, soon());
    for (const router of [addresses.router, addresses6.router]) {
      expect(await scan(router)).toEqual({ open: [53] });
      expect(await send(router)).toEqual({ fate: 'refused' });
    }
    await network.cutLink('mid', soon());
    expect(await send(addresses.mid)).toEqual({ fate: 'silent' });
  });

  it('sees its network, and asks the name server of its network', async () => {
    await using network = await LabNetwork.create({}, soon());
    const { client, pc, addresses, addresses6 } = network;
    // The namespace has a mount namespace of its own.
    await writeFile(`${network.folder}/resolv`, `nameserver ${addresses.router}\n`);
    await pc.run(['mount', '--bind', `${network.folder}/resolv`, '/etc/resolv.conf'], soon());
    await startPeer(pc);
    const { addresses: seen, nameservers } = await askPeer(client, addresses.pc, { kind: 'network' }, soon());
    expect(seen).toContainEqual(expect.objectContaining({ address: `${addresses6.pc}/64` }));
    expect(nameservers).toEqual([addresses.router]);
    const resolved = await askPeer(client, addresses.pc, { kind: 'resolve', name: 'gateway.test' }, soon());
    expect(resolved.addresses).toEqual([addresses.router, addresses6.router]);
  });
});
