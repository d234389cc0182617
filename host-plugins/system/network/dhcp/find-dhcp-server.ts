import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { isInSubnet, withoutPrefix } from '../ip-address.ts';
import { findInterface } from '../read-interfaces.ts';
import { buildRelayedDiscover, readOffer } from './dhcp-message.ts';

/** What a relay needs to know. */
export interface DhcpServer {
  /** This host's address on the LAN, by which the server knows which network is meant. */
  readonly relay: string;
  readonly server: string;
}

/** The server's port, and the relay's. */
const port = 67;
/** When it is asked, ms after the first time, and for how long in all; a server may probe an address for a second. */
const askAtMs = [0, 400, 1_200];
const patienceMs = 2_500;

/**
 * Looks for a DHCP server on the LAN of the uplink that answers a relay on behalf of the guest: asks exactly as the relay
 * will. Undefined where none answers, or where this host has no address in the guest's network.
 */
export async function findDhcpServer(
  uplink: string,
  guestMac: string,
  guestAddresses: readonly string[],
  signal: AbortSignal,
): Promise<DhcpServer | undefined> {
  const own = (await findInterface(uplink, signal))?.addresses ?? [];
  const subnet = own.find((each) => guestAddresses.some((address) => isInSubnet(address, each)));
  if (subnet === undefined || subnet.includes(':')) return undefined;
  const relay = withoutPrefix(subnet);
  const server = await ask(relay, broadcastOf(subnet), guestMac, signal);
  return server === undefined ? undefined : { relay, server };
}

async function ask(
  relay: string,
  broadcast: string,
  guestMac: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const transaction = randomBytes(4).readUInt32BE();
  const question = buildRelayedDiscover(guestMac, relay, transaction);
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const timers: NodeJS.Timeout[] = [];
  try {
    return await new Promise((resolve, reject) => {
      const over = () => reject(signal.reason as Error);
      signal.addEventListener('abort', over, { once: true });
      // Another DHCP server or relay has the port: then there is none to be had here.
      socket.on('error', () => resolve(undefined));
      socket.on('message', (message) => {
        const server = readOffer(message, transaction);
        if (server !== undefined) resolve(server);
      });
      socket.bind(port, relay, () => {
        socket.setBroadcast(true);
        const send = () => socket.send(question, port, broadcast, () => undefined);
        timers.push(...askAtMs.map((atMs) => setTimeout(send, atMs)));
        timers.push(setTimeout(() => resolve(undefined), patienceMs));
      });
    });
  } finally {
    timers.forEach(clearTimeout);
    socket.close();
  }
}

/** `192.0.2.7/24` → `192.0.2.255` */
function broadcastOf(subnet: string): string {
  const [address = '', length] = subnet.split('/');
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const hosts = 2 ** (32 - Number(length));
  const last = Math.floor(value / hosts) * hosts + hosts - 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(last / 2 ** shift) % 256).join('.');
}
