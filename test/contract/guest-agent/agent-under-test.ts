import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AgentMethod,
  type AgentParams,
  type AgentResult,
  agentProtocolVersion,
} from '../../../protocol/agent-channel.ts';
import { AgentFrameReader, encodeAgentFrame } from '../../../protocol/agent-frame.ts';
import { killed, spawnMortal } from './spawn-mortal.ts';

const main = join(import.meta.dirname, '../../../guest-agent/main.ts');

type Message = Record<string, unknown>;

/**
 * A terminal stands in for the virtio-serial port: like the port it is a device that is opened for both directions,
 * blocks, and breaks when its other end goes. The other end is a unix socket, as QEMU's.
 */
export class PortStandIn implements AsyncDisposable {
  readonly device: string;
  readonly #socket: string;
  readonly #folder: string;
  #socat: ChildProcess | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
    this.device = join(folder, 'port');
    this.#socket = join(folder, 'host.sock');
  }

  static async create(): Promise<PortStandIn> {
    return new PortStandIn(await mkdtemp(join(tmpdir(), 'wdock-port-')));
  }

  /** Makes the port appear, with the host's socket open. */
  async plug(): Promise<HostEnd> {
    await this.unplug();
    const socat = spawnMortal(
      [
        'socat',
        '-dd',
        `PTY,link=${this.device},raw,echo=0,wait-slave,pty-interval=0.05`,
        `UNIX-LISTEN:${this.#socket}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#socat = socat;
    // With wait-slave socat listens only when the agent has opened its side.
    for await (const text of socat.stderr as AsyncIterable<Buffer>) if (text.includes('listening on')) break;
    socat.stderr?.resume();
    const socket = connect(this.#socket);
    await once(socket, 'connect');
    return new HostEnd(socket);
  }

  /** Takes the port away while it is in use. */
  async unplug(): Promise<void> {
    if (this.#socat !== undefined) await killed(this.#socat);
    this.#socat = undefined;
    await rm(this.device, { force: true });
    await rm(this.#socket, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unplug();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The host's end of the port, as bare messages. */
export class HostEnd implements Disposable {
  readonly socket: Socket;
  readonly #received: Message[] = [];
  readonly #waiting = new Set<() => void>();
  #session = '';
  #nextId = 1;

  constructor(socket: Socket) {
    this.socket = socket;
    const reader = new AgentFrameReader();
    socket.on('data', (bytes) => {
      this.#received.push(...(reader.push(bytes) as Message[]));
      for (const look of [...this.#waiting]) look();
    });
    socket.on('error', () => {});
  }

  send(message: unknown): void {
    this.socket.write(encodeAgentFrame(message));
  }

  /** Opens a session and waits for the guest's answer. */
  async greet(
    session: string,
    host = { name: 'pc', deviceClass: 'desktop', simulated: true },
  ): Promise<Message> {
    this.#session = session;
    this.send({ type: 'host-hello', protocol: agentProtocolVersion, session, epoch: 3, host });
    return this.message((one) => one['type'] === 'guest-hello' && one['session'] === session);
  }

  async call<M extends AgentMethod>(method: M, params: AgentParams<M>): Promise<AgentResult<M>> {
    const session = this.#session;
    const id = this.#nextId++;
    this.send({ type: 'request', session, id, method, params });
    const answer = await this.message((one) => one['id'] === id && one['session'] === session);
    if (answer['error'] !== undefined) throw new Error(JSON.stringify(answer['error']));
    return answer['result'] as AgentResult<M>;
  }

  /** The first message, of all that came, that is like this. */
  async message(isIt: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.#received.find(isIt);
      if (found !== undefined) return found;
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`no such message came: ${JSON.stringify(this.#received)}`)),
          20_000,
        );
        const look = (): void => {
          this.#waiting.delete(look);
          clearTimeout(timer);
          resolve();
        };
        this.#waiting.add(look);
      });
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/**
 * A root for the agent's kernel files with the machine's own /proc and a /sys of one processor, so that no test
 * changes the machine that it runs on.
 */
export async function makeRoot(folder: string): Promise<string> {
  const root = join(folder, 'root');
  await mkdir(join(root, 'sys/devices/system/cpu/cpu0'), { recursive: true });
  await writeFile(join(root, 'sys/devices/system/cpu/online'), '0\n');
  for (const name of ['proc', 'sys/class']) {
    // An agent that ran there before has left it.
    await rm(join(root, name), { force: true });
    await symlink(`/${name}`, join(root, name));
  }
  return root;
}

/** The real agent as a process of its own, with its output. */
export class AgentProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  output = '';

  constructor(argv: readonly string[], environment: Record<string, string>, enter: readonly string[] = []) {
    this.child = spawnMortal([...enter, process.execPath, main, ...argv], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (text: Buffer) => {
        this.output += text.toString();
      });
  }

  /** Starts the system service on this port and this bus, with a root of its own below `folder`. */
  static async system(
    port: string,
    bus: string,
    folder: string,
    enter: readonly string[] = [],
  ): Promise<AgentProcess> {
    const root = await makeRoot(folder);
    const argv = ['system', '--port', port, '--root', root, '--state', join(folder, 'state/state.json')];
    return new AgentProcess(argv, { DBUS_SYSTEM_BUS_ADDRESS: bus }, enter);
  }

  /** Asks it to stop, as systemd does; resolves to the signal that it ended by, or its exit status. */
  async stop(): Promise<NodeJS.Signals | number | null> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
    return signal ?? code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await killed(this.child);
  }
}
