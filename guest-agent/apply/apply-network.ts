import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { AgentParams } from '../../protocol/agent-channel.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { chooseNetworkSettings } from '../decide/choose-network-settings.ts';
import { findDefaultRoute } from '../observe/parse-kernel-text.ts';
import { findHardwareInterface, resolveNeighbour } from '../observe/read-network.ts';
import type { SystemFiles } from '../system-files.ts';
import type { NetworkManager } from './network-manager.ts';

const run = promisify(execFile);

/**
 * Re-binds the guest's interface to this host's network and returns what could not be done. In this order: the
 * connection is changed in place, neighbours learned on the other host are forgotten, and the gateway is asked for
 * again, which at the same time tells the LAN where the guest is now (a broadcast ARP request carries its sender).
 */
export async function applyNetwork(
  files: SystemFiles,
  manager: NetworkManager,
  wish: AgentParams<'apply-network'>,
  signal: AbortSignal,
): Promise<string[]> {
  const route = findDefaultRoute((await files.readIfThere('/proc/net/route')) ?? '');
  const name = route?.interface ?? (await findHardwareInterface(files));
  if (name === undefined) return ['the guest has no network interface'];
  const problems = await reapply(manager, name, wish, signal);
  // From now on the kernel announces the address by itself when the link comes back (Documentation: ip-sysctl).
  await files.write(`/proc/sys/net/ipv4/conf/${name}/arp_notify`, '1').catch(() => {});
  try {
    await run('ip', ['neigh', 'flush', 'dev', name], { signal, timeout: 5000 });
  } catch (error) {
    problems.push(`neighbours could not be forgotten: ${DockError.from(error, 'io').message}`);
  }
  const now = findDefaultRoute((await files.readIfThere('/proc/net/route')) ?? '') ?? route;
  if (now !== undefined && (await resolveNeighbour(files, now, signal)) === undefined)
    problems.push(`the gateway ${now.gateway} does not answer on ${now.interface}`);
  return problems;
}

async function reapply(
  manager: NetworkManager,
  name: string,
  wish: AgentParams<'apply-network'>,
  signal: AbortSignal,
): Promise<string[]> {
  try {
    if (!(await manager.isRunning(signal)))
      return [`NetworkManager does not run; ${name} stays configured as it was`];
    const device = await manager.findDevice(name, signal);
    if (!(await manager.isActivated(device, signal)))
      return [`NetworkManager has no active connection on ${name}`];
    const present = await manager.readIp4(device, signal);
    await manager.reapply(device, chooseNetworkSettings(wish.mode, wish.metered, present), signal);
    return [];
  } catch (error) {
    // NetworkManager restarting, or a device that left its active state just now: the move goes on.
    if (signal.aborted) throw error;
    return [`NetworkManager did not re-apply ${name}: ${DockError.from(error).message}`];
  }
}
