import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { PairingLink, refusalOf } from '../../../host-plugins/pairing/pairing-link.ts';
import { Answer, Proof } from '../../../protocol/pairing-messages.ts';
import {
  bareOffer,
  halfRun,
  harmlessRelay,
  impostor,
  manInTheMiddle,
  offered,
  otherThan,
  pairingClosed,
  soon,
  strange,
} from './pairing-fixture.ts';
import { type TestDevice, testDevice } from './two-devices.ts';

/** Neither trusts anybody. */
const nobodyTrusted = (...devices: TestDevice[]) => {
  for (const device of devices) expect(device.trust.list()).toEqual([]);
};
/** What a run by hand is refused with. */
const refused = async (link: PairingLink) =>
  refusalOf(await link.receive(Proof, soon()).catch((error: unknown) => error));

describe('while no code is shown', () => {
  it('who asks for pairing gets an alert in the handshake', async () => {
    await using pc = await testDevice('pc');
    await expect(strange(pc.port)).rejects.toMatchObject(pairingClosed);
  });

  it('the one who would join is told what to do', async () => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    const wish = { name: 'pc', address: `127.0.0.1:${pc.port}`, code: '123456' };
    await expect(mid.desk.join(wish, soon())).rejects.toMatchObject({
      kind: 'peer-refused',
      message: /shows no code now.*run `wdock pair` there/,
    });
  });
});

describe('a wrong code', () => {
  it('pairs nobody, says so to both, and is the only guess that the code allows', async () => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    const { code, outcome, address } = await offered(pc);
    const told = expect(outcome).rejects.toMatchObject({
      kind: 'untrusted',
      message: /wrong code came from 127\.0\.0\.1.*void now/,
    });
    await expect(mid.desk.join({ name: 'pc', address, code: otherThan(code) }, soon())).rejects.toMatchObject(
      { kind: 'untrusted', message: /not the code that the other device shows/ },
    );
    await told;
    await expect(mid.desk.join({ name: 'pc', address, code }, soon())).rejects.toMatchObject({
      kind: 'peer-refused',
    });
    await expect(strange(pc.port)).rejects.toMatchObject(pairingClosed);
    nobodyTrusted(pc, mid);
  });

  it('beside a right one that is tried at the same time makes that one too late, and lets nobody else begin', async () => {
    await using pc = await testDevice('pc');
    await using offer = await bareOffer(pc, '271828');
    const wrong = await halfRun(pc, '271829', { from: '127.0.0.2' });
    const right = await halfRun(pc, '271828', { from: '127.0.0.3' });
    wrong.link.send(wrong.proof);
    expect(await refused(wrong.link)).toBe('wrong-code');
    await expect(strange(pc.port)).rejects.toMatchObject(pairingClosed);
    right.link.send(right.proof);
    expect(await refused(right.link)).toBe('closed');
    await expect(offer.paired).rejects.toMatchObject({ kind: 'untrusted' });
  });

  it('five times within ten minutes ends guessing: no code is shown any more', async () => {
    await using pc = await testDevice('pc');
    for (let guess = 0; guess < 5; guess++) {
      const { code, outcome } = await offered(pc);
      outcome.catch(() => undefined);
      const { link, proof, socket } = await halfRun(pc, otherThan(code));
      link.send(proof);
      expect(await refused(link)).toBe('wrong-code');
      socket.destroy();
      await expect(outcome).rejects.toMatchObject({ kind: 'untrusted' });
    }
    await expect(offered(pc)).rejects.toMatchObject({
      kind: 'conflict',
      message: /5 wrong codes.*wait 10 min/,
    });
  });
});

describe('a recorded run', () => {
  it('that was right is wrong when it is played again, with the same code and the same certificate', async () => {
    await using pc = await testDevice('pc');
    const code = '271828';
    const identity = await generateIdentity('mid');
    const record = async () => {
      await using _offer = await bareOffer(pc, code);
      const run = await halfRun(pc, code, { identity });
      run.link.send(run.proof);
      await run.link.receive(Proof, soon()); // it was right
      run.socket.destroy();
      return run;
    };
    const recorded = await record();

    await using offer = await bareOffer(pc, code);
    const link = new PairingLink(await strange(pc.port, { identity }));
    link.send(recorded.hello);
    await link.receive(Answer, soon());
    link.send(recorded.proof);
    expect(await refused(link)).toBe('wrong-code');
    await expect(offer.paired).rejects.toMatchObject({ kind: 'untrusted' });
  });
});

