import { readFile, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DockError } from '../../../protocol/dock-error.ts';
import type { DeviceClass, HostProfile } from '../../../protocol/host-profile.ts';
import { readInterfaces } from '../network/read-interfaces.ts';
import { joinLinks, type LinkWishes, mergeLinks } from './join-links.ts';
import { addLinkDetails } from './link-details.ts';
import { loadProfile } from './load-profile.ts';
import { parseInputDevices } from './parse-input-devices.ts';
import { readDisplays } from './read-displays.ts';
import { readPower } from './read-power.ts';
import { readWireless } from './read-wireless.ts';
import { readSystemFacts, type SystemFacts } from './system-facts.ts';

export interface HostInventorySettings extends LinkWishes {
  readonly deviceClass: DeviceClass;
  /** A file with the profile of a computer that this one pretends to be. */
  readonly profileFile?: string | undefined;
  /** Where disks of workspaces are kept; its free space is what the profile says. */
  readonly diskFolder: string;
  /** Where NetworkManager is asked, `unix:path=…`. */
  readonly systemBus: string;
}

const bytesPerMiB = 1024 * 1024;

/**
 * What this host can offer now. What cannot change is read once; displays, links, power and free disk are read
 * each time, from sysfs, `ip` and NetworkManager, in some milliseconds.
 */
export class HostInventory {
  readonly #settings: HostInventorySettings;
  #facts: Promise<SystemFacts> | undefined;

  constructor(settings: HostInventorySettings) {
    this.#settings = settings;
  }

  /** Throws `config-invalid` with line and column for a mistake in the profile file, `missing-dependency` without `ip`. */
  async discoverHost(signal: AbortSignal): Promise<HostProfile> {
    const { profileFile, systemBus } = this.#settings;
    if (profileFile !== undefined) {
      const profile = await loadProfile(profileFile, signal);
      const links = mergeLinks(profile.links, await readInterfaces(signal));
      return { ...profile, links: await addLinkDetails(links, systemBus, signal) };
    }
    const [facts, displays, links, power, input, freeMiB] = await Promise.all([
      this.#readFacts(signal),
      readDisplays(signal),
      this.#readLinks(signal),
      readPower(signal),
      readInput(signal),
      this.#readFreeDisk(),
    ]);
    return {
      deviceClass: this.#settings.deviceClass,
      simulated: false,
      cpus: facts.cpus,
      memory: { totalMiB: facts.totalMiB },
      displays,
      links,
      power,
      input,
      disk: { freeMiB },
    };
  }

  async #readFacts(signal: AbortSignal): Promise<SystemFacts> {
    this.#facts ??= readSystemFacts(signal);
    try {
      return await this.#facts;
    } catch (error) {
      this.#facts = undefined;
      throw error;
    }
  }

  async #readLinks(signal: AbortSignal) {
    const interfaces = await readInterfaces(signal);
    const links = joinLinks(interfaces, await readWireless(interfaces), this.#settings);
    return await addLinkDetails(links, this.#settings.systemBus, signal);
  }

  async #readFreeDisk(): Promise<number> {
    // The folder is made with the first workspace; until then what will hold it counts.
    for (let folder = resolve(this.#settings.diskFolder); ; folder = dirname(folder)) {
      try {
        const { bavail, bsize } = await statfs(folder);
        return Math.floor((bavail * bsize) / bytesPerMiB);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw DockError.from(error, 'io');
      }
    }
  }
}

async function readInput(signal: AbortSignal): Promise<HostProfile['input']> {
  try {
    return parseInputDevices(await readFile('/proc/bus/input/devices', { encoding: 'utf8', signal }));
  } catch {
    signal.throwIfAborted();
    // A kernel without input devices, as in a container.
    return { touch: false, keyboard: false, pointer: false };
  }
}
