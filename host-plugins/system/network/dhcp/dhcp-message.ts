import { addressKey, bytesOfKey } from '../ip-address.ts';

/** BOOTP's fixed fields and the magic cookie (RFC 2131, 2), then options. */
const optionsAt = 240;
const cookie = [0x63, 0x82, 0x53, 0x63];
const option = { messageType: 53, serverIdentifier: 54, end: 255, pad: 0 } as const;
const discover = 1;
const offer = 2;

/**
 * A DHCPDISCOVER as a relay passes it on (RFC 2131, 4.1; RFC 1542): `relay` is the relay's IPv4 address, by which the
 * server chooses the network and to which it answers.
 */
export function buildRelayedDiscover(mac: string, relay: string, transaction: number): Uint8Array {
  const message = new Uint8Array(300);
  const view = new DataView(message.buffer);
  message.set([1, 1, 6, 1], 0); // request, Ethernet, its length, one hop
  view.setUint32(4, transaction);
  message.set(bytesOfKey(addressKey(relay) ?? ''), 24);
  message.set(
    mac.split(':').map((byte) => Number.parseInt(byte, 16)),
    28,
  );
  message.set([...cookie, option.messageType, 1, discover, option.end], optionsAt - cookie.length);
  return message;
}

/** The server's address in a DHCPOFFER of this transaction; undefined for anything else. */
export function readOffer(message: Uint8Array, transaction: number): string | undefined {
  if (message.length < optionsAt || message[0] !== 2) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (view.getUint32(4) !== transaction) return undefined;
  const options = new Map<number, Uint8Array>();
  for (let at = optionsAt; at < message.length && message[at] !== option.end; ) {
    const code = message[at] ?? option.end;
    const length = code === option.pad ? -1 : (message[at + 1] ?? 0);
    if (length >= 0) options.set(code, message.subarray(at + 2, at + 2 + length));
    at += length + 2;
  }
  const server = options.get(option.serverIdentifier);
  if (options.get(option.messageType)?.[0] !== offer || server?.length !== 4) return undefined;
  return [...server].join('.');
}
