import type { GuestGuard } from './apply/guest-guard.ts';
import { onlineMemoryBlocks, releaseMemory } from './apply/memory-blocks.ts';
import type { NetworkBinding } from './apply/network-binding.ts';
import { applyPowerProfile } from './apply/power-profile.ts';
import { setClock } from './apply/set-clock.ts';
import { setOnlineVcpus } from './apply/set-online-vcpus.ts';
import { trimCache } from './apply/trim-cache.ts';
import type { AgentPresence } from './dbus/agent-presence.ts';
import type { DbusConnection } from './dbus/dbus-connection.ts';
import type { AgentHandlers } from './host-link/conversation.ts';
import { type GuestSources, observeGuest } from './observe/observe-guest.ts';
import { readAddressUse } from './observe/read-address-use.ts';

export interface HandlerParts extends GuestSources {
  readonly bus: DbusConnection;
  readonly presence: AgentPresence;
  readonly network: NetworkBinding;
  readonly guard: GuestGuard;
}

/** What the agent does for each method of the channel, and on which resource. */
export function makeAgentHandlers(parts: HandlerParts): AgentHandlers {
  const { bus, files, freezer, guard, network, presence, sessions, stored } = parts;
  return {
    observe: { handle: (_, signal) => observeGuest(parts, signal) },
    // No resource: calling a move off must reach the preparation that waits.
    'prepare-move': {
      handle: ({ target, maxDelayMs }, signal) => presence.prepareMove(target, maxDelayMs, signal),
    },
    'cancel-move': {
      handle: async () => {
        presence.cancelMove();
        return {};
      },
    },
    'host-changed': {
      resource: 'host',
      handle: async ({ host, epoch }) => {
        await presence.moved(host, epoch);
        return {};
      },
    },
    'set-online-vcpus': {
      resource: 'vcpu',
      handle: async ({ online, timeoutMs }, signal) => {
        const result = await setOnlineVcpus(files, online, timeoutMs, signal);
        presence.setVcpus(result.online);
        return result;
      },
    },
    'release-memory': {
      resource: 'memory',
      handle: async ({ dropCaches }) => {
        await releaseMemory(files, dropCaches);
        return {};
      },
    },
    'trim-cache': { resource: 'memory', handle: (wish, signal) => trimCache(files, wish, signal) },
    'online-memory': { resource: 'memory', handle: () => onlineMemoryBlocks(files) },
    'apply-display': {
      resource: 'display',
      handle: async (wish, signal) => ({ problems: await sessions.applyDisplay(wish, signal) }),
    },
    'apply-network': {
      resource: 'network',
      handle: async (wish, signal) => {
        const { mode, hostMac, portal } = wish;
        const former = stored.read().network?.keep ?? [];
        // First: what is observed while this runs is judged by the host that the guest is on.
        await stored.write({
          network: { mode, hostMac, portal, keep: [...new Set([...wish.keep, ...former])] },
        });
        presence.connectivityChanged();
        const { problems, bound, forMs } = await network.apply(wish, former, signal);
        const due = forMs === undefined ? undefined : wish;
        if (bound) await stored.write({ network: { mode, hostMac, portal, keep: wish.keep, due } });
        return { problems };
      },
    },
    'address-use': {
      handle: async ({ addresses }) => ({ connections: await readAddressUse(files, addresses) }),
    },
    'apply-services': {
      resource: 'services',
      handle: async ({ sleep }, signal) => ({ problems: await freezer.apply(sleep, signal) }),
    },
    'apply-power': {
      resource: 'power',
      handle: async ({ profile }, signal) => ({ problems: await applyPowerProfile(bus, profile, signal) }),
    },
    'apply-input': {
      resource: 'input',
      handle: async ({ onScreenKeyboard }, signal) => {
        if (sessions.count === 0 && !onScreenKeyboard) return { problems: [] };
        return { problems: await sessions.setOnScreenKeyboard(onScreenKeyboard, signal) };
      },
    },
    'apply-guard': {
      resource: 'guard',
      handle: async (wish, signal) => {
        const problems = await guard.apply(wish, signal);
        presence.guardChanged();
        return { problems };
      },
    },
    'set-clock': { resource: 'clock', handle: ({ timeMs }, signal) => setClock(timeMs, signal) },
  };
}
