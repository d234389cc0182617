import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { qemuOption } from '../../qemu/qemu-option.ts';
import { HeldProgram } from '../../system/process/held-program.ts';
import type { ImageIdentity } from './image-identity.ts';
import { NbdClient } from './nbd-client.ts';

/** A socket between bind and listen refuses, and neither shows in inotify; so it is tried again this often, ms. */
const retryMs = 20;
export const exportName = 'base';

/** The content of an image as a guest sees it, read-only, on a socket, while it is held. */
export class ServedImage implements AsyncDisposable {
  readonly socket: string;
  readonly #daemon: HeldProgram;

  private constructor(socket: string, daemon: HeldProgram) {
    this.socket = socket;
    this.#daemon = daemon;
  }

  /**
   * Never follows the image to another file. Throws `io` with the daemon's words when it cannot be opened, as when another
   * program writes to it.
   * @param urgent a VM waits for it; otherwise it has the lowest priority
   */
  static async start(
    image: ImageIdentity,
    socket: string,
    { urgent }: { readonly urgent: boolean },
    signal: AbortSignal,
  ): Promise<ServedImage> {
    await rm(socket, { force: true });
    const daemon = await HeldProgram.start(
      [...(urgent ? [] : ['nice', '-n', '19']), ...commandLine(image, socket)],
      { onLine: () => undefined },
      signal,
    );
    const served = new ServedImage(socket, daemon);
    try {
      for (;;) {
        daemon.ended.throwIfAborted();
        signal.throwIfAborted();
        try {
          (await NbdClient.connect(socket, exportName, signal))[Symbol.dispose]();
          return served;
        } catch {
          await delay(retryMs, undefined, { signal });
        }
      }
    } catch (error) {
      await served[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]();
    await rm(this.socket, { force: true });
  }
}

function commandLine({ path, format }: ImageIdentity, socket: string): string[] {
  const file = { driver: 'file', filename: path, 'read-only': true };
  const node = { 'node-name': 'base', 'read-only': true };
  // Spelled as JSON, which alone can say that there is nothing below the image.
  const image =
    format === 'qcow2' ? { driver: format, ...node, file, backing: null } : { driver: format, ...node, file };
  return [
    'qemu-storage-daemon',
    '--blockdev',
    JSON.stringify(image),
    '--nbd-server',
    qemuOption('', { 'addr.type': 'unix', 'addr.path': socket, 'max-connections': 4 }),
    '--export',
    qemuOption('nbd', { id: 'base-export', 'node-name': 'base', name: exportName, writable: false }),
  ];
}
