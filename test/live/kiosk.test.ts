import { appendFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isMachineUser } from '../../host-plugins/qemu/choose-machine-user.ts';
import { readMachineUsers } from '../../host-plugins/qemu/read-machine-users.ts';
import { listProcessUsers } from '../../host-plugins/system/process/user-processes.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import { Lab, provideGuestWithAgent } from '../lab/lab.ts';
import { labAddresses } from '../lab/network/address-plan.ts';
import { askPeer } from '../lab/traffic/ask-peer.ts';
import { canaryMarker } from '../lab/traffic/canary.ts';
import { peerPort } from '../lab/traffic/guest-peer.ts';
import { markersInFiles, markersInProcess, markersInSwap, processesIn } from '../lab/watch/residue.ts';
import { copiesOf, onlyCopy } from './copies.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 300_000;
const askLimitMs = 120_000;
const silent = () => undefined;
/** Of a canary of 8 MiB. */
const allMarkers = 131_072;

/** What the guest has before the VM leaves home, and what it makes while it is on the kiosk. */
const home = { memory: 'home-memory', file: 'home-file' } as const;
const away = { memory: 'away-memory', file: 'away-file' } as const;
/** Stands for what the user does not want to take along: a mount that the guest has anyway. */
const privateMount = '/dev/hugepages';
const canaries = [...Object.values(home), ...Object.values(away)];

