import { describe, expect, it } from 'vitest';
import { DockError } from '../../../protocol/dock-error.ts';
import { TwoDevices } from './two-devices.ts';

const diskFull = () => new DockError('io', 'ENOSPC', { detail: { undetermined: false } });

describe('a hand-over between two drivers', () => {
  it('leaves the VM where it is when the target does not expect it', async () => {
    await using devices = await TwoDevices.start();
    const { mid, dock } = devices;
    const end = mid.until('withdrawn');
    await mid.handOver.input({ in: 'offer', peer: 'dock' });
    await end;
    expect([mid.at, mid.qemu, dock.at]).toEqual(['owner', 'running', 'away']);
  });

  it('changes nothing when the beginning cannot be journaled at the source', async () => {
    await using devices = await TwoDevices.start();
    const { mid } = devices;
    mid.journalFails = diskFull;
    await mid.handOver.input({ in: 'offer', peer: 'dock' });
    expect(mid.events).toEqual([expect.objectContaining({ kind: 'rejected', what: 'offer' })]);
    expect([mid.at, mid.qemu]).toEqual(['owner', 'running']);
  });

  it('runs on at the source when the release cannot be journaled', async () => {
    await using devices = await TwoDevices.start();
    const { mid, dock } = devices;
    await devices.transfer();
    mid.journalFails = diskFull;
    const ended = Promise.all([mid.until('withdrawn'), dock.until('voided')]);
    await mid.handOver.input({ in: 'vm-stopped' });
    await ended;
    expect([mid.at, mid.qemu, dock.at, dock.qemu]).toEqual(['owner', 'running', 'away', 'gone']);
  });

  it('decides nothing more when nobody can tell what the journal holds', async () => {
    await using devices = await TwoDevices.start();
    const { mid } = devices;
    await devices.transfer();
    const warned = mid.until('warning');
    mid.journalFails = () => new DockError('io', 'EIO', { detail: { undetermined: true } });
    await mid.handOver.input({ in: 'vm-stopped' });
    await warned;
    await expect(mid.handOver.input({ in: 'cancel', reason: 'a person' })).rejects.toMatchObject({
      kind: 'io',
    });
    expect(mid.qemu).toBe('postmigrate');
    mid.journalFails = () => undefined;
    await mid.restart();
    expect([mid.at, mid.qemu]).toEqual(['owner', 'running']);
  });

  it('takes the VM back when QEMU at the target refuses to run it', async () => {
    await using devices = await TwoDevices.start();
    const { mid, dock } = devices;
    await devices.transfer();
    dock.resumeFails = new DockError('qemu-refused', 'the disk cannot be activated');
    const ended = mid.until('taken-back');
    await mid.handOver.input({ in: 'vm-stopped' });
    await ended;
    await mid.handOver.input({ in: 'retry' });
    expect(mid.handOver.state.position).toMatchObject({ at: 'owner', epoch: 3 });
    expect([mid.qemu, dock.at, dock.qemu]).toEqual(['running', 'away', 'gone']);
  });

  it.each([
    ['untouched', 'taken-back', 'running', 'gone'],
    ['written', 'settled', 'gone', 'running'],
    ['unknown', 'settled', 'gone', 'running'],
  ] as const)(
    'asks the disk, which is %s, when the QEMU of the target dies on its first cont',
    async (disk, end, atMid, atDock) => {
      await using devices = await TwoDevices.start();
      const { mid, dock } = devices;
      await devices.transfer();
      mid.disk = disk;
      dock.resumeFails = new DockError('qemu-gone', 'killed');
      const ended = mid.until('taken-back', 'settled');
      const dockKnows = dock.until('superseded', 'power-cut');
      await mid.handOver.input({ in: 'vm-stopped' });
      expect((await ended).kind).toBe(end);
      await dockKnows;
      await dock.handOver.input({ in: 'expect', peer: undefined });
      expect([mid.qemu, dock.qemu]).toEqual([atMid, atDock]);
    },
  );

  it('gets there although every message is lost twice', async () => {
    await using devices = await TwoDevices.start();
    const { mid, dock } = devices;
    const seen = new Map<string, number>();
    const losesTwice = ({ say }: { say: string }): boolean => {
      seen.set(say, (seen.get(say) ?? 0) + 1);
      return (seen.get(say) ?? 0) <= 2;
    };
    mid.loses = losesTwice;
    dock.loses = losesTwice;
    await devices.transfer();
    const ended = mid.until('settled');
    await mid.handOver.input({ in: 'vm-stopped' });
    await ended;
    expect([mid.at, mid.qemu, dock.at, dock.qemu]).toEqual(['away', 'gone', 'owner', 'running']);
    expect(Math.min(...seen.values())).toBeGreaterThan(2);
  });

  it('goes on after both daemons were killed between released and owner', async () => {
    await using devices = await TwoDevices.start();
    const { mid, dock } = devices;
    await devices.transfer();
    mid.loses = ({ say }) => say === 'go';
    const released = mid.until('released');
    await mid.handOver.input({ in: 'vm-stopped' });
    await released;
    await mid.restart();
    await dock.restart();
    expect([mid.at, mid.qemu, dock.at, dock.qemu]).toEqual([
      'released',
      'postmigrate',
      'accepting',
      'paused',
    ]);
    const ended = mid.until('settled');
    mid.loses = () => false;
    await mid.handOver.input({ in: 'link-up', peer: 'dock' });
    await ended;
    expect([mid.qemu, dock.at, dock.qemu]).toEqual(['gone', 'owner', 'running']);
    expect(await dock.handOver.history()).toEqual([
      expect.stringContaining('accepting epoch 2'),
      expect.stringContaining('owner of epoch 2'),
      expect.stringContaining('running epoch 2'),
    ]);
  });

  it('refuses a cancel after released, and takes one before it', async () => {
    await using devices = await TwoDevices.start();
    const { mid, dock } = devices;
    await devices.transfer();
    const gone = dock.until('voided');
    await mid.handOver.input({ in: 'cancel', reason: 'a person' });
    await gone;
    expect([mid.qemu, dock.at]).toEqual(['running', 'away']);
    await devices.transfer();
    mid.loses = ({ say }) => say === 'go';
    const released = mid.until('released');
    await mid.handOver.input({ in: 'vm-stopped' });
    await released;
    await mid.handOver.input({ in: 'cancel', reason: 'a person' });
    expect(mid.events.at(-1)).toMatchObject({ kind: 'rejected', what: 'cancel' });
    expect(mid.at).toBe('released');
  });

  it('brings the VM back again, one epoch later', async () => {
    await using devices = await TwoDevices.start();
    const { mid, dock } = devices;
    await devices.transfer();
    const docked = mid.until('settled');
    await mid.handOver.input({ in: 'vm-stopped' });
    await docked;
    await mid.handOver.input({ in: 'expect', peer: 'dock' });
    const accepted = dock.until('accepted');
    await dock.handOver.input({ in: 'offer', peer: 'mid' });
    await accepted;
    const undocked = dock.until('settled');
    await dock.handOver.input({ in: 'vm-stopped' });
    await undocked;
    expect(mid.handOver.state.position).toMatchObject({ at: 'owner', epoch: 3 });
    expect([mid.qemu, dock.at, dock.qemu]).toEqual(['running', 'away', 'gone']);
  });
});

