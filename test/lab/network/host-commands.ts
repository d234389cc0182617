import { type HostPlan, type LanPlan, lanPrefixLength, lanPrefixLength6 } from './address-plan.ts';

/** `ip -batch` for the router's end of a LAN: a switch that has the router's addresses. */
export function switchCommands(lan: LanPlan): string {
  return [
    // No forwarding delay: a port that waits 15 s before it forwards would be measured as silence of the guest.
    `link add ${lan.switchDevice} address ${lan.routerMac} type bridge forward_delay 0 stp_state 0`,
    `address add ${lan.router}/${lanPrefixLength} dev ${lan.switchDevice}`,
    `address add ${lan.router6}/${lanPrefixLength6} dev ${lan.switchDevice} nodad`,
    `link set ${lan.switchDevice} up`,
  ].join('\n');
}

/** `ip -batch` in the namespace of the switches: a cable to a host, whose keeper has this process id. */
export function cableCommands(host: HostPlan, keeperPid: number): string {
  // Named by process, because the other end is made inside a namespace that only its keeper holds.
  const peer = `peer name ${host.uplink} address ${host.mac} netns ${keeperPid}`;
  return [
    `link add ${host.name} type veth ${peer}`,
    `link set ${host.name} master ${host.lan.switchDevice} up`,
  ].join('\n');
}

/** `ip -batch` in a host: its uplink, its bridge where it has one, its fixed addresses and its default routes. */
export function hostCommands({ uplink, bridge, mac, lan, address, address6 }: HostPlan): string {
  const device = bridge ?? uplink;
  return [
    ...(bridge === undefined
      ? []
      : [
          `link add ${bridge} address ${mac} type bridge forward_delay 0 stp_state 0`,
          `link set ${uplink} master ${bridge} up`,
        ]),
    `address add ${address}/${lanPrefixLength} dev ${device}`,
    `address add ${address6}/${lanPrefixLength6} dev ${device} nodad`,
    `link set ${device} up`,
    `route add default via ${lan.router}`,
    `route add default via ${lan.router6} dev ${device}`,
  ].join('\n');
}

/** A shell command that sets kernel settings of the network namespace it runs in. */
export function settingsCommand(settings: Readonly<Record<string, number>>): string[] {
  const writes = Object.entries(settings).map(([name, value]) => `echo ${value} >/proc/sys/net/${name}`);
  return ['sh', '-ec', writes.join('\n')];
}
