/** Where the lab's peer in the guest listens; systemd starts it with the first connection. */
export const peerPort = 7078;

/** What the peer can be asked: one line of JSON on a connection of its own, which it answers with one line. */
export type PeerRequest =
  /** From the answer on, all that comes on this connection is sent back. */
  | { readonly kind: 'flow' }
  /** The same on a connection that the guest opens to a host of the lab. */
  | { readonly kind: 'dial'; readonly address: string; readonly port: number }
  /** Sends back each datagram that comes to this own address, for as long as this connection is open. */
  | { readonly kind: 'echo'; readonly address: string }
  /** How many connections it sends back on. */
  | { readonly kind: 'flows' }
  | { readonly kind: 'network' }
  | { readonly kind: 'resolve'; readonly name: string }
  /** Tries to connect to each of these TCP ports. */
  | {
      readonly kind: 'scan';
      readonly address: string;
      readonly ports: readonly number[];
      readonly timeoutMs: number;
    }
  /** Puts a canary into the peer's own memory, and another one into a file that is on the disk when this is answered. */
  | { readonly kind: 'plant-canary'; readonly memory: string; readonly file: string }
  /** Reads that file from the disk, past all caches; answers how many markers of it are there. */
  | { readonly kind: 'read-canary'; readonly file: string }
  /** The guest's mount points. */
  | { readonly kind: 'mounts' }
  /** Ends the agent, as if it were not installed, until the guest is started anew. */
  | { readonly kind: 'stop-agent' }
  /** Sends a datagram to a port and waits for what comes back. */
  | {
      readonly kind: 'datagram';
      readonly address: string;
      readonly port: number;
      readonly timeoutMs: number;
    };

/** How a datagram was taken: by somebody, by nobody (ICMP said so), or it cannot be told. */
export const datagramFates = ['answered', 'refused', 'silent'] as const;
export type DatagramFate = (typeof datagramFates)[number];
