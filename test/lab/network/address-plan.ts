/** Prefix lengths of every LAN of the lab. */
export const lanPrefixLength = 24;
export const lanPrefixLength6 = 64;

/** One LAN of the lab: what its router gives out. IPv6 prefixes are unique local ones (RFC 4193). */
export interface LanPlan {
  /** As its DNS domain says it, so that a guest's resolver tells where it is: `lan-a.test`. */
  readonly name: 'lan-a' | 'lan-b';
  /** The LAN's switch, in the namespace `lan`; the router's address is on it. */
  readonly switchDevice: string;
  readonly routerMac: string;
  readonly router: string;
  readonly router6: string;
  /** What DHCP gives to anybody but the workspace. */
  readonly leaseRange: { readonly first: string; readonly last: string };
  readonly leaseRange6: { readonly first: string; readonly last: string };
  /** What DHCP and DHCPv6 give the workspace on this LAN, on whichever host it runs. */
  readonly workspace: string;
  readonly workspace6: string;
  /** What is advertised for SLAAC (RFC 4862). */
  readonly prefix6: string;
}

const planLan = (name: LanPlan['name'], digits: string, switchDevice: string): LanPlan => ({
  name,
  switchDevice,
  routerMac: `52:54:00:${digits}:00:01`,
  router: `10.${digits}.0.1`,
  router6: `fd00:${digits}::1`,
  leaseRange: { first: `10.${digits}.0.100`, last: `10.${digits}.0.199` },
  leaseRange6: { first: `fd00:${digits}::100`, last: `fd00:${digits}::1ff` },
  workspace: `10.${digits}.0.50`,
  workspace6: `fd00:${digits}::50`,
  prefix6: `fd00:${digits}::`,
});

/** The lab's LANs. The same in every run: each run has them in namespaces of its own. */
export const lanA = planLan('lan-a', '77', 'switch0');
/** Only in a lab with two LANs. */
export const lanB = planLan('lan-b', '78', 'switch1');

/** Fixed, or a bridge would take the lowest address of its ports, and change it when a guest's tap joins. */
export const labMacs = {
  mid: '52:54:00:77:00:11',
  pc: '52:54:00:77:00:12',
  client: '52:54:00:77:00:21',
  clientB: '52:54:00:78:00:21',
} as const;

/** The workspace's network card, unless a run says otherwise. */
export const labWorkspaceMac = '52:54:00:77:00:50';

/** Addresses of a lab with one LAN. */
export const labAddresses = {
  router: lanA.router,
  mid: '10.77.0.11',
  pc: '10.77.0.12',
  client: '10.77.0.21',
  nobody: '10.77.0.29',
  /** What DHCP gives the workspace, wherever it runs. */
  workspace: lanA.workspace,
} as const;

/** The same for IPv6; DHCPv6 gives the workspace its own, beside the one of SLAAC. */
export const labAddresses6 = {
  router: lanA.router6,
  mid: 'fd00:77::11',
  pc: 'fd00:77::12',
  client: 'fd00:77::21',
  workspace: lanA.workspace6,
} as const;

/** The cable between the two devices, where a lab has one: at both ends its name, and their addresses. */
export const cableDevice = 'usb0';
export const cableAddresses = { mid: '10.79.0.11', pc: '10.79.0.12' } as const;

export const labLayouts = ['lan', 'two-lans'] as const;
/** One LAN with everybody on it, or the PC on a LAN of its own behind a router, with a second client beside it. */
export type LabLayout = (typeof labLayouts)[number];

export type LabHostName = 'mid' | 'pc' | 'client' | 'client-b';

export interface HostPlan {
  /** Of its namespace, and of the switch's port to it. */
  readonly name: LabHostName;
  readonly lan: LanPlan;
  /** The device by which it reaches the LAN. */
  readonly uplink: 'wlan0' | 'eth0';
  /** The bridge that the uplink is a port of, and that then has the addresses. */
  readonly bridge?: 'br0';
  readonly mac: string;
  readonly address: string;
  readonly address6: string;
}

/** The hosts of a layout. A wired MID has its uplink in a bridge, as the PC has. */
export function planHosts(layout: LabLayout, wiredMid = false): HostPlan[] {
  const inB = layout === 'two-lans';
  const onLanA = (name: 'mid' | 'client', uplink: HostPlan['uplink']): HostPlan => ({
    ...{ name, lan: lanA, uplink, mac: labMacs[name] },
    ...{ address: labAddresses[name], address6: labAddresses6[name] },
  });
  const pc = { name: 'pc', uplink: 'eth0', bridge: 'br0', mac: labMacs.pc } as const;
  return [
    { ...onLanA('mid', 'wlan0'), ...(wiredMid ? { bridge: 'br0' as const } : {}) },
    inB
      ? { ...pc, lan: lanB, address: '10.78.0.12', address6: 'fd00:78::12' }
      : { ...pc, lan: lanA, address: labAddresses.pc, address6: labAddresses6.pc },
    onLanA('client', 'eth0'),
    ...(inB
      ? [
          {
            ...({ name: 'client-b', lan: lanB, uplink: 'eth0', mac: labMacs.clientB } as const),
            ...{ address: '10.78.0.21', address6: 'fd00:78::21' },
          },
        ]
      : []),
  ];
}

/**
 * The address that a card makes of an advertised prefix by itself, in the way of RFC 4291, appendix A, which is what
 * the lab's guest is set to.
 */
export function slaacAddress(prefix: string, mac: string): string {
  const [first = 0, ...rest] = mac.split(':').map((digits) => Number.parseInt(digits, 16));
  const bytes = [first ^ 0x02, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
  const words = [0, 2, 4, 6].map((at) => (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
  return `${prefix}${words.join(':')}`;
}