/** One life of one VM; each test begins where the one before it ended. */
describe('a kiosk', () => {
  let lab: Lab;
  let shortfalls: readonly Shortfall[];
  /** Of QEMU on the kiosk. */
  let user: number | undefined;

  beforeAll(async () => {
    const signal = within(14 * 60_000);
    const guest = await provideGuestWithAgent(silent, signal);
    const options = { link: 'unshaped', pc: 'kiosk', progress: silent } as const;
    lab = await Lab.start(guest, options, signal);
    await lab.mid.wdock(['devices', 'trust', 'pc', 'kiosk'], within(10_000));
    // A kiosk's own policy lets nobody in; the test has to ask the guest.
    await lab.setDevicePolicy(lab.pc, `version: 1\nnetwork:\n  forward: [tcp/${peerPort}]\n`);
    await appendFile(join(lab.mid.folder, 'disks', 'policy.yaml'), `kiosk:\n  unmount: [${privateMount}]\n`);
    await askPeer(
      lab.network.client,
      lab.guestAddress,
      { kind: 'plant-canary', ...home },
      within(askLimitMs),
    );
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  /** Where on the kiosk a canary is: files, swap and processes, with how many of its markers. */
  async function residue(seed: string): Promise<Record<string, number>> {
    const marker = canaryMarker(seed);
    const found: Record<string, number> = {};
    for (const [file, count] of await markersInFiles(lab.pc.folder, marker)) found[file] = count;
    for (const [area, count] of await markersInSwap(marker)) found[area] = count;
    for (const { pid, command } of await processesIn(lab.network.pc.inode)) {
      const count = await markersInProcess(pid, marker);
      if (count > 0) found[command.slice(0, 120)] = count;
    }
    return found;
  }

  it('gets nothing until its user has read what it can do, and has said so', async () => {
    await expect(lab.mid.trip(['dock', 'pc'], silent, within(tripLimitMs))).rejects.toMatchObject({
      kind: 'untrusted',
      message: expect.stringContaining('can read all of its memory'),
    });
    expect((await copiesOf(lab)).map(({ host }) => host)).toEqual(['mid']);
  });

  it('has the canaries in the memory of QEMU while the VM is there, so that it means something not to find them', async () => {
    const accepted = '--i-know-the-kiosk-can-read-it';
    const outcome = await lab.mid.trip(['dock', 'pc', accepted], silent, within(tripLimitMs));
    ({ shortfalls } = outcome);
    // Behind the kiosk's address: it is reached at the port that is forwarded there.
    const ask = (request: Parameters<typeof askPeer>[2]) =>
      askPeer(lab.network.client, labAddresses.pc, request, within(askLimitMs));
    await ask({ kind: 'plant-canary', ...away });
    for (const { file } of [home, away]) {
      expect(await ask({ kind: 'read-canary', file })).toEqual({ markers: allMarkers });
    }
    const [copy] = await copiesOf(lab);
    expect(copy?.host).toBe('pc');
    for (const { memory } of [home, away]) {
      expect(await markersInProcess(copy?.pid ?? 0, canaryMarker(memory))).toBeGreaterThan(0);
    }
  });

  it('runs it as a user of its own, without any power over the device', async () => {
    const [copy] = await copiesOf(lab);
    const status = await readFile(`/proc/${copy?.pid}/status`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1];
    expect([field('NoNewPrivs'), field('Seccomp')]).toEqual(['1', '2']);
    if (!(await readMachineUsers('tcg')).can) return; // in a user namespace there are no other users
    user = Number(field('Uid')?.split('\t')[1]);
    expect(isMachineUser(user)).toBe(true);
    for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(Number(`0x${field(set)}`)).toBe(0);
  });

  it('is told to the guest before it leaves: it has locked itself, and unmounted what its policy names', async () => {
    const asked = { kind: 'mounts' } as const;
    const { mountPoints } = await askPeer(lab.network.client, labAddresses.pc, asked, within(askLimitMs));
    expect(mountPoints).not.toContain(privateMount);
    expect(shortfalls.filter(({ resource }) => resource === 'agent')).toEqual([]);
  });

  it('has written nothing of them down while the VM is there', async () => {
    for (const seed of canaries) {
      const marker = canaryMarker(seed);
      expect(await markersInFiles(lab.pc.folder, marker)).toEqual(new Map());
    }
  });

  it('has nothing of them when the VM has left: in no file, no swap and no process', async () => {
    await lab.mid.trip(['undock'], silent, within(tripLimitMs));
    await untilBegun(2);
    const remaining = await processesIn(lab.network.pc.inode);
    expect(remaining.some(({ pid }) => pid === lab.pc.daemonPid)).toBe(true);
    for (const seed of canaries) expect(await residue(seed)).toEqual({});
    expect((await listProcessUsers()).filter(({ users }) => users.includes(user ?? -1))).toEqual([]);
    expect(await readdir(join(lab.pc.folder, 'state', 'workspaces'))).toEqual([]);
    expect((await readdir(join(lab.pc.folder, 'run'))).filter((name) => name === 'work')).toEqual([]);
  });

  it('has given back the VM as it was, with what was written there', async () => {
    await onlyCopyAtHome();
    for (const { file } of [home, away]) {
      const asked = { kind: 'read-canary', file } as const;
      expect(await askPeer(lab.network.client, lab.guestAddress, asked, within(askLimitMs))).toEqual({
        markers: allMarkers,
      });
    }
    const asked = { kind: 'mounts' } as const;
    const { mountPoints } = await askPeer(lab.network.client, lab.guestAddress, asked, within(askLimitMs));
    expect(mountPoints).toContain(privateMount);
  });

  it('takes it again, without asking, and forgets it again', async () => {
    await lab.mid.trip(['dock', 'pc'], silent, within(tripLimitMs));
    expect((await onlyCopy(lab)).host).toBe('pc');
    await lab.mid.trip(['undock'], silent, within(tripLimitMs));
    await untilBegun(3);
    for (const seed of canaries) expect(await residue(seed)).toEqual({});
  });

  /** The kiosk's wdockd begins anew when a visit is over, to lose its memory. */
  async function untilBegun(times: number): Promise<void> {
    const begun = () => lab.pc.log.filter((line) => line.includes('"msg":"ready"')).length;
    await vi.waitFor(() => expect(begun()).toBe(times), { timeout: 60_000, interval: 200 });
  }

  async function onlyCopyAtHome(): Promise<void> {
    await vi.waitFor(async () => expect((await copiesOf(lab)).map(({ host }) => host)).toEqual(['mid']), {
      timeout: 60_000,
      interval: 300,
    });
  }
});
