import { once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { pairedDevices, type TestHandlers, testDevice, trust } from './two-devices.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes and sockets, on a machine that may be busy

const soon = () => AbortSignal.timeout(10_000);

/** A call that waits until the test lets it go on; counts how often it was made. */
function waiting() {
  const entered = Promise.withResolvers<void>();
  const leave = Promise.withResolvers<string>();
  const calls = { made: 0, aborted: 0 };
  const handlers: TestHandlers = {
    wait: async (_params, { signal }) => {
      calls.made++;
      signal.addEventListener('abort', () => calls.aborted++);
      entered.resolve();
      return await leave.promise;
    },
  };
  return { handlers, calls, entered: entered.promise, leave: leave.resolve };
}

describe('a call whose caller is patient', () => {
  it('gets its one answer over the next connection when the first one is lost', async () => {
    const held = waiting();
    await using devices = await pairedDevices({ pc: { handlers: held.handlers } });
    const { mid, pc } = devices;
    const answer = mid.peers.call(
      pc.identity.id,
      'wait',
      {},
      { signal: soon(), patienceMs: 10_000, onFound: () => held.leave('once') },
    );
    await held.entered;
    pc.server.closeDevice(mid.identity.id);
    expect(await answer).toBe('once');
    expect(held.calls).toEqual({ made: 1, aborted: 0 });
  });

  it('gets it also when the other device is the one that connects again', async () => {
    const held = waiting();
    await using devices = await pairedDevices({ pc: { handlers: held.handlers } });
    const { mid, pc } = devices;
    await trust(mid, pc, '127.0.0.1:1');
    await pc.peers.connect(mid.identity.id, soon()); // the only connection that there can be
    const lost = Promise.withResolvers<void>();
    const options = { signal: soon(), patienceMs: 10_000, onLost: () => lost.resolve() };
    const answer = mid.peers.call(pc.identity.id, 'wait', {}, options);
    await held.entered;
    const parted = once(pc.peers, 'unreachable', { signal: soon() });
    mid.server.closeDevice(pc.identity.id);
    await Promise.all([lost.promise, parted]);
    const back = once(mid.peers, 'reachable', { signal: soon() });
    await pc.peers.connect(mid.identity.id, soon());
    await back;
    held.leave('once');
    expect(await answer).toBe('once');
    expect(held.calls).toEqual({ made: 1, aborted: 0 });
  });

  it('fails, and is not made a second time, when wdockd over there was started anew', async () => {
    const [first, second] = [waiting(), waiting()];
    await using mid = await testDevice('mid');
    const pc = await testDevice('pc', { handlers: first.handlers });
    const { identity, port, name } = pc;
    await trust(mid, pc);
    await trust(pc, mid);
    const answer = mid.peers.call(identity.id, 'wait', {}, { signal: soon(), patienceMs: 10_000 });
    answer.catch(() => undefined);
    await first.entered;
    first.leave('of a life that is over');
    mid.peers.on('unreachable', () => undefined);
    await pc[Symbol.asyncDispose]();
    await using again = await testDevice(name, { identity, port, handlers: second.handlers });
    await trust(again, mid);
    await expect(answer).rejects.toMatchObject({
      kind: 'peer-gone',
      message: expect.stringContaining('started anew'),
    });
    expect(second.calls.made).toBe(0);
  });

  it('is aborted over there when the caller is not trusted any more', async () => {
    const held = waiting();
    await using devices = await pairedDevices({ pc: { handlers: held.handlers } });
    const { mid, pc } = devices;
    const answer = mid.peers.call(pc.identity.id, 'wait', {}, { signal: soon(), patienceMs: 10_000 });
    answer.catch(() => undefined);
    await held.entered;
    await pc.trust.forget('mid');
    expect(held.calls).toEqual({ made: 1, aborted: 1 });
    await expect(answer).rejects.toMatchObject({ kind: 'untrusted' });
    held.leave('nobody hears it');
  });
});
