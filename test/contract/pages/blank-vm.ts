import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFailed } from 'vitest';
import { z } from 'zod';
import { run } from '../../../host-plugins/system/process/run.ts';
import { KeptMemoryFacts } from '../../../protocol/control-methods.ts';
import type { TripOutcome } from '../../../protocol/outcome.ts';
import { LabHost } from '../../lab/lab-host.ts';
import { LabNetwork } from '../../lab/network/lab-network.ts';
import { randomPage } from './keeping-fixture.ts';
import { readMemoryPages, writeMemoryPages } from './memory-of-qemu.ts';

export const within = (ms: number) => AbortSignal.timeout(ms);
export const tripLimitMs = 240_000;
export const filledPages = 4000;
/** Above what the firmware uses. */
export const firstPage = 8192;
const baseBytes = (160 * 1024 + 64) * 1024;
const silent = () => undefined;

const Shown = z.object({ keptMemory: KeptMemoryFacts.optional() });

/** Two simulated devices and a machine without a guest: the firmware finds nothing to boot and waits, its memory is ours. */
export class BlankVm implements AsyncDisposable {
  readonly name = 'blank';
  readonly mid: LabHost;
  readonly pc: LabHost;
  readonly #resources: AsyncDisposableStack;
  /** What is in its memory. */
  readonly pages = new Map<number, Buffer>();

  private constructor(mid: LabHost, pc: LabHost, resources: AsyncDisposableStack) {
    this.mid = mid;
    this.pc = pc;
    this.#resources = resources;
  }

  /**
   * It runs on the MID.
   * @param base blocks of an image that its disk stands on, and that the PC has, too
   */
  static async start(base?: Buffer): Promise<BlankVm> {
    await using resources = new AsyncDisposableStack();
    const network = resources.use(await LabNetwork.create({}, within(60_000)));
    const start = async (host: 'mid' | 'pc') => {
      const options = { name: host, namespace: network[host], address: network.addresses[host] };
      const images = host === 'pc' && base !== undefined ? { baseImages: ['images'] } : {};
      return resources.use(
        await LabHost.start({ ...options, ...images, folder: join(network.folder, host) }),
      );
    };
    for (const folder of ['pc/images', 'mid/disks'])
      await mkdir(join(network.folder, folder), { recursive: true });
    if (base !== undefined) await writeFile(join(network.folder, 'pc/images/base.raw'), base);
    const [mid, pc] = await Promise.all([start('mid'), start('pc')]);
    await trust(mid, pc);
    await trust(pc, mid);
    const folder = join(mid.folder, 'disks');
    const below = join(folder, 'below.raw');
    await writeFile(below, base ?? Buffer.alloc(16 * 1024 * 1024));
    const disk = join(folder, 'blank.qcow2');
    const overlay = ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', below, disk];
    await run(['qemu-img', ...overlay], { timeoutMs: 30_000, signal: within(30_000) });
    const vm = new BlankVm(mid, pc, resources.move());
    try {
      await mid.wdock(
        [
          ...['workspace', 'create', vm.name, '--disk', disk, '--base-memory', '160'],
          ...['--max-plugged-memory', '1024', '--max-vcpus', '4', '--cpu-model', 'Nehalem-v1'],
        ],
        within(60_000),
      );
      await mid.wdock(['workspace', 'start', vm.name], within(120_000));
      for (let page = 0; page < filledPages; page += 1) vm.pages.set(firstPage + page, randomPage(page));
      await vm.write(mid, vm.pages);
    } catch (error) {
      await vm[Symbol.asyncDispose]();
      throw error;
    }
    return vm;
  }

  async write(host: LabHost, pages: ReadonlyMap<number, Buffer>): Promise<void> {
    for (const [index, page] of pages) this.pages.set(index, page);
    await writeMemoryPages(await this.#pidOn(host), baseBytes, pages);
  }

  async expectIntact(host: LabHost): Promise<void> {
    const found = await readMemoryPages(await this.#pidOn(host), baseBytes, [...this.pages.keys()]);
    expect(digestOfAll(found)).toBe(digestOfAll(this.pages.values()));
  }

  dock = (): Promise<TripOutcome> => this.mid.trip(['dock', 'pc'], silent, within(tripLimitMs));
  undock = (): Promise<TripOutcome> => this.mid.trip(['undock'], silent, within(tripLimitMs));

  async keptOn(host: LabHost): Promise<KeptMemoryFacts | undefined> {
    return Shown.parse(await host.wdock(['workspace', 'show', this.name], within(20_000))).keptMemory;
  }

  tellOnFailure(): void {
    onTestFailed(() => {
      for (const host of [this.mid, this.pc]) console.error(host.name, host.log.slice(-40).join('\n'));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  async #pidOn(host: LabHost): Promise<number> {
    const file = join(host.folder, 'run', this.name, 'qemu.pid.json');
    return z.object({ pid: z.int() }).parse(JSON.parse(await readFile(file, 'utf8'))).pid;
  }
}

/** Pages of a trip that went by name. */
export function referenced({ pages }: TripOutcome, kind: string): number {
  return pages.referenced.find((each) => each.kind === kind)?.pages ?? 0;
}

function digestOfAll(pages: Iterable<Buffer>): string {
  const sum = createHash('sha256');
  for (const page of pages) sum.update(page);
  return sum.digest('hex');
}

async function trust(from: LabHost, of: LabHost): Promise<void> {
  const Certificate = z.object({ certificatePem: z.string(), fingerprint: z.string() });
  const told = await of.wdock(['devices', 'certificate'], within(20_000));
  const { certificatePem, fingerprint } = Certificate.parse(told);
  const file = join(from.folder, `${of.name}.pem`);
  await writeFile(file, certificatePem);
  const who = ['--name', of.name, '--fingerprint', fingerprint, '--address', of.address];
  await from.wdock(['devices', 'add', file, ...who], within(20_000));
}
