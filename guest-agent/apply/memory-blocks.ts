import type { AgentResult } from '../../protocol/agent-channel.ts';
import { findKiBAsMiB } from '../observe/parse-kernel-text.ts';
import type { SystemFiles } from '../system-files.ts';

const folder = '/sys/devices/system/memory';

/**
 * Makes hot-plugged memory come online by itself and stay removable, and returns what could not be set.
 *
 * With `auto-movable` the kernel onlines plugged memory to ZONE_MOVABLE, from which it can be taken away again, as
 * long as movable memory is at most `auto_movable_ratio` per cent of the memory that the kernel can use itself. The
 * default of 301 would let a guest of 512 MiB have 1.5 GiB of removable memory and pin all that comes after it, so
 * that it could never go back to the small device. 1600 means sixteen times the base (8 GiB on 512 MiB). The price:
 * page structures of the plugged memory (1/64 of it), page tables and slabs have to fit in the base; at 16:1 the
 * page structures alone take a quarter of it, which is where it stops being wise.
 */
export async function keepPluggedMemoryRemovable(files: SystemFiles): Promise<string[]> {
  const parameters = '/sys/module/memory_hotplug/parameters';
  const wishes = [
    [`${parameters}/auto_movable_ratio`, '1600'],
    [`${parameters}/online_policy`, 'auto-movable'],
    [`${folder}/auto_online_blocks`, 'online'],
  ] as const;
  const problems: string[] = [];
  for (const [path, value] of wishes) {
    try {
      await files.write(path, value);
    } catch (error) {
      problems.push(
        `${path} could not be set to ${value}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      );
    }
  }
  return problems;
}

/** Onlines plugged blocks that the kernel left offline. */
export async function onlineMemoryBlocks(files: SystemFiles): Promise<AgentResult<'online-memory'>> {
  const problems: string[] = [];
  for (const block of (await files.list(folder)).filter((name) => /^memory\d+$/.test(name))) {
    const path = `${folder}/${block}/state`;
    if ((await files.readIfThere(path))?.trim() !== 'offline') continue;
    try {
      await files.write(path, 'online');
    } catch (error) {
      problems.push(`${block} did not go online: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
    }
  }
  return { totalMiB: findKiBAsMiB(await files.read('/proc/meminfo'), 'MemTotal') ?? 0, problems };
}

/** Drops clean caches (dirty ones are written back by the kernel in its own time), then compacts what stays. */
export async function releaseMemory(files: SystemFiles, dropCaches: boolean): Promise<void> {
  if (dropCaches) await files.write('/proc/sys/vm/drop_caches', '3');
  await files.write('/proc/sys/vm/compact_memory', '1');
}
