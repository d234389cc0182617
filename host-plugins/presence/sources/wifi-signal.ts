import { access, readFile } from 'node:fs/promises';
import { run } from '../../system/process/run.ts';

const limitMs = 2_000;

/**
 * The strength at which a Wi-Fi interface hears its access point, dBm. From /proc/net/wireless, or, where the driver is too
 * new for that (Wi-Fi 7), by iw(8) if it is there; undefined where neither says it.
 */
export async function readSignalDbm(name: string, signal: AbortSignal): Promise<number | undefined> {
  try {
    const table = await readFile('/proc/net/wireless', { encoding: 'utf8', signal }).catch(() => '');
    return parseWirelessTable(table, name) ?? (await askIw(name, signal));
  } catch {
    return undefined;
  }
}

async function askIw(name: string, signal: AbortSignal): Promise<number | undefined> {
  // What is no Wi-Fi has none (a device that only plays one), and to start a program at each heartbeat is not free.
  await access(`/sys/class/net/${name}/phy80211`);
  const { stdout } = await run(['iw', 'dev', name, 'link'], { timeoutMs: limitMs, signal });
  return parseIwLink(stdout);
}

/** The level of an interface; drivers that do not know it in dBm say a number that is not below 0. */
export function parseWirelessTable(table: string, name: string): number | undefined {
  const line = table.split('\n').find((each) => each.trim().startsWith(`${name}:`));
  // "wlan0: 0000   58.  -52.  -256        0 …": status, quality, level, noise
  const level = Number(line?.trim().split(/\s+/)[3]?.replace(/\.$/, ''));
  return Number.isFinite(level) && level < 0 ? level : undefined;
}

/** From "signal: -47 dBm" in the answer of `iw dev NAME link`. */
export function parseIwLink(text: string): number | undefined {
  const level = /^\s*signal: (-\d+)(?:\.\d+)? dBm/m.exec(text)?.[1];
  return level === undefined ? undefined : Number(level);
}
