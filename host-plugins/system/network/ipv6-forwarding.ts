import { readdir } from 'node:fs/promises';
import type { Setting } from './binding.ts';
import { readSettings, settingExists, writeIfThere, writeSetting } from './kernel-settings.ts';

/** 0: this host forwards no IPv6 at all. */
export const ipv6ForwardingSetting = 'ipv6/conf/all/forwarding';
const all = ipv6ForwardingSetting;
const forwarding = (name: string) => `ipv6/conf/${name}/forwarding`;
const acceptRa = (name: string) => `ipv6/conf/${name}/accept_ra`;

/** False where IPv6 is switched off on the interface or in the kernel. */
export async function speaksIpv6(name: string, signal: AbortSignal): Promise<boolean> {
  const setting = `ipv6/conf/${name}/disable_ipv6`;
  return (await readSettings([setting], signal))[0]?.value === '0';
}

/**
 * What `forwardIpv6` may change, in the order in which it is to be put back: of every interface, because the kernel
 * forwards IPv6 on all interfaces or on none, and writing "all" overwrites each.
 */
export async function readIpv6Forwarding(uplink: string, signal: AbortSignal): Promise<Setting[]> {
  const names = await interfaces();
  const settings = [
    all,
    ...names.map(forwarding),
    `ipv6/conf/${uplink}/proxy_ndp`,
    `ipv6/neigh/${uplink}/proxy_delay`,
    ...names.map(acceptRa),
  ];
  return readSettings(settings, signal);
}

/**
 * Forwards IPv6 between the interfaces `routers`, and answers neighbour solicitations of the uplink by `ip neigh add
 * proxy`. All others stay hosts. The kernel's rules (Documentation/networking/ip-sysctl): an interface that forwards
 * ignores router advertisements unless accept_ra is 2; and each switching on of a `forwarding` deletes all routes that
 * came by router advertisement, but those of interfaces with accept_ra 2. So this host would lose its own way out.
 */
export async function forwardIpv6(
  routers: readonly string[],
  uplink: string,
  signal: AbortSignal,
): Promise<void> {
  await keepingRouters(async () => {
    const others = (await interfaces()).filter((name) => !routers.includes(name)).map(forwarding);
    const [before] = await readSettings([all], signal);
    if (before?.value === '0') {
      const hosts = await readSettings(others, signal);
      await writeSetting({ name: all, value: '1' }, signal);
      for (const setting of hosts) await writeIfThere(setting, signal);
    }
    for (const name of routers) await writeSetting({ name: forwarding(name), value: '1' }, signal);
  }, signal);
  await writeSetting({ name: `ipv6/conf/${uplink}/proxy_ndp`, value: '1' }, signal);
  // The kernel holds back what it answers for others, by up to 0.8 s.
  await writeSetting({ name: `ipv6/neigh/${uplink}/proxy_delay`, value: '0' }, signal);
}

/** Does `work`, which may switch `forwarding` on, such that each interface that listens to routers goes on to. */
export async function keepingRouters(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  if (!(await settingExists(all))) return work();
  const names = await interfaces();
  const hosts = await hostsAmong(names, signal);
  const listening = (await readSettings(hosts.map(acceptRa), signal)).filter(({ value }) => value === '1');
  for (const { name } of listening) await writeIfThere({ name, value: '2' }, signal);
  await work();
  const still = new Set((await hostsAmong(names, signal)).map(acceptRa));
  for (const setting of listening) if (still.has(setting.name)) await writeIfThere(setting, signal);
}

/** Those that do not forward. */
async function hostsAmong(names: readonly string[], signal: AbortSignal): Promise<string[]> {
  const hosts = (await readSettings(names.map(forwarding), signal)).filter(({ value }) => value === '0');
  return names.filter((name) => hosts.some((setting) => setting.name === forwarding(name)));
}

/** All interfaces of this namespace, and `default`, from which new ones get theirs. */
async function interfaces(): Promise<string[]> {
  return (await readdir('/proc/sys/net/ipv6/conf')).filter((name) => name !== 'all');
}