describe('a driver', () => {
  it('asks a QEMU again that does not say whether the VM runs', async () => {
    await using devices = await TwoDevices.start();
    const { mid } = devices;
    await devices.transfer();
    mid.resumeFails = new DockError('timeout', 'no answer to cont');
    await mid.handOver.input({ in: 'cancel', reason: 'a person' });
    expect(mid.qemu).toBe('running');
    expect(mid.events).toContainEqual(expect.objectContaining({ kind: 'warning' }));
  });

  it('takes no inputs where the journal and QEMU contradict each other', async () => {
    await using devices = await TwoDevices.start();
    const { mid } = devices;
    await devices.transfer();
    mid.loses = ({ say }) => say === 'go';
    const released = mid.until('released');
    await mid.handOver.input({ in: 'vm-stopped' });
    await released;
    mid.qemu = 'running';
    await expect(mid.restart()).rejects.toMatchObject({ kind: 'conflict' });
    await expect(mid.handOver.input({ in: 'retry' })).rejects.toMatchObject({ kind: 'conflict' });
    expect(mid.qemu).toBe('running');
  });

  it('decides nothing before it has recovered, and nothing after it is closed', async () => {
    await using devices = await TwoDevices.start();
    const { mid } = devices;
    await mid.handOver[Symbol.asyncDispose]();
    await expect(mid.handOver.input({ in: 'retry' })).rejects.toMatchObject({ kind: 'cancelled' });
    await mid.start();
    await expect(mid.handOver.input({ in: 'retry' })).rejects.toMatchObject({ kind: 'internal' });
    await expect(mid.handOver.found()).rejects.toMatchObject({ kind: 'internal' });
  });

  it('stops waiting for an event when its caller does', async () => {
    await using devices = await TwoDevices.start();
    const waiting = new AbortController();
    const event = devices.mid.handOver.until(() => true, waiting.signal);
    waiting.abort(new DockError('cancelled', 'enough'));
    await expect(event).rejects.toMatchObject({ kind: 'cancelled', message: 'enough' });
  });
});
