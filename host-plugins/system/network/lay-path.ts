import { forwardingSetting, ipv4Settings, isForwarded, lanInterface } from './binding.ts';
import { startDnsmasq } from './dhcp/dnsmasq.ts';
import { ip, ipBatch, nft } from './ip-command.ts';
import { forwardIpv6, ipv6ForwardingSetting, keepingRouters, speaksIpv6 } from './ipv6-forwarding.ts';
import { writeIfThere, writeSetting } from './kernel-settings.ts';
import { natServices } from './nat-network.ts';
import type { NetworkRecord } from './network-record.ts';
import { buildRules } from './nft-rules.ts';
import { makePort } from './port-beside.ts';
import { findInterface } from './read-interfaces.ts';
import { linkLocalAddress, tapIpv6Settings, tapSettings } from './tap-settings.ts';

interface PathOptions {
  /** Hardware address of the host's end of the tap. */
  readonly tapMac: string;
  readonly closedPorts: readonly number[];
  /** Of what dnsmasq keeps. */
  readonly folder: string;
}

/** Lays what the record says, all but what answers for the guest. Leaves half of it when it throws. */
export async function layPath(
  record: NetworkRecord,
  options: PathOptions,
  signal: AbortSignal,
): Promise<void> {
  const { binding, before, relay, nat } = record;
  const { tap, mode } = binding;
  const { tapMac, closedPorts, folder } = options;
  const lan = lanInterface(binding);
  const was = (setting: string) => before.find(({ name }) => name === setting)?.value;
  const forwardsForUsOnly = {
    ipv4: was(forwardingSetting(lan)) === '0',
    ipv6: was(ipv6ForwardingSetting) === '0',
  };
  const lanNetworks =
    mode === 'nat' && binding.reach === 'internet'
      ? ((await findInterface(lan, signal))?.addresses ?? [])
      : [];
  if (mode === 'beside') await makePort(binding, signal);
  const rules = { tapMac, closedPorts, forwardsForUsOnly, relays: relay !== undefined, nat, lanNetworks };
  await nft(buildRules(binding, rules), signal);
  for (const setting of [...ipv4Settings(binding), ...tapSettings(tap, mode)]) {
    await writeSetting(setting, signal);
  }
  if (isForwarded(binding)) await beRouter(tap, tapMac, signal);
  if (was(ipv6ForwardingSetting) !== undefined) {
    await forwardIpv6(mode === 'bridged' ? [lan] : [lan, tap], lan, signal);
  }
  if (mode === 'bridged') await ip(['link', 'set', 'dev', tap, 'master', binding.bridge], signal);
  if (nat !== undefined) {
    const addresses = [`${nat.ipv4}.1/24`, ...(nat.ipv6 === undefined ? [] : [`${nat.ipv6}1/64`])];
    const noDad = (address: string) => (address.includes(':') ? ['nodad'] : []);
    const add = (address: string) => ['address', 'replace', address, 'dev', tap, ...noDad(address)];
    await ipBatch(addresses.map(add), signal);
    await startDnsmasq({ folder, tap }, natServices(nat, tapMac), signal);
  }
  if (relay !== undefined) {
    // The relay's own address stands on the guest's side as well: by it dnsmasq knows what to pass on.
    await ip(['address', 'replace', `${relay.relay}/32`, 'dev', tap], signal);
    const args = ['--port=0', `--dhcp-relay=${relay.relay},${relay.server}`];
    // Without it the guest keeps what it has, and is told so: no reason to be without network.
    await startDnsmasq({ folder, tap }, args, signal).catch(() => signal.throwIfAborted());
  }
}

/** The tap as the guest's IPv6 router. Nothing where the kernel has no IPv6. */
async function beRouter(tap: string, tapMac: string, signal: AbortSignal): Promise<void> {
  await keepingRouters(async () => {
    for (const setting of tapIpv6Settings(tap)) await writeIfThere(setting, signal);
  }, signal);
  if (!(await speaksIpv6(tap, signal))) return;
  const address = `${linkLocalAddress(tapMac)}/64`;
  await ip(['address', 'replace', address, 'dev', tap, 'scope', 'link', 'nodad'], signal);
}
