import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type FramesBySender, mirrorRule } from './access-point.ts';
import { settingsCommand } from './host-commands.ts';
import type { NetworkNamespace } from './network-namespace.ts';

/** A cable to which a copy of each frame from the station goes, as to the monitor port of a switch, and its other end. */
const [mirrored, captured] = ['monitor0', 'monitor1'];
/** Bytes of each frame that are captured: both hardware addresses and the type are what is looked at. */
const snapLength = 64;

/** Reads a captured frame as socat writes it, byte by byte in hexadecimal; undefined for any other line. */
export function parseSender(line: string): string | undefined {
  const bytes = /^(?: [0-9a-f]{2}){14,}$/.test(line) ? line.trim().split(' ') : [];
  return bytes.length === 0 ? undefined : bytes.slice(6, 12).join(':');
}

/**
 * A packet capture of what comes from the station at its access point, for as long as it is not disposed. By socat, for
 * tcpdump gives up its rights first, which it cannot where an ordinary user plays root.
 */
export class FrameCapture implements AsyncDisposable {
  readonly #lan: NetworkNamespace;
  readonly #socat: ChildProcess;
  readonly #senders = new Map<string, number>();

  private constructor(lan: NetworkNamespace, socat: ChildProcess) {
    this.#lan = lan;
    this.#socat = socat;
    createInterface(socat.stderr as NonNullable<typeof socat.stderr>).on('line', (line) => {
      const sender = parseSender(line);
      if (sender !== undefined) this.#senders.set(sender, (this.#senders.get(sender) ?? 0) + 1);
    });
  }

  /** Captures from here on. One at a time. @throws DockError `io` where the frames cannot be copied */
  static async start(lan: NetworkNamespace, signal: AbortSignal): Promise<FrameCapture> {
    await lan.run(['ip', 'link', 'add', mirrored, 'type', 'veth', 'peer', 'name', captured], signal);
    // Nobody but the copies shall send on it.
    const quiet = [mirrored, captured].map((device) => [`ipv6/conf/${device}/disable_ipv6`, 1]);
    await lan.run(settingsCommand(Object.fromEntries(quiet)), signal);
    const up = [mirrored, captured].map((device) => `link set ${device} arp off up`);
    await lan.run(['ip', '-batch', '-'], signal, up.join('\n'));
    const argv = [
      'socat',
      '-u',
      '-x',
      '-d',
      '-d',
      '-b',
      String(snapLength),
      `INTERFACE:${captured}`,
      '/dev/null',
    ];
    const socat = lan.spawn(argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    const capture = new FrameCapture(lan, socat);
    // Its first words are that it has opened the device.
    await once(socat.stderr as NonNullable<typeof socat.stderr>, 'data', { signal });
    await lan.run(['nft', '-f', '-'], signal, mirrorRule(mirrored));
    return capture;
  }

  /** Ends the capture, and says how many frames it has, by sender. */
  async finish(): Promise<FramesBySender> {
    await this[Symbol.asyncDispose]();
    return this.#senders;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socat.exitCode !== null || this.#socat.signalCode !== null) return;
    const ended = once(this.#socat, 'close');
    // It ends with its device, when it has read what there was.
    await this.#lan.run(['ip', 'link', 'delete', mirrored], AbortSignal.timeout(10_000)).catch(() => {
      this.#socat.kill('SIGKILL');
    });
    await ended;
  }
}
