import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { z } from 'zod';
import { KeptMemoryFacts } from '../../../protocol/control-methods.ts';
import type { TripOutcome } from '../../../protocol/outcome.ts';
import { LabHost } from '../../lab/lab-host.ts';
import { LabNetwork } from '../../lab/network/lab-network.ts';
import { randomPage } from './keeping-fixture.ts';
import { readMemoryPages, writeMemoryPages } from './memory-of-qemu.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 240_000;
const silent = () => undefined;
const name = 'blank';
const baseBytes = (160 * 1024 + 64) * 1024;
const firstPage = 8192; // above what the firmware uses
const filledPages = 4000;

const Shown = z.object({ keptMemory: KeptMemoryFacts.optional() });
const Line = z.object({ msg: z.string(), digest: z.string().optional() });

/** A machine without a guest: the firmware finds nothing to boot and waits. Each test begins where the one before ended. */
describe('a VM whose memory is kept where it left', { timeout: tripLimitMs }, () => {
  const stack = new AsyncDisposableStack();
  let mid: LabHost;
  let pc: LabHost;
  const pages = new Map<number, Buffer>();

  beforeAll(async () => {
    const network = stack.use(await LabNetwork.create({}, within(60_000)));
    const start = async (host: 'mid' | 'pc') => {
      const options = { name: host, namespace: network[host], address: network.addresses[host] };
      return stack.use(await LabHost.start({ ...options, folder: join(network.folder, host) }));
    };
    mid = await start('mid');
    pc = await start('pc');
    await trust(mid, pc);
    await trust(pc, mid);
    const folder = join(mid.folder, 'disks');
    await mkdir(folder);
    const disk = join(folder, 'blank.raw');
    await writeFile(disk, Buffer.alloc(16 * 1024 * 1024));
    await mid.wdock(
      [
        ...['workspace', 'create', name, '--disk', disk, '--disk-format', 'raw', '--base-memory', '160'],
        ...['--max-plugged-memory', '1024', '--max-vcpus', '4', '--cpu-model', 'Nehalem-v1'],
      ],
      within(60_000),
    );
    await mid.wdock(['workspace', 'start', name], within(120_000));
    for (let page = 0; page < filledPages; page += 1) pages.set(firstPage + page, randomPage(page));
    await writeMemoryPages(await pidOn(mid), baseBytes, pages);
  }, 240_000);

  afterAll(async () => {
    await stack.disposeAsync();
  });

  const tellOnFailure = () =>
    onTestFailed(() => {
      for (const host of [mid, pc]) console.error(host.name, host.log.slice(-40).join('\n'));
    });

  const dock = () => mid.trip(['dock', 'pc'], silent, within(tripLimitMs));
  const undock = () => mid.trip(['undock'], silent, within(tripLimitMs));
  const keptOn = async (host: LabHost) =>
    Shown.parse(await host.wdock(['workspace', 'show', name], within(20_000))).keptMemory;
  const keptPages = ({ pages: { referenced } }: TripOutcome) =>
    referenced.find(({ kind }) => kind === 'kept')?.pages ?? 0;

  /** The lists that both devices have made of a trip, as their logs tell of them. */
  async function expectSameList(from: LabHost, to: LabHost, trip: number): Promise<void> {
    const told = ({ log }: LabHost, what: string) =>
      log.map((line) => Line.safeParse(parseJson(line)).data).filter((line) => line?.msg === what);
    const kept = () => told(from, 'the memory of the VM that has left is kept');
    const noted = () => told(to, 'what stays elsewhere is noted');
    await expect
      .poll(() => [kept().length, noted().length], { timeout: 60_000, interval: 200 })
      .toEqual([trip, trip]);
    expect(kept().at(-1)?.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(noted().at(-1)?.digest).toBe(kept().at(-1)?.digest);
  }

  async function expectIntact(host: LabHost): Promise<void> {
    const found = await readMemoryPages(await pidOn(host), baseBytes, [...pages.keys()]);
    const digest = (all: Iterable<Buffer>) => {
      const sum = createHash('sha256');
      for (const page of all) sum.update(page);
      return sum.digest('hex');
    };
    expect(digest(found)).toBe(digest(pages.values()));
  }

  it('goes for the first time with nothing known, and both devices note the same list of what stays', async () => {
    tellOnFailure();
    const first = await dock();
    expect(keptPages(first)).toBe(0);
    expect(first.pages.new).toBeGreaterThanOrEqual(filledPages);
    await expectIntact(pc);
    await expectSameList(mid, pc, 1);
    expect(await keptOn(mid)).toMatchObject({ at: expect.any(Number), bytes: expect.any(Number) });
  });

  it('comes back by the names of its pages, but for those that are new, and is the same', async () => {
    tellOnFailure();
    for (let page = 0; page < 100; page += 1) pages.set(firstPage + page * 3, randomPage(50_000 + page));
    await writeMemoryPages(await pidOn(pc), baseBytes, pages);
    const back = await undock();
    expect(keptPages(back)).toBeGreaterThanOrEqual(filledPages - 100);
    expect(back.pages.new).toBeGreaterThanOrEqual(100);
    expect(back.wireBytes).toBeLessThan(filledPages * 4096 * 0.2);
    await expectIntact(mid);
    await expectSameList(pc, mid, 1);
  });

  it('goes again by what the other device has kept', async () => {
    tellOnFailure();
    expect(keptPages(await dock())).toBeGreaterThanOrEqual(filledPages);
    await expectIntact(pc);
    await expectSameList(mid, pc, 2);
  });

  it('is the same when what was kept is damaged, by a longer way', async () => {
    tellOnFailure();
    const folder = join(mid.folder, 'state/workspaces', name, 'kept-memory/here');
    for (const file of await readdir(folder)) {
      if (file === 'image') continue;
      const content = await readFile(join(folder, file));
      content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
      await writeFile(join(folder, file), content);
    }
    const back = await undock();
    expect(back.pages.new).toBeGreaterThanOrEqual(0);
    expect(back.wireBytes).toBeGreaterThan(filledPages * 4096 * 0.9);
    await expectIntact(mid);
    await expectSameList(pc, mid, 2);
  });

  it('comes back by a longer way when what was kept is removed', async () => {
    tellOnFailure();
    await dock();
    await expectSameList(mid, pc, 3);
    await mid.wdock(['workspace', 'forget-memory', name], within(20_000));
    expect(await keptOn(mid)).toBeUndefined();
    expect(keptPages(await undock())).toBe(0);
    await expectIntact(mid);
    await expectSameList(pc, mid, 3);
  });

  it('leaves nothing of it when its home is forgotten', async () => {
    tellOnFailure();
    expect(await keptOn(pc)).toMatchObject({ at: expect.any(Number) });
    await pc.wdock(['devices', 'forget', 'mid'], within(20_000));
    await expect.poll(() => keptOn(pc), { timeout: 30_000 }).toBeUndefined();
  });

  it('leaves nothing of it when it is removed', async () => {
    tellOnFailure();
    await mid.wdock(['workspace', 'stop', name, '--force'], within(60_000));
    await mid.wdock(['workspace', 'remove', name, '--yes'], within(60_000));
    expect(await readdir(join(mid.folder, 'state/workspaces'))).toEqual([]);
    await rm(join(mid.folder, 'disks'), { recursive: true });
  });

  async function pidOn(host: LabHost): Promise<number> {
    const file = join(host.folder, 'run', name, 'qemu.pid.json');
    return z.object({ pid: z.int() }).parse(JSON.parse(await readFile(file, 'utf8'))).pid;
  }
});

async function trust(from: LabHost, of: LabHost): Promise<void> {
  const Certificate = z.object({ certificatePem: z.string(), fingerprint: z.string() });
  const told = await of.wdock(['devices', 'certificate'], within(20_000));
  const { certificatePem, fingerprint } = Certificate.parse(told);
  const file = join(from.folder, `${of.name}.pem`);
  await writeFile(file, certificatePem);
  const who = ['--name', of.name, '--fingerprint', fingerprint, '--address', of.address];
  await from.wdock(['devices', 'add', file, ...who], within(20_000));
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
