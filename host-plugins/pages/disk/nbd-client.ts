import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { DockError } from '../../../protocol/dock-error.ts';

/** https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, its fixed newstyle handshake and simple replies. */
const serverMagic = Buffer.from('NBDMAGICIHAVEOPT');
const optionMagic = Buffer.from('IHAVEOPT');
const optionReplyMagic = 0x0003e889045565a9n;
const optionGo = 7;
const replyAck = 1;
const replyInfo = 3;
const infoExport = 0;
const fixedNewstyle = 1;
const noZeroes = 2;
const requestMagic = 0x25609513;
const replyMagic = 0x67446698;
const commandRead = 0;
const commandDisconnect = 2;
const maxOptionReplyBytes = 64 * 1024;

interface Waiting {
  readonly bytes: number;
  resolve(content: Buffer): void;
  reject(error: DockError): void;
}

/** Reads an export of a program of this device, over its unix socket. Several reads may be under way. */
export class NbdClient implements Disposable {
  /** Of the export. */
  readonly bytes: number;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #failure: DockError | undefined;

  private constructor(socket: Socket, bytes: number, take: Take) {
    this.#socket = socket;
    this.bytes = bytes;
    this.#receive(take).catch((error: unknown) => {
      this.#failure = DockError.from(error, 'io');
      socket.destroy();
      for (const { reject } of this.#waiting.values()) reject(this.#failure);
      this.#waiting.clear();
    });
  }

  /** Throws `io` when nobody listens there, `protocol` when it is no NBD server, or has no such export. */
  static async connect(path: string, exportName: string, signal: AbortSignal): Promise<NbdClient> {
    const socket = connect(path);
    try {
      await once(socket, 'connect', { signal });
      const take = taker(socket);
      const bytes = await negotiate(socket, take, exportName);
      return new NbdClient(socket, bytes, take);
    } catch (error) {
      socket.destroy();
      throw signal.aborted ? signal.reason : DockError.from(error, 'io');
    }
  }

  /** Inside of the export. Throws `io` where the server says that it cannot, or has gone. */
  async read(offset: number, bytes: number): Promise<Buffer> {
    if (this.#failure !== undefined) throw this.#failure;
    const handle = this.#next;
    this.#next += 1;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#waiting.set(handle, { bytes, resolve, reject });
    this.#socket.write(encodeRequest(commandRead, handle, offset, bytes));
    return await promise;
  }

  [Symbol.dispose](): void {
    this.#socket.end(encodeRequest(commandDisconnect, 0, 0, 0));
    this.#socket.destroySoon();
  }

  async #receive(take: Take): Promise<void> {
    for (;;) {
      const head = await take(16);
      const handle = Number(head.readBigUInt64BE(8));
      const waiting = this.#waiting.get(handle);
      if (head.readUInt32BE(0) !== replyMagic || waiting === undefined) throw notNbd('its reply is none');
      const error = head.readUInt32BE(4);
      const content = error === 0 ? await take(waiting.bytes) : undefined;
      this.#waiting.delete(handle);
      if (content !== undefined) waiting.resolve(content);
      else waiting.reject(new DockError('io', `the disk image cannot be read there (error ${error})`));
    }
  }
}

async function negotiate(socket: Socket, take: Take, exportName: string): Promise<number> {
  const greeting = await take(18);
  if (!greeting.subarray(0, 16).equals(serverMagic) || (greeting.readUInt16BE(16) & fixedNewstyle) === 0)
    throw notNbd('its greeting is another one');
  const flags = Buffer.alloc(4);
  flags.writeUInt32BE(fixedNewstyle | noZeroes);
  const name = Buffer.from(exportName);
  const option = Buffer.alloc(8 + 4 + name.length + 2); // option, its length; name's length, name, no information asked for
  option.writeUInt32BE(optionGo, 0);
  option.writeUInt32BE(option.length - 8, 4);
  option.writeUInt32BE(name.length, 8);
  name.copy(option, 12);
  socket.write(Buffer.concat([flags, optionMagic, option]));
  let bytes: number | undefined;
  for (;;) {
    const head = await take(20);
    const length = head.readUInt32BE(16);
    if (head.readBigUInt64BE(0) !== optionReplyMagic || length > maxOptionReplyBytes)
      throw notNbd('its answer to an option is none');
    const data = await take(length);
    const type = head.readUInt32BE(12);
    if (type === replyAck && bytes !== undefined) return bytes;
    if (type !== replyInfo || length < 2) throw notNbd(`it has no export "${exportName}"`);
    if (data.readUInt16BE(0) === infoExport && length >= 10) bytes = Number(data.readBigUInt64BE(2));
  }
}

function encodeRequest(command: number, handle: number, offset: number, bytes: number): Buffer {
  const request = Buffer.alloc(28);
  request.writeUInt32BE(requestMagic, 0);
  request.writeUInt16BE(command, 6);
  request.writeBigUInt64BE(BigInt(handle), 8);
  request.writeBigUInt64BE(BigInt(offset), 16);
  request.writeUInt32BE(bytes, 24);
  return request;
}

type Take = (bytes: number) => Promise<Buffer>;

/** Gives so many bytes when they have come; one taker at a time. */
function taker(socket: Socket): Take {
  const chunks = socket.iterator({ destroyOnReturn: false });
  let held: Buffer[] = [];
  let length = 0;
  return async (bytes) => {
    while (length < bytes) {
      const { value } = (await chunks.next()) as IteratorResult<Buffer, undefined>;
      if (value === undefined) throw new DockError('io', 'the program that serves the disk image has gone');
      held.push(value);
      length += value.length;
    }
    const all = held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held);
    held = [all.subarray(bytes)];
    length -= bytes;
    return all.subarray(0, bytes);
  };
}

function notNbd(why: string): DockError {
  return new DockError('protocol', `this is no NBD server as QEMU has it: ${why}`);
}
