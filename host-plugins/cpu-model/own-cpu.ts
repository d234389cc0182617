import { readFile, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { CpuCapability } from '../../protocol/cpu-capability.ts';
import { untilAborted } from '../pairing/until-aborted.ts';
import { readAccelerator } from '../qemu/accelerator.ts';
import type { Accelerator } from '../qemu/choose-accelerator.ts';
import { askQemu, type QemuAnswers } from './ask-qemu.ts';

interface HostCpu extends QemuAnswers {
  readonly accelerator: Accelerator;
  readonly vendor: string;
}

/** What this device can give a guest as CPU. QEMU is asked once, and again when it or the processor is another one. */
export class OwnCpu {
  #asked: { readonly key: string; readonly answer: Promise<HostCpu> } | undefined;

  /** With these models, in this order, as far as QEMU knows them. Throws what `askQemu` throws. */
  async capability(models: readonly string[], signal: AbortSignal): Promise<CpuCapability> {
    const { accelerator, vendor, qemuVersion, machineTypes, missing } = await this.#read(signal);
    return {
      accelerator,
      vendor,
      qemuVersion,
      machineTypes: [...machineTypes],
      models: [...new Set(models)].flatMap((name) => {
        const lacks = missing.get(name);
        return lacks === undefined ? [] : { name, missing: [...lacks] };
      }),
    };
  }

  async #read(signal: AbortSignal): Promise<HostCpu> {
    const { accelerator } = await readAccelerator();
    const processor = firstProcessor(await readFile('/proc/cpuinfo', 'utf8'));
    const key = [accelerator, await programMark('qemu-system-x86_64'), processor].join('\n');
    if (this.#asked?.key !== key) {
      const vendor = /^vendor_id\s*:(.*)$/m.exec(processor)?.[1]?.trim() ?? '';
      const answer = askQemu(accelerator, new AbortController().signal) // for all who wait; it has a limit of its own
        .then((answers) => ({ ...answers, accelerator, vendor }));
      const asked = { key, answer };
      this.#asked = asked;
      answer.catch(() => {
        if (this.#asked === asked) this.#asked = undefined;
      });
    }
    return await untilAborted(this.#asked.answer, signal);
  }
}

/** Vendor, model, microcode and flags; not its clock, which changes all the time. */
function firstProcessor(cpuinfo: string): string {
  const [first = ''] = cpuinfo.split('\n\n');
  return first
    .split('\n')
    .filter((line) => !/^(cpu MHz|bogomips|processor|apicid|initial apicid|core id)\b/.test(line))
    .join('\n');
}

/** Another one after an upgrade. Empty when it is not installed: whoever runs it hears that. */
async function programMark(program: string): Promise<string> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    try {
      const { ino, size, mtimeMs } = await stat(join(folder, program));
      return [folder, ino, size, mtimeMs].join(' ');
    } catch {
      // not in this folder
    }
  }
  return '';
}
