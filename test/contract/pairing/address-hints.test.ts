import { describe, expect, it } from 'vitest';
import { pairedDevices, testDevice, trust } from './two-devices.ts';

const { signal } = new AbortController();

describe('a device that was heard at an address', () => {
  it('is not believed to be there when somebody else answers, or nobody: it is called where it was before', async () => {
    await using devices = await pairedDevices();
    await using stranger = await testDevice('stranger');
    const { mid, pc } = devices;
    mid.trust.hints.set(pc.identity.id, [`127.0.0.1:${stranger.port}`, '127.0.0.1:1']);
    expect(await mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal })).toBe('mid');
    expect(stranger.refused.length).toBeLessThanOrEqual(1); // it got a handshake, and nothing else
  });

  it('is called there, and by channels as well, when it is no longer where it was', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    await trust(mid, pc, '127.0.0.1:1');
    await expect(mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal })).rejects.toMatchObject({
      kind: 'peer-gone',
    });
    mid.trust.hints.set(pc.identity.id, [`127.0.0.1:${pc.port}`]);
    expect(await mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal })).toBe('mid');
    // Refused by name, which only the device itself can do.
    await expect(mid.channels.open(pc.identity.id, 'none', signal)).rejects.toThrow(/none/);
  });

  it('measures the connection as long as somebody listens', async () => {
    const heartbeat = { busyMs: 20, idleMs: 60_000, measuredMs: 20, unanswered: 3 };
    await using devices = await pairedDevices({ mid: { heartbeat } });
    const { mid, pc } = devices;
    const beat = Promise.withResolvers<unknown>();
    // On a machine that is busy one may be answered too late to be measured.
    mid.peers.on('beat', (device, { rttMs, lossShare, remoteAddress }) => {
      if (rttMs !== undefined) beat.resolve({ name: device.name, answered: lossShare < 1, remoteAddress });
    });
    await mid.peers.connect(pc.identity.id, signal);
    expect(await beat.promise).toEqual({
      name: 'pc',
      answered: true,
      remoteAddress: '127.0.0.1',
    });
  });
});
