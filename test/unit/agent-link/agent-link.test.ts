import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentLink } from '../../../host-plugins/agent-link/agent-link.ts';
import { agentProtocolVersion } from '../../../protocol/agent-channel.ts';
import { AgentFrameReader, encodeAgentFrame } from '../../../protocol/agent-frame.ts';
import { DockError } from '../../../protocol/dock-error.ts';

type Message = Record<string, unknown>;

/** The wire of a guest: what QEMU's end of the port carries, played by the test. */
class ScriptedGuest {
  readonly received: Message[] = [];
  socket: Socket | undefined;
  #server: Server;
  #onMessage: (message: Message, guest: ScriptedGuest) => void;

  constructor(path: string, onMessage: (message: Message, guest: ScriptedGuest) => void) {
    this.#onMessage = onMessage;
    this.#server = createServer((socket) => {
      this.socket = socket;
      const reader = new AgentFrameReader();
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        for (const message of reader.push(chunk)) {
          this.received.push(message as Message);
          this.#onMessage(message as Message, this);
        }
      });
    }).listen(path);
  }

  send(message: Message): void {
    this.socket?.write(encodeAgentFrame(message));
  }

  answerHello(message: Message, protocol: number = agentProtocolVersion): void {
    this.send({
      type: 'guest-hello',
      protocol,
      session: message['session'],
      agentVersion: '9.9.9',
      bootId: 'b',
    });
  }

  async close(): Promise<void> {
    this.socket?.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

let folder: string;
let path: string;
let guest: ScriptedGuest | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wdock-link-'));
  path = join(folder, 'agent.sock');
});
afterEach(async () => {
  await guest?.close();
  guest = undefined;
  await rm(folder, { recursive: true });
});

const open = (): AgentLink =>
  new AgentLink(path, () => ({ epoch: 3, host: { name: 'pc', deviceClass: 'desktop', simulated: true } }));
const soon = (): AbortSignal => AbortSignal.timeout(5000);

describe('the link to the guest agent', () => {
  it('says that the agent is absent when nobody listens', async () => {
    await using link = open();
    await expect(link.ready(AbortSignal.timeout(50))).rejects.toMatchObject({ kind: 'agent-absent' });
  });

  it('refuses an agent of another protocol version and names both versions', async () => {
    guest = new ScriptedGuest(path, (message, g) => g.answerHello(message, 99));
    await using link = open();
    const error = await link.ready(soon()).catch((e: unknown) => e as DockError);
    expect(error).toBeInstanceOf(DockError);
    expect(error).toMatchObject({ kind: 'agent-refused' });
    expect((error as DockError).message).toContain('99');
  });

  it('throws what the agent refused with', async () => {
    guest = new ScriptedGuest(path, (m, g) => {
      if (m['type'] === 'host-hello') g.answerHello(m);
      else
        g.send({
          type: 'response',
          session: m['session'],
          id: m['id'],
          error: { kind: 'io', message: 'cpu1 cannot be offlined: Device or resource busy' },
        });
    });
    await using link = open();
    await expect(link.call('set-online-vcpus', { online: 1, timeoutMs: 1 }, soon())).rejects.toMatchObject({
      kind: 'agent-refused',
      message: 'cpu1 cannot be offlined: Device or resource busy',
    });
  });

  it('does not take an answer of a wrong shape for an answer', async () => {
    guest = new ScriptedGuest(path, (m, g) => {
      if (m['type'] === 'host-hello') g.answerHello(m);
      else g.send({ type: 'response', session: m['session'], id: m['id'], result: { online: 'four' } });
    });
    await using link = open();
    await expect(link.call('set-online-vcpus', { online: 1, timeoutMs: 1 }, soon())).rejects.toMatchObject({
      kind: 'protocol',
    });
  });

  it('drops an answer that belongs to another session', async () => {
    guest = new ScriptedGuest(path, (m, g) => {
      if (m['type'] === 'host-hello') g.answerHello(m);
      else {
        g.send({
          type: 'response',
          session: 'of-another-host',
          id: m['id'],
          result: { online: 1, problems: [] },
        });
        g.send({ type: 'response', session: m['session'], id: m['id'], result: { online: 4, problems: [] } });
      }
    });
    await using link = open();
    expect(await link.call('set-online-vcpus', { online: 4, timeoutMs: 1 }, soon())).toEqual({
      online: 4,
      problems: [],
    });
  });

  it('asks again in the next session when the port was cut off in the middle of a call', async () => {
    let requests = 0;
    guest = new ScriptedGuest(path, (m, g) => {
      if (m['type'] === 'host-hello') return g.answerHello(m);
      requests += 1;
      if (requests === 1) g.socket?.destroy();
      else g.send({ type: 'response', session: m['session'], id: m['id'], result: {} });
    });
    await using link = open();
    await link.call('cancel-move', {}, soon());
    expect(requests).toBe(2);
  });

  it('greets a guest that says that it has just started, and tells it its epoch and host', async () => {
    guest = new ScriptedGuest(path, (m, g) => {
      if (g.received.length === 1)
        g.send({ type: 'guest-hello', protocol: 1, session: '', agentVersion: '9', bootId: 'b' });
      else if (m['type'] === 'host-hello') g.answerHello(m);
    });
    await using link = open();
    expect(await link.ready(soon())).toEqual({ agentVersion: '9.9.9', bootId: 'b' });
    expect(guest.received[1]).toMatchObject({
      type: 'host-hello',
      epoch: 3,
      host: { name: 'pc', deviceClass: 'desktop', simulated: true },
    });
  });

  it('lives on when the guest sends garbage', async () => {
    guest = new ScriptedGuest(path, (m, g) => {
      if (m['type'] !== 'host-hello') return;
      g.socket?.write(Buffer.alloc(100_000, 0x57));
      g.socket?.write('WDK1 and then nothing that makes sense');
      g.answerHello(m);
    });
    await using link = open();
    expect(await link.ready(soon())).toMatchObject({ agentVersion: '9.9.9' });
  });
});
