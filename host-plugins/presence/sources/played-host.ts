import type { HostProfile, LinkFacts } from '../../../protocol/host-profile.ts';
import { loadProfile } from '../../system/host-inventory/load-profile.ts';

/** What a device that plays another one (docs/wdockd.md, `profile`) says of itself; read anew each time, so that it can change. */
export interface PlayedHost {
  power(signal: AbortSignal): Promise<HostProfile['power']>;
  /** Kind by interface name. */
  links(signal: AbortSignal): Promise<ReadonlyMap<string, LinkFacts['kind']>>;
}

export function playedHost(profileFile: string): PlayedHost {
  return {
    power: async (signal) => (await loadProfile(profileFile, signal)).power,
    links: async (signal) => {
      const { links } = await loadProfile(profileFile, signal);
      return new Map(links.map(({ name, kind }) => [name, kind]));
    },
  };
}
