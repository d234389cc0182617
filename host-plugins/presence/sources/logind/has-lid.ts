import { readFile } from 'node:fs/promises';

/** Whether the kernel knows a lid switch here. */
export async function hasLid(signal: AbortSignal): Promise<boolean> {
  try {
    return parseHasLid(await readFile('/proc/bus/input/devices', { encoding: 'utf8', signal }));
  } catch {
    signal.throwIfAborted();
    return false; // a kernel without input devices, as in a container
  }
}

/** The switches of a device are a bit mask in hexadecimal words, the lowest one last; SW_LID is bit 0 (input-event-codes.h). */
export function parseHasLid(devices: string): boolean {
  const masks = devices.matchAll(/^B: SW=.*?([0-9a-f]+)\s*$/gim);
  return [...masks].some(([, lowest]) => (Number.parseInt(lowest ?? '0', 16) & 1) === 1);
}
