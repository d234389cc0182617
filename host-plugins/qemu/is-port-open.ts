import { z } from 'zod';
import type { Qmp } from '../contract/virtual-machine.ts';
import { parseReply } from './qmp-schema.ts';

const Chardevs = z.array(z.object({ label: z.string(), 'frontend-open': z.boolean() }));

/**
 * Whether a program in the guest has this port of its open (query-chardev's `frontend-open`, which virtio-serial keeps through
 * a move). @param id as the command line names its character device
 */
export async function isPortOpen(qmp: Qmp, id: string, signal: AbortSignal): Promise<boolean> {
  const all = parseReply(Chardevs, 'query-chardev', await qmp.execute('query-chardev', {}, signal));
  return all.some(({ label, 'frontend-open': isOpen }) => label === id && isOpen);
}
