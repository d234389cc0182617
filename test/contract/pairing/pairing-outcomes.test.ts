import { describe, expect, it } from 'vitest';
import { offered, pairingClosed, soon, strange } from './pairing-fixture.ts';
import { testDevice, trust } from './two-devices.ts';

describe('a name that another device has', () => {
  it('is refused where the code is typed, before the code is tried', async () => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    await using other = await testDevice('other');
    await trust(mid, { ...other, name: 'desk' });
    const { code, outcome, address } = await offered(pc);
    await expect(mid.desk.join({ name: 'desk', address, code }, soon())).rejects.toMatchObject({
      kind: 'conflict',
      message: /another device is called "desk"/,
    });
    // the code is as good as before; so is the address, after the pause between two runs
    const refusedFor = () =>
      mid.desk.join({ name: 'pc', address, code }, soon()).catch((error: unknown) => error);
    await expect.poll(refusedFor, { timeout: 10_000 }).toMatchObject({ id: pc.identity.id });
    expect(await outcome).toMatchObject({ id: mid.identity.id });
  });

  it('is refused where the code is shown, and then the other device forgets what it has stored', async () => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    await using other = await testDevice('other');
    await trust(pc, { ...other, name: 'mid' });
    const { code, outcome, address } = await offered(pc);
    const told = expect(outcome).rejects.toMatchObject({ kind: 'conflict', message: /called "mid"/ });
    await expect(mid.desk.join({ name: 'pc', address, code }, soon())).rejects.toMatchObject({
      kind: 'peer-refused',
      message: /could not take this one in/,
    });
    await told;
    expect(mid.trust.list()).toEqual([]);
    expect(pc.trust.list().map(({ id }) => id)).toEqual([other.identity.id]);
  });
});

describe('two devices that pair again', () => {
  it('and fail are as they were before', async () => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    await using other = await testDevice('other');
    await trust(pc, { ...other, name: 'mid' });
    const before = await trust(mid, pc, '192.0.2.7');
    await mid.trust.setTrust('pc', 'owned');
    const { code, outcome, address } = await offered(pc);
    outcome.catch(() => undefined);
    await expect(mid.desk.join({ name: 'desk', address, code }, soon())).rejects.toMatchObject({
      kind: 'peer-refused',
    });
    expect(mid.trust.list()).toEqual([{ ...before, trust: 'owned' }]);
  });

  it('have the new name and address, and the trust that they had', async () => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    await trust(mid, pc, '192.0.2.7');
    await mid.trust.setTrust('pc', 'kiosk');
    const { code, outcome, address } = await offered(pc, soon(), 'tablet');
    await mid.desk.join({ name: 'desk', address, code }, soon());
    expect(mid.trust.list()).toMatchObject([{ name: 'desk', address, trust: 'kiosk' }]);
    expect(await outcome).toMatchObject({ name: 'tablet', trust: 'known' });
  });
});

describe('what is no name for a device', () => {
  it.each(['', 'a b', '../x', 'x'.repeat(64)])(
    'as %j, is refused before anything is opened or sent',
    async (name) => {
      await using pc = await testDevice('pc');
      const wish = { name, address: `127.0.0.1:${pc.port}`, code: '123456' };
      await expect(pc.desk.join(wish, soon())).rejects.toMatchObject({ kind: 'usage' });
      await expect(offered(pc, soon(), name)).rejects.toMatchObject({ kind: 'usage' });
    },
  );
});

it('a device does not pair with itself', async () => {
  await using pc = await testDevice('pc');
  const stop = new AbortController();
  const { code, outcome, address } = await offered(pc, stop.signal);
  await expect(pc.desk.join({ name: 'me', address, code }, soon())).rejects.toMatchObject({
    kind: 'conflict',
    message: /this very device/,
  });
  stop.abort();
  await expect(outcome).rejects.toMatchObject({ kind: 'cancelled' });
});

it('a device shows one code at a time', async () => {
  await using pc = await testDevice('pc');
  const stop = new AbortController();
  const { outcome } = await offered(pc, stop.signal);
  await expect(offered(pc)).rejects.toMatchObject({ kind: 'conflict', message: /open already/ });
  stop.abort();
  await expect(outcome).rejects.toMatchObject({ kind: 'cancelled' });
  await expect(strange(pc.port)).rejects.toMatchObject(pairingClosed);
});

it('two devices with the right code trust each other, and each calls the other', async () => {
  await using pc = await testDevice('pc');
  await using mid = await testDevice('mid');
  const { code, outcome, address } = await offered(pc);
  const joined = await mid.desk.join({ name: 'desk', address, code, trust: 'owned' }, soon());
  expect(joined).toMatchObject({ id: pc.identity.id, name: 'desk', address, trust: 'owned' });
  const came = { id: mid.identity.id, name: 'mid', address: `127.0.0.1:${mid.port}`, trust: 'known' };
  expect(await outcome).toMatchObject(came);
  expect(await mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).toBe('mid');
  expect(await pc.peers.call(mid.identity.id, 'whoAmI', {}, { signal: soon() })).toBe('desk');
});
