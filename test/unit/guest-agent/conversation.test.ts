import { describe, expect, it } from 'vitest';
import type { AgentHandlers } from '../../../guest-agent/host-link/conversation.ts';
import { Conversation } from '../../../guest-agent/host-link/conversation.ts';
import { ResourceQueue } from '../../../guest-agent/host-link/resource-queue.ts';
import { agentProtocolVersion } from '../../../protocol/agent-channel.ts';
import { AgentFrameReader, encodeAgentFrame } from '../../../protocol/agent-frame.ts';
import { DockError } from '../../../protocol/dock-error.ts';

const host = { name: 'pc', deviceClass: 'desktop', simulated: true } as const;

/** The agent's side with handlers that the test lets go on; the wire is an array. */
function converse() {
  const sent: Record<string, unknown>[] = [];
  const reader = new AgentFrameReader();
  const notes: string[] = [];
  const greetings: number[] = [];
  const started: string[] = [];
  const waiting = new Map<string, () => void>();
  const hold = (name: string) => async () => {
    started.push(name);
    await new Promise<void>((resolve) => waiting.set(name, resolve));
    return { problems: [name] };
  };
  const handlers = {
    'apply-power': { resource: 'power', handle: hold('power') },
    'apply-input': { resource: 'input', handle: hold('input') },
    'apply-services': {
      resource: 'services',
      handle: () => Promise.reject(new DockError('io', 'systemd is not there', { detail: { unit: 'a' } })),
    },
    'cancel-move': { handle: () => Promise.resolve({}) },
    'set-clock': {
      handle: (_: unknown, signal: AbortSignal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    },
  } as unknown as AgentHandlers;
  const conversation = new Conversation({
    agentVersion: '9.9',
    bootId: 'boot',
    handlers,
    send: (frame) => sent.push(...(reader.push(frame) as Record<string, unknown>[])),
    greeted: ({ epoch }) => greetings.push(epoch),
    note: (text) => notes.push(text),
  });
  const say = (message: unknown) => conversation.receive(encodeAgentFrame(message));
  const hello = (session: string, protocol: number = agentProtocolVersion) =>
    say({ type: 'host-hello', protocol, session, epoch: 7, host });
  const ask = (session: string, id: number, method: string, params: unknown = {}) =>
    say({ type: 'request', session, id, method, params });
  const release = (name: string) => waiting.get(name)?.();
  const answered = async (count: number) => {
    for (let turns = 0; sent.length < count && turns < 50; turns++) await new Promise(setImmediate);
    return sent;
  };
  return { conversation, sent, notes, greetings, started, hello, ask, say, release, answered };
}

describe('the conversation with the host', () => {
  it('drops requests before a hello, and of a session that is over', async () => {
    const { hello, ask, answered, conversation } = converse();
    ask('session-1', 1, 'cancel-move');
    hello('session-1');
    hello('session-2');
    ask('session-1', 2, 'cancel-move');
    conversation.ended();
    ask('session-2', 3, 'cancel-move');
    expect((await answered(3)).map(({ type, session }) => [type, session])).toEqual([
      ['guest-hello', 'session-1'],
      ['guest-hello', 'session-2'],
    ]);
  });

  it('answers the hello of another protocol version with its own, and refuses its requests in words', async () => {
    const { hello, ask, answered, greetings } = converse();
    hello('session-1', agentProtocolVersion + 1);
    ask('session-1', 1, 'cancel-move');
    const [greeting, refusal] = await answered(2);
    expect(greeting).toMatchObject({
      type: 'guest-hello',
      protocol: agentProtocolVersion,
      agentVersion: '9.9',
    });
    expect(refusal).toMatchObject({
      error: { kind: 'protocol', message: expect.stringContaining('update the older') },
    });
    expect(greetings).toEqual([]);
  });

  it('answers unknown methods and wrong parameters, naming each fault', async () => {
    const { hello, ask, answered } = converse();
    hello('session-1');
    ask('session-1', 1, 'constructor');
    ask('session-1', 2, 'apply-power', { profile: 'turbo' });
    const [, unknown, wrong] = await answered(3);
    expect(unknown).toMatchObject({
      id: 1,
      error: { kind: 'protocol', message: expect.stringMatching(/no method/) },
    });
    expect(wrong).toMatchObject({
      id: 2,
      error: { kind: 'protocol', message: expect.stringMatching(/profile: /) },
    });
  });

  it('notes messages of a wrong shape ever more seldom', () => {
    const { say, notes } = converse();
    for (let count = 0; count < 100; count++) say({ type: 'host-hello', session: 1 });
    expect(notes).toHaveLength(3);
  });

  it('passes on the kind, message and facts of an error', async () => {
    const { hello, ask, answered } = converse();
    hello('session-1');
    ask('session-1', 1, 'apply-services', { sleep: [] });
    const [, failed] = await answered(2);
    expect(failed?.['error']).toEqual({ kind: 'io', message: 'systemd is not there', detail: { unit: 'a' } });
  });

  it('does a request once that arrives twice', async () => {
    const { hello, ask, answered, started, release } = converse();
    hello('session-1');
    ask('session-1', 1, 'apply-power', { profile: 'balanced' });
    ask('session-1', 1, 'apply-power', { profile: 'balanced' });
    await new Promise(setImmediate);
    expect(started).toEqual(['power']);
    release('power');
    expect(await answered(2)).toHaveLength(2);
  });

  it('lets what was begun end when a new session opens, but does not answer it there', async () => {
    const { hello, ask, answered, started, release, sent } = converse();
    hello('session-1');
    ask('session-1', 1, 'apply-power', { profile: 'balanced' });
    await new Promise(setImmediate);
    hello('session-2');
    ask('session-2', 1, 'apply-power', { profile: 'balanced' });
    await new Promise(setImmediate);
    expect(started).toEqual(['power']);
    release('power');
    for (let turns = 0; started.length < 2 && turns < 50; turns++) await new Promise(setImmediate);
    expect(started).toEqual(['power', 'power']);
    release('power');
    await answered(3);
    expect(sent.slice(2).map(({ session, id }) => [session, id])).toEqual([['session-2', 1]]);
  });

  it('works on different resources side by side', async () => {
    const { hello, ask, started } = converse();
    hello('session-1');
    ask('session-1', 1, 'apply-power', { profile: 'balanced' });
    ask('session-1', 2, 'apply-input', { onScreenKeyboard: true });
    await new Promise(setImmediate);
    expect(started).toEqual(['power', 'input']);
  });

  it('breaks off what runs when the agent is stopped, and says no more', async () => {
    const { hello, ask, answered, conversation } = converse();
    hello('session-1');
    ask('session-1', 1, 'set-clock', { timeMs: 1 });
    conversation.close(new DockError('cancelled', 'stopped'));
    expect(await answered(2)).toHaveLength(1);
  });

  it('tells events into the present session only', () => {
    const { hello, conversation, sent } = converse();
    conversation.tell('settled');
    hello('session-1');
    conversation.tell('inhibitors-changed', { who: ['editor'] });
    expect(sent.slice(1)).toEqual([
      { type: 'event', session: 'session-1', event: 'inhibitors-changed', data: { who: ['editor'] } },
    ]);
  });
});

describe('the queue of a resource', () => {
  it('refuses when too much waits, and takes more when that is done', async () => {
    const queue = new ResourceQueue();
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const first = Array.from({ length: 8 }, () => queue.run('vcpu', () => gate));
    await expect(queue.run('vcpu', () => gate)).rejects.toThrow(/busy/);
    release();
    await Promise.all(first);
    await expect(queue.run('vcpu', async () => 'done')).resolves.toBe('done');
  });

  it('goes on after work that failed', async () => {
    const queue = new ResourceQueue();
    const failed = queue.run('vcpu', () => Promise.reject(new Error('no')));
    const next = queue.run('vcpu', async () => 'yes');
    await expect(failed).rejects.toThrow('no');
    await expect(next).resolves.toBe('yes');
  });
});
