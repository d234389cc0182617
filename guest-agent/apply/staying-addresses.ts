import type { NetworkChange } from '../decide/choose-network-settings.ts';
import type { IpAddress } from '../decide/ip-address.ts';
import { sleep } from '../retry-delay.ts';
import { ListeningProgram } from '../run-program.ts';
import type { SystemFiles } from '../system-files.ts';
import { hasAddresses, linkLocalAddresses, wayCommands } from './link-settings.ts';

/** How long addresses may take to come back after the change, and between two looks, ms. */
const returnLimitMs = 2000;
const lookMs = 10;

/** What stays of IPv6 over a change of the connection, and comes back where it was taken away. */
interface Staying {
  /** With those of the link. */
  readonly addresses: readonly IpAddress[];
  /** Commands of ip(8), a line each, for what the change itself fixes: the rest is not ours to give. */
  readonly commands: readonly string[];
}

/** Of an interface as it is before the change. */
export function stayingOver(
  { ip6 }: Pick<NetworkChange, 'ip6'>,
  name: string,
  present: readonly IpAddress[],
): Staying {
  const ofLink = linkLocalAddresses(name);
  const giveEach = (addresses: readonly IpAddress[], ...flags: string[]) =>
    addresses.map(({ address, prefix }) =>
      ['address', 'replace', `${address}/${prefix}`, 'dev', name, 'nodad', ...flags].join(' '),
    );
  const give = (addresses: readonly IpAddress[], ...flags: string[]) => [
    ...giveEach(ofLink),
    ...giveEach(addresses, ...flags),
  ];
  switch (ip6.kind) {
    case 'kept': {
      const { addresses, gateway } = ip6.present;
      const way = gateway === undefined ? [] : wayCommands(name, { gateway, routed: ip6.routed });
      // The networks of the link are reached through the gateway, and not by a route that the kernel makes of itself.
      const commands = [...give(addresses, 'noprefixroute'), ...way.map((words) => words.join(' '))];
      return { addresses: [...addresses, ...ofLink], commands };
    }
    case 'renewed':
    case 'only':
      return { addresses: [...ip6.addresses, ...ofLink], commands: give(ip6.addresses) };
    case 'unchanged':
    case 'led':
      return { addresses: [...present, ...ofLink], commands: [] };
    case 'saved':
    case 'asked':
      return { addresses: [...ip6.beside, ...ofLink], commands: [] };
  }
}

/**
 * Does `change`, in which NetworkManager takes every IPv6 address away (up to 1.52 each Reapply switches IPv6 off and
 * on), and gives them back before it does: that takes it a moment, and on a busy machine half a second in which nobody
 * is reached. Returns when they are all there, or after two seconds without.
 */
export async function keepStaying(
  files: SystemFiles,
  name: string,
  { addresses, commands }: Staying,
  change: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let isChanged = false;
  const changing = change().finally(() => {
    isChanged = true;
  });
  changing.catch(() => undefined); // waited for below
  // Started before it is needed; what fails is told again.
  using helper =
    commands.length === 0 ? undefined : new ListeningProgram(['ip', '-6', '-force', '-batch', '-']);
  for (let waitedMs = 0; waitedMs < returnLimitMs; waitedMs += isChanged ? lookMs : 0) {
    const areThere = hasAddresses(name, addresses);
    if (areThere && isChanged) break;
    if (!areThere && helper !== undefined) {
      // It has been switched off, and nothing can be given to an interface without it.
      await files.write(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '0').catch(() => {});
      helper.say(commands.map((line) => `${line}\n`).join(''));
    }
    await sleep(lookMs, signal);
  }
  await changing;
}
