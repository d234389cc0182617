import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  labAddresses,
  labAddresses6,
  labMacs,
  labWorkspaceMac,
  lanA,
  lanB,
  slaacAddress,
} from '../../lab/network/address-plan.ts';
import { settingsCommand } from '../../lab/network/host-commands.ts';
import { LabNetwork } from '../../lab/network/lab-network.ts';
import type { NetworkNamespace } from '../../lab/network/network-namespace.ts';

const soon = () => AbortSignal.timeout(30_000);

/** A card of its own on a host's wire, which configures itself by router advertisements as a guest does. */
async function plugCard(host: NetworkNamespace, mac: string): Promise<string> {
  const make = `link add card link eth0 address ${mac} type macvlan mode bridge`;
  await host.run(['ip', '-batch', '-'], soon(), make);
  // Whether somebody else has the address is asked for a second, and until then nothing is sent from it.
  await host.run(settingsCommand({ 'ipv6/conf/card/accept_dad': 0 }), soon());
  await host.run(['ip', 'link', 'set', 'card', 'up'], soon());
  return 'card';
}

const globalAddresses = async (host: NetworkNamespace, device: string) => {
  const argv = ['ip', '-json', '-6', 'address', 'show', 'dev', device, 'scope', 'global'];
  const shown = JSON.parse(await host.run(argv, soon())) as {
    addr_info?: { local?: string }[];
  }[];
  // What does not match is printed as an empty object.
  return shown.flatMap(({ addr_info = [] }) => addr_info.flatMap(({ local }) => local ?? []));
};

const askDhcp6 = async (host: NetworkNamespace, device: string) => {
  const script = join(import.meta.dirname, 'ask-dhcp6.ts');
  return (await host.run([process.execPath, script, device], soon())).trim();
};

const resolve = async (host: NetworkNamespace, server: string, name: string) => {
  const program = `const { Resolver } = require('node:dns').promises;
    const resolver = new Resolver();
    resolver.setServers(['${server}']);
    void Promise.all([resolver.resolve4('${name}'), resolver.resolve6('${name}')])
      .then((found) => console.log(JSON.stringify(found.flat())));`;
  return JSON.parse(await host.run([process.execPath, '-e', program], soon())) as string[];
};

describe('a LAN of the lab', { timeout: 60_000 }, () => {
  it('gives no address once its services are stopped, and its router still answers', async () => {
    await using network = await LabNetwork.create({}, soon());
    await network.stopServices(lanA);
    const script = join(import.meta.dirname, 'ask-dhcp.ts');
    await expect(
      network.client.run([process.execPath, script, labWorkspaceMac], AbortSignal.timeout(2_000)),
    ).rejects.toThrow();
    await network.client.run(['ping', '-c1', '-W2', labAddresses.router], soon());
  });

  it('advertises its prefix and its router, and gives the workspace its own address by DHCPv6', async () => {
    await using network = await LabNetwork.create({}, soon());
    const { client } = network;
    const card = await plugCard(client, labWorkspaceMac);
    const own = slaacAddress(lanA.prefix6, labWorkspaceMac);
    await vi.waitFor(async () => expect(await globalAddresses(client, card)).toEqual([own]), {
      timeout: 20_000,
    });
    expect(await client.run(['ip', '-6', 'route', 'show', 'default', 'dev', card], soon())).toContain(
      `default via ${slaacAddress('fe80::', lanA.routerMac)}`,
    );
    expect(await askDhcp6(client, card)).toBe(labAddresses6.workspace);
  });

  it('gives a stranger another address by DHCPv6', async () => {
    await using network = await LabNetwork.create({}, soon());
    const card = await plugCard(network.client, '52:54:00:65:43:21');
    const { client } = network;
    const own = slaacAddress(lanA.prefix6, '52:54:00:65:43:21');
    await vi.waitFor(async () => expect(await globalAddresses(client, card)).toEqual([own]), {
      timeout: 20_000,
    });
    expect(await askDhcp6(client, card)).toMatch(/^fd00:77::1[0-9a-f]{2}$/);
  });

  it('leaves the fixed addresses of its hosts alone', async () => {
    await using network = await LabNetwork.create({}, soon());
    await plugCard(network.client, labWorkspaceMac);
    await vi.waitFor(async () => expect(await globalAddresses(network.client, 'card')).not.toEqual([]), {
      timeout: 20_000,
    });
    expect(await globalAddresses(network.client, 'eth0')).toEqual([labAddresses6.client]);
    expect(await globalAddresses(network.mid, 'wlan0')).toEqual([labAddresses6.mid]);
  });
});

describe('two LANs', { timeout: 60_000 }, () => {
  it('reach each other through the router, whose hardware address differs, and by nothing else', async () => {
    await using network = await LabNetwork.create({ layout: 'two-lans' }, soon());
    const { client, clientB, addresses, addresses6 } = network;
    for (const address of [addresses.pc, addresses6.pc]) {
      await client.run(['ping', '-c1', '-W2', address], soon());
    }
    for (const address of [addresses.mid, addresses6.mid]) {
      await clientB.run(['ping', '-c1', '-W2', address], soon());
    }
    const neighbours = async (host: NetworkNamespace) => await host.run(['ip', 'neigh', 'show'], soon());
    expect(await neighbours(client)).toContain(lanA.routerMac);
    expect(await neighbours(clientB)).toContain(lanB.routerMac);
    expect(await neighbours(client)).not.toContain(labMacs.pc);
    expect(await neighbours(clientB)).not.toContain(labMacs.mid);
  });

  it('have a name server each, which knows its own router', async () => {
    await using network = await LabNetwork.create({ layout: 'two-lans' }, soon());
    const { client, clientB } = network;
    expect(await resolve(client, lanA.router, 'gateway.test')).toEqual([lanA.router, lanA.router6]);
    expect(await resolve(clientB, lanB.router, 'gateway.test')).toEqual([lanB.router, lanB.router6]);
  });

  it('give the workspace an address of the LAN that it asks on', async () => {
    await using network = await LabNetwork.create({ layout: 'two-lans' }, soon());
    const script = join(import.meta.dirname, 'ask-dhcp.ts');
    const ask = async (host: NetworkNamespace) =>
      (await host.run([process.execPath, script, labWorkspaceMac], soon())).trim();
    expect(await ask(network.client)).toBe(lanA.workspace);
    expect(await ask(network.clientB)).toBe(lanB.workspace);
    expect((await network.leases(lanB)).get(labWorkspaceMac)).toBe(lanB.workspace);
  });
});
