import type { Allocation, NetworkMode } from '../../protocol/allocation.ts';
import type { Decision } from '../../protocol/control-methods.ts';
import type { HostProfile, LinkFacts } from '../../protocol/host-profile.ts';
import { hostRule } from './narrow.ts';
import type { Settings } from './settings.ts';

/**
 * The first preferred mode that works, on the best link that can do it. Links that are paid by volume come
 * last, whatever their mode; then those without an address; then the kinds in the order of `links`. A host
 * without a link still gets a mode: the guest reaches that host and nothing else.
 */
export function chooseNetwork(
  { prefer, links, bridge, metered, open, forward, reach }: Settings['network'],
  profile: HostProfile,
): { network: Allocation['network']; decisions: Decision[] } {
  const decisions: Decision[] = [];
  const decide = (what: string, value: string, rule: string, because: string) =>
    decisions.push({ what: `network.${what}`, value, rule, because });

  const isolated = reach.value === 'internet';
  const modes: readonly NetworkMode[] = isolated ? ['nat'] : prefer.value;
  if (isolated)
    decide('reach', 'internet', reach.rule, 'the LAN is closed to the guest, which only nat can do');

  const used = profile.links.filter((link) => links.value.includes(link.kind));
  for (const link of profile.links) {
    if (!used.includes(link)) decide('link', `not ${link.name}`, links.rule, `${link.kind} is not named`);
  }
  const rank = (link: LinkFacts) => (link.addresses.length > 0 ? 0 : 10) + links.value.indexOf(link.kind);
  const sorted = [...used].sort((a, b) => Number(a.metered) - Number(b.metered) || rank(a) - rank(b));

  let found: { mode: NetworkMode; link: LinkFacts } | undefined;
  const skipped = new Map<string, string>();
  for (const pays of [false, true]) {
    const group = sorted.filter((link) => link.metered === pays);
    for (const mode of modes) {
      if (found !== undefined || group.length === 0) break;
      const reasons = group.map((link) => ({ link, reason: obstacle(mode, link, bridge.value) }));
      const free = reasons.find(({ reason }) => reason === undefined);
      if (free !== undefined) found = { mode, link: free.link };
      else skipped.set(mode, [...new Set(reasons.map(({ reason }) => reason))].join('; '));
    }
  }
  for (const [mode, reason] of skipped) {
    if (mode !== found?.mode) decide('mode', `not ${mode}`, prefer.rule, reason);
  }

  const mode = found?.mode ?? modeWithoutLink(modes);
  const beside = mode === 'bridged' && found?.link.bridge === undefined && bridge.value === 'existing';
  if (found !== undefined) {
    decide('mode', mode, prefer.rule, `the first of ${modes.join(', ')} that works here`);
    decide('link', found.link.name, links.rule, linkReason(found.link, sorted.length));
    if (mode === 'bridged' && found.link.bridge === undefined)
      decide(
        'bridge',
        beside ? 'none' : 'make',
        bridge.rule,
        beside
          ? `${found.link.name} is left as it is; the guest has a port of its own there, and reaches nothing of this host`
          : `${found.link.name} is in none; it is made without going offline`,
      );
  } else if (used.length === 0) {
    decide('mode', mode, hostRule, 'it has no link to use; the guest reaches this host only');
  } else {
    decide('mode', mode, hostRule, `none of ${modes.join(', ')} works here; this is the last resort`);
  }

  const paid = metered.value === 'auto' ? (found?.link.metered ?? false) : metered.value === 'always';
  const because = metered.value === 'auto' ? `the link is ${paid ? '' : 'not '}paid by volume` : 'as written';
  decide(
    'metered',
    paid ? 'yes' : 'no',
    metered.rule,
    found === undefined && metered.value === 'auto' ? 'no link' : because,
  );
  if (open.value.length > 0)
    decide(
      'open',
      beside ? 'none' : open.value.join(', '),
      open.rule,
      beside
        ? 'nothing goes between the guest and this host where it has a port of its own'
        : 'as written; the port of wdockd stays closed',
    );
  if (forward.value.length > 0) {
    const because =
      mode === 'nat' ? 'as written' : `not needed: ${mode}, the guest is reached at its own address`;
    decide('forward', forward.value.join(', '), forward.rule, because);
  }
  return {
    network: {
      mode,
      metered: paid,
      ...(found === undefined ? {} : { link: found.link.name }),
      ...(beside ? { beside } : {}),
      ...(isolated ? { reach: 'internet' as const } : {}),
      ...(open.value.length === 0 || beside ? {} : { open: [...open.value] }),
      ...(forward.value.length === 0 ? {} : { forward: [...forward.value] }),
    },
    decisions,
  };
}

/** Why a mode cannot work on a link; undefined where it can. */
function obstacle(mode: NetworkMode, link: LinkFacts, bridge: 'make' | 'existing'): string | undefined {
  if (mode !== 'bridged') return undefined;
  if (!link.canBridge) {
    return link.kind === 'wifi'
      ? `${link.name} is Wi-Fi, which cannot be bridged`
      : `${link.name} cannot be bridged`;
  }
  if (link.bridge !== undefined || bridge === 'existing') return undefined;
  const { newBridge } = link;
  if (newBridge === undefined) return `${link.name} is not in a bridge`;
  return newBridge.possible ? undefined : `${link.name} is not in a bridge; ${newBridge.why}`;
}

/** NAT needs nothing from the network around the host, so it is what is left. */
function modeWithoutLink(prefer: readonly NetworkMode[]): NetworkMode {
  return prefer.find((mode) => mode !== 'bridged') ?? 'nat';
}

function linkReason(link: LinkFacts, count: number): string {
  const through = link.bridge === undefined ? link.kind : `${link.kind}, in the bridge ${link.bridge}`;
  const pays = link.metered ? ', paid by volume' : '';
  return count === 1
    ? `${through}${pays}; the only link`
    : `${through}${pays}; the best of ${count} links for it`;
}
