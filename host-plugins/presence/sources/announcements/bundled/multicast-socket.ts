import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { DockError } from '../../../../../protocol/dock-error.ts';
import { isInSubnet } from '../../../../system/network/ip-address.ts';
import type { OwnPlace } from '../responder.ts';

const port = 5353;
const groups = { 4: '224.0.0.251', 6: 'ff02::fb' } as const;

export type Family = keyof typeof groups;

/** The messages of multicast DNS on one interface, by one version of IP. */
export class MulticastSocket implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #group: string;

  private constructor(socket: Socket, group: string) {
    this.#socket = socket;
    this.#group = group;
  }

  /**
   * Bound to the group's address, and so to nothing that is sent to this computer alone: that is for another responder of the
   * computer, where there is one. Throws `io` where a program has the port for itself, or the interface has no multicast.
   */
  static async open(
    place: OwnPlace,
    family: Family,
    heard: (bytes: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<MulticastSocket> {
    const { interfaceName } = place;
    const isIpv4 = family === 4;
    // The interface: for IPv4 by an address of it, for IPv6 by name, which binds the socket to it as well.
    const own = isIpv4
      ? (place.addresses.find((address) => !address.includes(':')) ?? '')
      : `::%${interfaceName}`;
    const group = isIpv4 ? groups[4] : `${groups[6]}%${interfaceName}`;
    const socket = createSocket({ type: `udp${family}`, reuseAddr: true, ipv6Only: !isIpv4 });
    try {
      socket.bind({ port, address: group });
      await once(socket, 'listening', { signal });
      socket.addMembership(groups[family], own);
      socket.setMulticastInterface(own);
      socket.setMulticastTTL(255);
      socket.setMulticastLoopback(false);
    } catch (error) {
      socket.close();
      signal.throwIfAborted();
      const { message } = error as Error;
      throw new DockError('io', `UDP port ${port} cannot be used on ${interfaceName}: ${message}`, {
        cause: error,
      });
    }
    socket.on('message', (bytes, from) => {
      // Linux gives a socket the group's messages of all interfaces; and what was routed here is none of it (RFC 6762, 11).
      const isHere = !isIpv4 || place.subnets.some((subnet) => isInSubnet(from.address, subnet));
      if (isHere && from.port === port) heard(bytes);
    });
    socket.on('error', () => undefined); // of one message; what becomes of the interface is told elsewhere
    return new MulticastSocket(socket, group);
  }

  /** Settles when the kernel has it. What cannot be sent is as lost as on the way. */
  async send(bytes: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.send(bytes, port, this.#group, () => resolve());
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}
