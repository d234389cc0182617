import type { NetworkChange } from '../decide/choose-network-settings.ts';
import type { IpAddress } from '../decide/ip-address.ts';
import { sleep } from '../retry-delay.ts';
import { Reaction } from '../run-program.ts';
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

/** `$1`: the interface, `$2`: what gives its addresses back. Those of the link are the last that it loses. */
const giveBack = `
while read -r line; do
  case $line in
  Deleted*' fe80:'*)
    echo 0 > "/proc/sys/net/ipv6/conf/$1/disable_ipv6"
    printf '%s' "$2" ;;
  esac
done`;
/**
 * For the programs that give them back to be there, ms. Until then everything works as it is, while a change without them costs
 * IPv6: in a guest that has just moved, they come from a disk that is at the other end of a busy link.
 */
const readyLimitMs = 5_000;

/**
 * Does `change`, in which NetworkManager takes every IPv6 address away (up to 1.52 each Reapply switches IPv6 off and
 * on), and gives them back before it does: that takes it a moment, and on a busy machine half a second in which nobody
 * is reached. Programs of their own do so, as this process may be busy, too. Returns when they are all there, or after
 * two seconds without.
 */
export async function keepStaying(
  files: SystemFiles,
  name: string,
  { addresses, commands }: Staying,
  change: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const back = commands.map((line) => `${line}\n`).join('');
  using helper =
    back === ''
      ? undefined
      : new Reaction({
          watch: ['ip', '-6', 'monitor', 'address', 'dev', name],
          react: giveBack,
          args: [name, back],
          act: ['ip', '-6', '-force', '-batch', '-'],
        });
  if (helper !== undefined) await untilWatching(files, helper, signal);
  let isChanged = false;
  const changing = change().finally(() => {
    isChanged = true;
  });
  changing.catch(() => undefined); // waited for below
  for (let waitedMs = 0; waitedMs < returnLimitMs; waitedMs += isChanged ? lookMs : 0) {
    const areThere = hasAddresses(name, addresses);
    if (areThere && isChanged) break;
    if (!areThere && helper !== undefined) {
      // It has been switched off, and nothing can be given to an interface without it.
      await files.write(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '0').catch(() => {});
      helper.act(back);
    }
    await sleep(lookMs, signal);
  }
  await changing;
}

/** Until the kernel tells it of changes; without it the change is made all the same. */
async function untilWatching(
  files: SystemFiles,
  helper: Pick<Reaction, 'watcher' | 'hasEnded'>,
  signal: AbortSignal,
): Promise<void> {
  // Protocol 0 (NETLINK_ROUTE), its number, and groups that are not none.
  const listener = new RegExp(`^\\S+ +0 +${helper.watcher} +(?!0+ )`, 'm');
  for (let waitedMs = 0; waitedMs < readyLimitMs && !helper.hasEnded; waitedMs += lookMs) {
    if (listener.test((await files.readIfThere('/proc/net/netlink')) ?? '')) return;
    await sleep(lookMs, signal);
  }
}
