import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseWay, NetworkChange, planNetwork } from '../../../host-plugins/network/plan.ts';
import { verifyNetwork } from '../../../host-plugins/network/verify.ts';
import { NetworkBinding, tapHardwareAddress } from '../../../host-plugins/system/network/binding.ts';
import { buildRelayedDiscover, readOffer } from '../../../host-plugins/system/network/dhcp/dhcp-message.ts';
import { chooseNatSubnet, uniqueLocalPrefix } from '../../../host-plugins/system/network/nat-network.ts';
import { buildAnnouncement, lanAddresses } from '../../../host-plugins/system/network/neighbour-frames.ts';
import { buildRules, tableName } from '../../../host-plugins/system/network/nft-rules.ts';
import { parseInterfaces } from '../../../host-plugins/system/network/read-interfaces.ts';
import {
  buildStandstill,
  buildStandstillEnd,
} from '../../../host-plugins/system/network/standstill-rules.ts';
import { linkLocalAddress } from '../../../host-plugins/system/network/tap-settings.ts';
import type { LinkFacts } from '../../../protocol/host-profile.ts';
import { allocation, context, guest, host } from './samples.ts';

const wifi: LinkFacts = { name: 'wlan0', kind: 'wifi', canBridge: false, metered: false, addresses: [] };
const wired: LinkFacts = { name: 'eth0', kind: 'ethernet', canBridge: true, metered: false, addresses: [] };
const port: LinkFacts = { ...wired, name: 'eth1', bridge: 'br0' };

describe('choosing the way to the LAN', () => {
  it('says why there is none', () => {
    const why = (...input: Parameters<typeof chooseWay>) => {
      const way = chooseWay(...input);
      return way.mode === 'none' ? way.why : way;
    };
    expect(why('bridged', undefined, [])).toBe('the host has no link');
    expect(why('bridged', 'eth7', [port])).toBe('the host has no link eth7');
    expect(why('bridged', 'wlan0', [wifi, port])).toMatch(/Wi-Fi station, which cannot be a port/);
    expect(why('bridged', undefined, [wired])).toBe('eth0 is not a port of a bridge');
  });

  it('finds the bridge by the link, and the link by its bridge', () => {
    expect(chooseWay('bridged', 'eth1', [wifi, port])).toEqual({ mode: 'bridged', bridge: 'br0' });
    expect(chooseWay('bridged', 'br0', [wifi, port])).toEqual({ mode: 'bridged', bridge: 'br0' });
    expect(chooseWay('bridged', undefined, [wifi, wired, port])).toEqual({ mode: 'bridged', bridge: 'br0' });
  });

  it('routes through the bridge where the link is a port of one: the bridge has the addresses', () => {
    expect(chooseWay('routed', 'eth1', [port])).toEqual({ mode: 'routed', uplink: 'br0' });
    expect(chooseWay('routed', 'wlan0', [wifi])).toEqual({ mode: 'routed', uplink: 'wlan0' });
  });

  it('lays the path before the guest runs, then tells the LAN, then the guest', () => {
    const to = allocation({ network: { mode: 'routed', metered: true } });
    const steps = planNetwork(context({ to, target: host() }));
    expect(steps.map((step) => [step.when, NetworkChange.parse(step.change).action])).toEqual([
      ['on-arrival', 'bind'],
      ['on-run', 'announce'],
      ['after-move', 'apply'],
    ]);
    expect(steps[2]?.change).toMatchObject({ told: { metered: true, lan: 'same', keep: [], portal: false } });
  });
});

