import { readdir, readFile } from 'node:fs/promises';
import { expect, vi } from 'vitest';
import { z } from 'zod';
import type { Lab } from '../lab/lab.ts';
import type { LabHost } from '../lab/lab-host.ts';

/** A QEMU of the lab's workspace, whatever it is doing. */
export interface Copy {
  readonly host: 'mid' | 'pc';
  readonly pid: number;
}

const Status = z.object({
  workspaces: z.array(
    z.object({
      name: z.string(),
      state: z.enum(['here', 'stopped', 'away', 'moving', 'stuck']),
      epoch: z.int(),
      guest: z.object({ vcpus: z.int(), memoryMiB: z.number() }).optional(),
    }),
  ),
});
export type SeenWorkspace = z.infer<typeof Status>['workspaces'][number];

/** All QEMUs of the lab, found among the machine's processes and not by asking wdockd, which may have lost one. */
export async function copiesOf({ mid, pc }: Lab): Promise<Copy[]> {
  const copies: Copy[] = [];
  for (const pid of (await readdir('/proc')).map(Number).filter(Number.isInteger)) {
    // A process may end between the two looks; one that has ended has an empty command line, too.
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const [program = '', ...rest] = command.split('\0');
    if (!program.endsWith('qemu-system-x86_64')) continue;
    for (const { name, folder } of [mid, pc]) {
      if (rest.some((argument) => argument.includes(`${folder}/`))) copies.push({ host: name, pid });
    }
  }
  return copies;
}

/** The workspace as a device's wdockd sees it; undefined where it has never heard of it. */
export async function seenBy(host: LabHost, signal: AbortSignal): Promise<SeenWorkspace | undefined> {
  return Status.parse(await host.wdock(['status'], signal)).workspaces[0];
}

/**
 * Waits until both devices agree where the VM runs and exactly that copy is left, and returns its place.
 * Fails with what was seen last.
 */
export async function onlyCopy(lab: Lab, limitMs = 180_000): Promise<Copy> {
  return await vi.waitFor(
    async () => {
      const signal = AbortSignal.timeout(limitMs);
      const [mid, pc] = await Promise.all([seenBy(lab.mid, signal), seenBy(lab.pc, signal)]);
      const copies = await copiesOf(lab);
      const states = { mid: mid?.state, pc: pc?.state ?? 'away' };
      const [copy] = copies;
      expect({ states, copies: copies.map(({ host }) => host) }).toEqual(
        copy?.host === 'pc'
          ? { states: { mid: 'away', pc: 'here' }, copies: ['pc'] }
          : { states: { mid: 'here', pc: 'away' }, copies: ['mid'] },
      );
      return copy as Copy;
    },
    { timeout: limitMs, interval: 1_000 }, // each look starts two programs,
  );
}
