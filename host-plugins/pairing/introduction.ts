import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { DockError } from '../../protocol/dock-error.ts';
import { maxSaid } from './address-hints.ts';
import { parseDeviceAddress } from './device-address.ts';

/** Of HTTP headers, which are inside TLS as everything. */
const headers = { life: 'wdock-life', addresses: 'wdock-addresses' } as const;
const lifePattern = /^[0-9a-f]{32}$/;
const maxAddressLength = 80;

/** What two devices say to each other as they open a connection for calls. */
export interface Introduction {
  /** Of this wdockd: another one after it was started anew. 32 hexadecimal digits. */
  readonly life: string;
  /** Where it can be reached now, as device-address.ts writes it. */
  readonly addresses: readonly string[];
}

export function introductionHeaders({ life, addresses }: Introduction): Record<string, string> {
  const said = addresses.slice(0, maxSaid).join(',');
  return { [headers.life]: life, ...(said === '' ? {} : { [headers.addresses]: said }) };
}

/** What the other end said; nothing of what is not as it should be, for a newer version may say it in its own way. */
export function readIntroduction(from: IncomingHttpHeaders): Partial<Introduction> {
  const { [headers.life]: life, [headers.addresses]: addresses } = from;
  return {
    ...(typeof life === 'string' && lifePattern.test(life) ? { life } : {}),
    ...(typeof addresses === 'string' ? { addresses: addresses.split(',').filter(isAddress) } : {}),
  };
}

/** An IP address: no name is looked up because somebody else says so. */
function isAddress(text: string): boolean {
  if (text.length > maxAddressLength) return false;
  try {
    return isIP(parseDeviceAddress(text).host) !== 0;
  } catch (error) {
    if (error instanceof DockError) return false;
    throw error;
  }
}
