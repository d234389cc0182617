import { z } from 'zod';
import type { Adapted } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import { judgeBlocks } from './verify.ts';

const Blocks = z.array(
  z.object({
    device: z.string(),
    qdev: z.string().optional(),
    inserted: z.unknown().optional(),
    'io-status': z.string().optional(),
  }),
);

/** Asks QEMU how the last reads and writes went. Changes nothing. */
export async function checkDisk(machine: VirtualMachine, signal: AbortSignal): Promise<Adapted> {
  const reply = Blocks.parse(await machine.qmp.execute('query-block', {}, signal));
  const blocks = reply.map((block) => ({
    name: block.device !== '' ? block.device : (block.qdev ?? 'disk'),
    inserted: block.inserted !== undefined,
    ioStatus: block['io-status'],
  }));
  return { undo: async () => {}, shortfalls: judgeBlocks(blocks) };
}
