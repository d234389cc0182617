import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const greeting = {
  QMP: {
    version: { qemu: { major: 10, minor: 0, micro: 2 }, package: 'scripted' },
    capabilities: ['oob'],
  },
};

interface Command {
  readonly execute?: string;
  readonly 'exec-oob'?: string;
  readonly arguments: object;
  readonly id: string;
}

/** The wire of a QEMU: sends what a test says, and hands out the commands that come. */
export class ScriptedQmp implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;
  readonly #server: Server;
  #socket: Socket | undefined;
  #text = '';
  readonly #commands: Command[] = [];
  #readers: ((command: Command) => void)[] = [];
  readonly #firstBytes: string;

  private constructor(folder: string, firstBytes: string) {
    this.#folder = folder;
    this.path = join(folder, 'qmp.sock');
    this.#firstBytes = firstBytes;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** `firstBytes` instead of the greeting, for a server that is no QEMU. */
  static async create(firstBytes = `${JSON.stringify(greeting)}\r\n`): Promise<ScriptedQmp> {
    const qmp = new ScriptedQmp(await mkdtemp(join(tmpdir(), 'wdq-')), firstBytes);
    qmp.#server.listen(qmp.path);
    await once(qmp.#server, 'listening');
    return qmp;
  }

  /** The next command that came, or will come. */
  command(): Promise<Command> {
    const command = this.#commands.shift();
    if (command !== undefined) return Promise.resolve(command);
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  get unreadCommands(): number {
    return this.#commands.length;
  }

  send(message: object): void {
    this.sendBytes(`${JSON.stringify(message)}\r\n`);
  }

  sendBytes(bytes: string | Buffer): void {
    this.#socket?.write(bytes);
  }

  /** Answers the negotiation that every client begins with. */
  async negotiate(): Promise<Command> {
    const command = await this.command();
    this.send({ return: {}, id: command.id });
    return command;
  }

  hangUp(): void {
    this.#socket?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    this.#server.close();
    await once(this.#server, 'close');
    await rm(this.#folder, { recursive: true });
  }

  #accept(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('data', (data) => {
      this.#text += data.toString('utf8');
      const lines = this.#text.split('\n');
      this.#text = lines.pop() ?? '';
      for (const line of lines) {
        const command = JSON.parse(line) as Command;
        const reader = this.#readers.shift();
        if (reader === undefined) this.#commands.push(command);
        else reader(command);
      }
    });
    socket.write(this.#firstBytes);
  }
}