describe('a guest that changes its LAN', () => {
  const told = (changes: Parameters<typeof context>[0]) => {
    const steps = planNetwork(context(changes)).map(({ change }) => NetworkChange.parse(change));
    const apply = steps.find((each) => each.action === 'apply');
    return { mode: steps[0]?.way.mode, ...apply?.told };
  };
  const to = (mode: 'bridged' | 'routed' | 'nat') => allocation({ network: { mode, metered: false } });
  const anchor = { deviceId: 'pc', addresses: ['10.77.0.50', 'fd77::50'] };

  it('is told so, and what it keeps of the one before', () => {
    const target = host({ links: [port] });
    expect(told({ to: to('bridged'), target, lanChange: { lan: 'other', anchor } })).toMatchObject({
      mode: 'bridged',
      lan: 'other',
      keep: anchor.addresses,
    });
    expect(told({ to: to('bridged'), target, lanChange: { lan: 'same', anchor } })).toMatchObject({
      lan: 'same',
      keep: anchor.addresses,
    });
  });

  it('is put behind its host where it was to be routed: nothing could be routed to it', () => {
    expect(told({ to: to('routed'), lanChange: { lan: 'other' } })).toMatchObject({
      mode: 'nat',
      lan: 'other',
    });
    expect(told({ to: to('routed'), lanChange: { lan: 'same' } })).toMatchObject({
      mode: 'routed',
      lan: 'same',
    });
    expect(verifyNetwork(to('routed'), guest({ network: { mode: 'nat' } }))).toMatchObject([
      { requested: 'routed', actual: 'nat', reason: expect.stringMatching(/came from another LAN/) },
    ]);
  });

  it('enters another LAN when it goes behind a host, and when it comes out again', () => {
    expect(told({ to: to('nat') })).toMatchObject({ mode: 'nat', lan: 'other' });
    expect(told({ from: to('nat'), to: to('routed') })).toMatchObject({ lan: 'other' });
    expect(told({ from: to('bridged'), to: to('routed') })).toMatchObject({ lan: 'same' });
  });

  it('is told of small packets and of a portal', () => {
    const target = host({ links: [{ ...wifi, mtu: 1400, portal: true }] });
    expect(told({ to: to('routed'), target })).toMatchObject({ mtu: 1400, portal: true });
    expect(told({ to: to('routed') })).toMatchObject({ portal: false });
  });
});

describe('the network of a guest behind its host', () => {
  it('is none that the host or the guest knows, in whole or in part', () => {
    expect(chooseNatSubnet(['10.77.0.11/24', '127.0.0.0/8'])).toBe('192.168.200');
    expect(chooseNatSubnet(['192.168.200.128/25', '192.168.201.7', '192.168.202.0/23'])).toBe('192.168.204');
    expect(chooseNatSubnet(['192.168.0.0/16'])).toBe('10.200.77');
    expect(chooseNatSubnet(['192.168.0.0/16', '10.0.0.0/8'])).toBeUndefined();
  });

  it('has a unique local prefix of RFC 4193', () => {
    expect(uniqueLocalPrefix(Uint8Array.of(0, 1, 2, 3, 0xff))).toBe('fd00:0102:03ff:1::');
  });
});

describe('verifying the network', () => {
  it('names a wrong mode, an unknown mode and a missing address', () => {
    const to = allocation();
    expect(verifyNetwork(to, guest({ network: { mode: 'routed' } }))).toMatchObject([
      { requested: 'bridged', actual: 'routed' },
    ]);
    const notes = ['network: NetworkManager does not answer', 'display: no compositor'];
    expect(
      verifyNetwork(to, guest({ network: { mode: undefined, addresses: ['fd00::5/64'] }, notes })),
    ).toEqual([
      { resource: 'network', requested: 'bridged', actual: 'unknown', reason: notes[0] },
      {
        resource: 'network',
        requested: 'an IPv4 address in the guest',
        actual: 'fd00::5/64',
        reason: notes[0],
      },
    ]);
    expect(verifyNetwork(to, guest())).toEqual([]);
  });
});

