import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Allocation } from '../../protocol/allocation.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { GuestState } from '../../protocol/guest-state.ts';
import { HostProfile } from '../../protocol/host-profile.ts';
import { MachineContract, MachineFilling, WorkspaceName } from '../../protocol/workspace.ts';

const size = z.int().min(0);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** What somebody who resumes it has to know before the memory is read. */
export const SuspendedMachine = z.strictObject({
  workspace: WorkspaceName,
  homeDevice: z.string(),
  /** Where it ran. */
  device: z.strictObject({ id: z.string(), name: z.string() }),
  /** When it stopped, ms since 1970. */
  at: z.number(),
  contract: MachineContract,
  filling: MachineFilling,
  /** Last known addresses of the guest, and the network that they belong to. */
  guestAddresses: z.array(z.string()),
  network: z.strictObject({
    links: HostProfile.shape.links,
    allocation: Allocation.shape.network.optional(),
  }),
  guest: GuestState.optional(),
  policy: z.strictObject({ text: z.string(), file: z.string() }).optional(),
});
export type SuspendedMachine = z.infer<typeof SuspendedMachine>;

/**
 * All of an image but its content: which files that is in. Written last, when everything else is durable and was read back.
 * Its id is its digest, so that whoever has the id from the home device has it from there that the content is right.
 */
export const ImageHead = z.strictObject({
  format: z.literal(1),
  machine: SuspendedMachine,
  /** Of QEMU's stream; what is made again from the files has to be just that. */
  stream: z.strictObject({ bytes: size, digest }),
  blocks: z.array(z.strictObject({ name: z.string().min(1).max(255), bytes: size })).max(1024),
  /** In order. */
  recipe: z.array(z.strictObject({ file: digest, bytes: size })),
  /** `first`: the place of the chunk's first page; `bytes`: of its file. */
  chunks: z.array(z.strictObject({ file: digest, first: size, pages: size, bytes: size })),
});
export type ImageHead = z.infer<typeof ImageHead>;

export function encodeHead(head: ImageHead): Buffer {
  return Buffer.from(JSON.stringify(head));
}

export function imageIdOf(encoded: Uint8Array): string {
  return createHash('sha256').update(encoded).digest('hex');
}

/** Throws `protocol`. */
export function decodeHead(encoded: Buffer): ImageHead {
  const parsed = ImageHead.safeParse(parseJson(encoded.toString('utf8')));
  if (parsed.success) return parsed.data;
  throw new DockError('protocol', 'this is no image of this version', { cause: parsed.error });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