describe('somebody in between', () => {
  it('who relays with a certificate of their own gets nowhere, though the code is right', async () => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    const { code, outcome } = await offered(pc);
    const told = expect(outcome).rejects.toMatchObject({ kind: 'untrusted', message: /is between/ });
    await using between = await manInTheMiddle(pc.port);
    const address = `127.0.0.1:${between.port}`;
    await expect(mid.desk.join({ name: 'pc', address, code }, soon())).rejects.toMatchObject({
      kind: 'untrusted',
      message: /somebody is between the two/,
    });
    await told;
    nobodyTrusted(pc, mid);
  });

  it('who only hands on the bytes of TLS does no harm', async () => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    const { code, outcome } = await offered(pc);
    await using relay = await harmlessRelay(pc.port);
    const address = `127.0.0.1:${relay.port}`;
    expect(await mid.desk.join({ name: 'pc', address, code }, soon())).toMatchObject({ id: pc.identity.id });
    expect(await outcome).toMatchObject({ id: mid.identity.id, name: 'mid' });
  });

  it('who plays the other device, and takes every code for right, cannot prove that it has the code', async () => {
    await using mid = await testDevice('mid');
    await using between = await impostor();
    const address = `127.0.0.1:${between.port}`;
    await expect(mid.desk.join({ name: 'pc', address, code: '123456' }, soon())).rejects.toMatchObject({
      kind: 'untrusted',
      message: /does not have the code: somebody is between/,
    });
    nobodyTrusted(mid);
  });
});

describe('a stranger that does not guess', () => {
  it.each([
    ['leaves before it proves anything', undefined],
    ['sends no JSON', 'GET / HTTP/1.1\r\n\r\n'],
    ['sends a line without an end', 'x'.repeat(5_000)],
    ['sends no point of the curve', `${JSON.stringify({ share: '04'.repeat(65), name: 'x', port: 1 })}\n`],
    ['sends a hello of another shape', `${JSON.stringify({ share: '', name: 7 })}\n`],
  ])('and %s does not spend the code', async (_what, bytes) => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    const { code, outcome, address } = await offered(pc);
    const from = '127.0.0.2';
    const socket =
      bytes === undefined ? (await halfRun(pc, '000000', { from })).socket : await strange(pc.port, { from });
    if (bytes === undefined) socket.destroy();
    else {
      socket.resume();
      socket.write(bytes);
      await once(socket, 'close');
    }
    await mid.desk.join({ name: 'pc', address, code }, soon());
    expect(await outcome).toMatchObject({ id: mid.identity.id });
  });
});

describe('a flood of strangers', () => {
  it('from one address is let in one at a time, and keeps nobody else out', async () => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    const { code, outcome, address } = await offered(pc);
    const identity = await generateIdentity('flood');
    // it says nothing, so its place is taken until its time is over
    const first = await strange(pc.port, { identity, from: '127.0.0.2' });
    const others = await Promise.all(
      Array.from({ length: 25 }, async () => {
        const socket = await strange(pc.port, { identity, from: '127.0.0.2' });
        return await refused(new PairingLink(socket));
      }),
    );
    expect(new Set(others)).toEqual(new Set(['busy']));
    await mid.desk.join({ name: 'pc', address, code }, soon());
    expect(await outcome).toMatchObject({ id: mid.identity.id });
    first.destroy();
  });

  it('from many addresses is let in four at a time; the next one does not get through the handshake', async () => {
    await using pc = await testDevice('pc');
    const stop = new AbortController();
    const { outcome } = await offered(pc, stop.signal);
    const identity = await generateIdentity('flood');
    const held = [];
    for (let n = 2; n < 6; n++) held.push(await strange(pc.port, { identity, from: `127.0.0.${n}` }));
    await expect(strange(pc.port, { identity, from: '127.0.0.9' })).rejects.toMatchObject(pairingClosed);
    const closed = held.map(async (socket) => await once(socket.resume(), 'close'));
    stop.abort();
    await expect(outcome).rejects.toMatchObject({ kind: 'cancelled' });
    await Promise.all(closed);
  });
});

describe('a code that nobody used in time', () => {
  it('is void, and the device answers strangers no more', async () => {
    await using pc = await testDevice('pc', { lifetimeMs: 100 });
    await using mid = await testDevice('mid');
    const { code, outcome, address } = await offered(pc);
    await expect(outcome).rejects.toMatchObject({
      kind: 'timeout',
      message: /in time.*run `wdock pair` again/,
    });
    await expect(mid.desk.join({ name: 'pc', address, code }, soon())).rejects.toMatchObject({
      kind: 'peer-refused',
    });
    await expect(strange(pc.port)).rejects.toMatchObject(pairingClosed);
  });
});

it('a pairing that its user ends is over also for who has begun, and proves the right code too late', async () => {
  await using pc = await testDevice('pc');
  const stop = new AbortController();
  const { code, outcome } = await offered(pc, stop.signal);
  const { link, proof } = await halfRun(pc, code);
  stop.abort();
  link.send(proof);
  expect(await refused(link)).toBe('closed');
  await expect(outcome).rejects.toMatchObject({ kind: 'cancelled' });
  nobodyTrusted(pc);
});