describe('a gratuitous ARP frame', () => {
  it('is that of RFC 5227, byte by byte', () => {
    const frame = Buffer.from(buildAnnouncement('52:54:00:12:34:56', '10.77.0.50')).toString('hex');
    expect(frame).toBe(
      // to all, from the guest, ARP; Ethernet, IPv4, 6, 4, request
      'ffffffffffff525400123456080600010800060400' +
        // 01, sender, target
        '015254001234560a4d00320000000000000a4d0032' +
        '00'.repeat(18),
    );
  });

  it('refuses what is no address', () => {
    for (const mac of ['', '52:54:00:12:34', '52:54:00:12:34:5g', '52-54-00-12-34-56']) {
      expect(() => buildAnnouncement(mac, '10.0.0.1')).toThrow(RangeError);
    }
    for (const ip of [
      '',
      '10.0.0',
      '10.0.0.256',
      '10.0.0.1/24',
      'fd00::1::2',
      'fd00:1',
      '10.0.0.1.2',
      '1e1.0.0.1',
    ]) {
      expect(() => buildAnnouncement('52:54:00:12:34:56', ip)).toThrow(RangeError);
    }
  });

  it('carries any address at its two places', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.uint8Array({ minLength: 6, maxLength: 6 }), (ip, bytes) => {
        const mac = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
        const frame = buildAnnouncement(mac, ip);
        expect(frame.length).toBe(60);
        expect([...frame.subarray(6, 12)]).toEqual([...bytes]);
        expect([...frame.subarray(22, 28)]).toEqual([...bytes]);
        expect([...frame.subarray(28, 32)].join('.')).toBe(ip);
        expect([...frame.subarray(38, 42)].join('.')).toBe(ip);
      }),
    );
  });

  it('is sent for addresses that more than one link knows', () => {
    expect(
      lanAddresses(['10.77.0.50/24', 'fd00::5/64', '300.1.1.1/8', 'fe80::1/64', '169.254.3.4/16']),
    ).toEqual(['10.77.0.50', 'fd00::5']);
  });
});

describe('an unsolicited neighbour advertisement', () => {
  it('is that of RFC 4861, byte by byte', () => {
    const frame = Buffer.from(buildAnnouncement('52:54:00:12:34:56', 'fd77::50')).toString('hex');
    expect(frame).toBe(
      // to all nodes, from the sender, IPv6; 32 bytes of ICMPv6, hop limit 255
      '33330000000152540012345686dd' +
        '6000000000203aff' +
        'fd770000000000000000000000000050' +
        'ff020000000000000000000000000001' +
        // override; the target; its hardware address
        '8800d45320000000' +
        'fd770000000000000000000000000050' +
        '0201525400123456',
    );
  });

  it('has a checksum over pseudo header and message that comes out as zero', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.uint8Array({ minLength: 6, maxLength: 6 }), (ip, bytes) => {
        fc.pre(!ip.includes('.'));
        const mac = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
        const frame = buildAnnouncement(mac, ip);
        const summed = [...frame.subarray(22, 54), 0, 0, 0, 32, 0, 0, 0, 58, ...frame.subarray(54)];
        let sum = 0;
        for (let at = 0; at < summed.length; at += 2) sum += ((summed[at] ?? 0) << 8) + (summed[at + 1] ?? 0);
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
        expect(sum).toBe(0xffff);
        expect([...frame.subarray(80, 86)]).toEqual([...bytes]);
      }),
    );
  });
});

describe('a relayed DHCP message', () => {
  it('is a DISCOVER of RFC 2131 in the name of the guest, with the relay as gateway', () => {
    const message = Buffer.from(buildRelayedDiscover('52:54:00:12:34:56', '10.77.0.11', 0xdeadbeef));
    expect(message.subarray(0, 8).toString('hex')).toBe('01010601deadbeef');
    expect(message.subarray(24, 34).toString('hex')).toBe('0a4d000b525400123456');
    expect(message.subarray(236, 244).toString('hex')).toBe('63825363350101ff');
    expect(message.length).toBeGreaterThanOrEqual(300);
  });

  it('is answered by an offer of the same transaction and by nothing else, however broken', () => {
    const offer = new Uint8Array(260);
    offer[0] = 2;
    offer.set([0xde, 0xad, 0xbe, 0xef], 4);
    offer.set([0x63, 0x82, 0x53, 0x63, 0, 53, 1, 2, 54, 4, 10, 77, 0, 1, 255], 236);
    expect(readOffer(offer, 0xdeadbeef)).toBe('10.77.0.1');
    expect(readOffer(offer, 1)).toBeUndefined();
    expect(readOffer(offer.with(243, 5), 0xdeadbeef)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(), (bytes, transaction) => {
        expect(readOffer(bytes, transaction)).toBeOneOf([undefined, expect.any(String)]);
      }),
    );
  });
});

