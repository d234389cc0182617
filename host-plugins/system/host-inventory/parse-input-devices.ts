import type { HostProfile } from '../../../protocol/host-profile.ts';

/** Event types and properties of linux/input-event-codes.h, as bits. */
const evRep = 1n << 0x14n;
const propDirect = 1n << 0x01n;
const absX = 1n << 0x00n;

/**
 * What a person can use, from /proc/bus/input/devices. A power button has keys too, so only what repeats its
 * keys is a keyboard; a touch screen is what has positions and is looked at where it is touched.
 */
export function parseInputDevices(text: string): HostProfile['input'] {
  const found = { touch: false, keyboard: false, pointer: false };
  for (const device of text.split(/\n\s*\n/)) {
    const handlers = /^H: Handlers=(.*)$/m.exec(device)?.[1]?.trim().split(/\s+/) ?? [];
    const direct = (bitmap(device, 'PROP') & propDirect) !== 0n;
    const positions = (bitmap(device, 'ABS') & absX) !== 0n;
    if (direct && positions) found.touch = true;
    else if (handlers.some((handler) => /^mouse\d+$/.test(handler))) found.pointer = true;
    if (handlers.includes('kbd') && (bitmap(device, 'EV') & evRep) !== 0n) found.keyboard = true;
  }
  return found;
}

/** Words of a 64-bit kernel, the highest first; only the last is needed here. */
function bitmap(device: string, name: string): bigint {
  const words = new RegExp(`^B: ${name}=([0-9a-f ]+)$`, 'm').exec(device)?.[1]?.trim().split(/\s+/);
  return BigInt(`0x${words?.at(-1) ?? '0'}`);
}
