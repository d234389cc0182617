import type { ChildProcess } from 'node:child_process';
import { killed, spawnMortal } from './spawn-mortal.ts';

/** A TCP connection from a program in one namespace to one in another, which sends back what it gets. */
export class OpenConnection implements AsyncDisposable {
  readonly #server: ChildProcess;
  readonly #client: ChildProcess;
  #received = '';
  #ended = false;
  #look: () => void = () => {};

  private constructor(server: ChildProcess, client: ChildProcess) {
    this.#server = server;
    this.#client = client;
    client.stdout?.on('data', (text: Buffer) => {
      this.#received += text.toString();
      this.#look();
    });
    client.once('exit', () => {
      this.#ended = true;
      this.#look();
    });
  }

  /** @param to an address of the server's namespace; IPv6 in brackets. @param from an address of the client's. */
  static async open(client: string, from: string, server: string, to: string): Promise<OpenConnection> {
    const family = to.startsWith('[') ? 'TCP6' : 'TCP4';
    const listening = spawnMortal(
      [
        'ip',
        'netns',
        'exec',
        server,
        'socat',
        '-dd',
        `${family}-LISTEN:7777,bind=${to},reuseaddr`,
        'EXEC:cat',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    for await (const text of listening.stderr as AsyncIterable<Buffer>)
      if (text.includes('listening on')) break;
    const calling = spawnMortal(
      ['ip', 'netns', 'exec', client, 'socat', 'STDIO', `${family}:${to}:7777,bind=${from}`],
      { stdio: ['pipe', 'pipe', 'ignore'] },
    );
    const connection = new OpenConnection(listening, calling);
    await connection.echo('first words\n');
    return connection;
  }

  /** Sends a text and waits until it is back; throws where the connection has ended. */
  async echo(text: string): Promise<void> {
    const from = this.#received.length;
    this.#client.stdin?.write(text);
    await new Promise<void>((resolve, reject) => {
      this.#look = (): void => {
        if (this.#received.slice(from) === text) resolve();
        else if (this.#ended) reject(new Error('the connection was closed'));
      };
      this.#look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await killed(this.#client);
    await killed(this.#server);
  }
}