describe('the rules of a tap', () => {
  const settings = {
    tapMac: 'fe:54:00:12:34:56',
    closedPorts: [7440],
    forwardsForUsOnly: { ipv4: true, ipv6: false },
  };

  it('have a table of their own with a name that nft reads', () => {
    expect(tableName('wd-my-work')).toBe('wdock_wd_my_work');
  });

  it('close the host to the guest in either mode, and re-address only where the host routes', () => {
    const routed = buildRules({ mode: 'routed', tap: 'wd-a', uplink: 'wlan0', guestAddresses: [] }, settings);
    const bridged = buildRules({ mode: 'bridged', tap: 'wd-a', bridge: 'br0', open: ['udp/53'] }, settings);
    expect(routed).toMatch(/ether daddr set fe:54:00:12:34:56 meta pkttype set host/);
    expect(bridged).not.toMatch(/pkttype set/);
    const guestChain = (rules: string): string[] => {
      const lines = rules.split('\n').map((line) => line.trim());
      const first = lines.indexOf('chain guest {') + 1;
      return lines.slice(first, lines.indexOf('}', first));
    };
    for (const rules of [routed, bridged]) {
      expect(guestChain(rules).at(0)).toBe('tcp dport { 7440 } drop');
      expect(guestChain(rules).at(-1)).toBe('drop');
    }
    expect(guestChain(bridged)).toContain('udp dport 53 accept');
  });

  it("lead forwarded ports to the guest, and never wdockd's", () => {
    const forward = ['tcp/8080:80', 'udp/53', 'tcp/7440:22'];
    const rules = buildRules(
      { mode: 'nat', tap: 'wd-a', uplink: 'wlan0', forward },
      { ...settings, nat: { ipv4: '192.168.200' } },
    );
    expect(rules).toContain('tcp dport 8080 dnat ip to 192.168.200.2:80');
    expect(rules).toContain('udp dport 53 dnat ip to 192.168.200.2:53');
    expect(rules).not.toMatch(/7440 dnat/);
  });

  it('do not touch what the host forwarded before', () => {
    const binding: NetworkBinding = { mode: 'bridged', tap: 'wd-a', bridge: 'br0' };
    expect(buildRules(binding, settings)).toMatch(/iifname "br0" oifname != "br0"/);
    const router = { ipv4: false, ipv6: false };
    expect(buildRules(binding, { ...settings, forwardsForUsOnly: router })).not.toMatch(/iifname/);
  });

  it('cannot be broken out of by a name', () => {
    for (const name of ['a b', 'wd"x', 'wd;x', '../../etc', '..', '-all', 'wd*', '{x}', 'a'.repeat(16), '']) {
      expect(NetworkBinding.safeParse({ mode: 'bridged', tap: 'wd-a', bridge: name }).success).toBe(false);
      expect(NetworkBinding.safeParse({ mode: 'bridged', tap: name, bridge: 'br0' }).success).toBe(false);
    }
    for (const name of ['br0', 'enp0s31f6', 'eth0.100', 'br-0123456789ab', 'veth1@if2']) {
      expect(NetworkBinding.safeParse({ mode: 'bridged', tap: 'wd-a', bridge: name }).success).toBe(true);
    }
  });
});

