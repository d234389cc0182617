import { DockError } from '../../protocol/dock-error.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { ServiceFreezer } from '../apply/freeze-services.ts';
import type { UserSessions } from '../dbus/user-sessions.ts';
import type { StoredState } from '../stored-state.ts';
import type { SystemFiles } from '../system-files.ts';
import { readEdidSizeMm } from './parse-edid.ts';
import { readVcpus } from './read-cpus.ts';
import { readMemory } from './read-memory.ts';
import { readNetwork } from './read-network.ts';

export interface GuestSources {
  readonly agentVersion: string;
  readonly files: SystemFiles;
  readonly stored: StoredState;
  readonly sessions: UserSessions;
  readonly freezer: ServiceFreezer;
}

/** Reads the whole guest. What cannot be read is left out, and `notes` says why; only processors and memory must be readable. */
export async function observeGuest(sources: GuestSources, signal: AbortSignal): Promise<GuestState> {
  const { files, stored } = sources;
  const notes: string[] = [];
  const optional = <T>(what: string, fallback: T, work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      if (signal.aborted) throw error;
      notes.push(`${what}: ${DockError.from(error).message}`);
      return fallback;
    });
  const [vcpus, memory, display, network, frozenServices, uptime] = await Promise.all([
    readVcpus(files),
    readMemory(files),
    optional('display', undefined, readDisplay(sources, notes, signal)),
    optional('network', undefined, readNetwork(files, stored.read().network, signal)),
    optional('services', [], sources.freezer.readFrozen(signal)),
    files.read('/proc/uptime'),
  ]);
  notes.push(...(network?.notes ?? []));
  return {
    agentVersion: sources.agentVersion,
    vcpus,
    memory,
    ...(display === undefined ? {} : { display }),
    network: network?.network ?? { addresses: [] },
    frozenServices,
    clockMs: Date.now(),
    uptimeMs: Math.round(Number(uptime.split(' ')[0]) * 1000),
    notes,
  };
}

async function readDisplay(
  { sessions, files }: GuestSources,
  notes: string[],
  signal: AbortSignal,
): Promise<GuestState['display']> {
  const { display, note } = await sessions.readDisplay(signal);
  if (note !== '') notes.push(`display: ${note}`);
  if (display === undefined) return undefined;
  return { ...display, ...(await readSizeMm(files, display.connector)) };
}

/** The size that the screen itself reports; the kernel's connectors are named as the compositor's are. */
async function readSizeMm(
  files: SystemFiles,
  connector: string,
): Promise<{ widthMm: number; heightMm: number } | undefined> {
  const folder = '/sys/class/drm';
  for (const name of await files.list(folder)) {
    if (!/^card\d+-/.test(name) || name.replace(/^card\d+-/, '') !== connector) continue;
    try {
      return readEdidSizeMm(await files.readBytes(`${folder}/${name}/edid`));
    } catch {
      // A connector without a screen has no EDID.
    }
  }
  return undefined;
}