describe('the rules of a guest that stands still', () => {
  const rules = { tap: 'wd-a', devices: ['eth0', 'wd-b'], forMs: 8_000, sendOnBy: 'br0' };

  it('never make the table of a tap that has none: its guest may run elsewhere', () => {
    const begin = buildStandstill({ ...rules, guestAddresses: ['192.0.2.7'] });
    // nft(8) makes a table where it is told to declare one, but refuses a chain of one that is not there.
    expect(begin.split('\n')[0]).toBe('add chain netdev wdock_wd_a standstill');
    expect(begin.startsWith(buildStandstillEnd('wd-a'))).toBe(true);
  });

  it('name each address with its end, and none of a family that the guest does not speak', () => {
    const begin = buildStandstill({ ...rules, guestAddresses: ['192.0.2.7', '192.0.2.8'] });
    expect(begin).toContain('elements = { 192.0.2.7 timeout 8000ms, 192.0.2.8 timeout 8000ms }');
    expect(begin.match(/elements/g)).toHaveLength(1);
  });

  it('keep what is sent to it where it stays on its LAN, and tell senders where it does not', () => {
    const begin = buildStandstill({ ...rules, guestAddresses: ['192.0.2.7'] });
    expect(begin).toContain('fwd ip to ip daddr device "br0"');
    expect(begin).not.toContain('reject');
    const leaving = buildStandstill({ ...rules, sendOnBy: undefined, guestAddresses: ['192.0.2.7'] });
    expect(leaving).toContain('reject with icmp type host-unreachable');
    expect(leaving).not.toContain('fwd');
  });
});

describe('reading interfaces', () => {
  it('refuses what is not the output of ip', () => {
    for (const text of ['Object "-j" is unknown', '{}', '[{"ifname":7}]', '[{"flags":"UP"}]']) {
      expect(() => parseInterfaces(text)).toThrow(expect.objectContaining({ kind: 'protocol' }));
    }
  });

  it('takes nothing for no interfaces, and skips the empty entries of old versions', () => {
    expect(parseInterfaces('')).toEqual([]);
    expect(parseInterfaces('[{},{"ifname":"lo","flags":["LOOPBACK","UP"]}]')).toHaveLength(1);
  });

  it('tells taps, bridges, ports and carriers apart', () => {
    const [tap, bridge, cable] = parseInterfaces(
      JSON.stringify([
        {
          ifname: 'wd-a',
          flags: ['NO-CARRIER', 'BROADCAST', 'UP'],
          address: 'fe:54:00:00:00:01',
          linkinfo: { info_kind: 'tun', info_data: { type: 'tap', persist: true, vnet_hdr: true } },
          addr_info: [],
        },
        {
          ifname: 'br0',
          flags: ['UP'],
          linkinfo: { info_kind: 'bridge', info_data: { stp_state: 1 } },
          addr_info: [
            { family: 'inet', local: '10.0.0.2', prefixlen: 24, scope: 'global' },
            { family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link' },
          ],
        },
        { ifname: 'eth0', flags: ['UP', 'LOWER_UP'], master: 'br0' },
      ]),
    );
    expect(tap).toMatchObject({ isTap: true, up: true, carrier: false, mac: 'fe:54:00:00:00:01' });
    expect(bridge).toMatchObject({
      kind: 'bridge',
      spanningTree: true,
      addresses: ['10.0.0.2/24'],
      isTap: false,
    });
    expect(cable).toMatchObject({ kind: undefined, master: 'br0', carrier: true });
  });
});

it("gives every host's end of a guest's tap the same hardware address, and a guest another", () => {
  expect(tapHardwareAddress('52:54:00:AB:cd:01')).toBe('fe:54:00:ab:cd:01');
});

it("gives the guest's router the link-local address of RFC 4291, appendix A", () => {
  expect(linkLocalAddress('fe:54:00:12:34:56')).toBe('fe80::fc54:ff:fe12:3456');
});
