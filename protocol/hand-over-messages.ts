import { z } from 'zod';
import { WorkspaceName } from './workspace.ts';

/** Grows by at least one at each hand-over; only the owner of the highest epoch may run the VM. 0: nobody yet. */
export const Epoch = z.int().min(0);
export type Epoch = z.infer<typeof Epoch>;

const about = { workspace: WorkspaceName, epoch: Epoch };

/**
 * What two devices say to each other in a hand-over (docs/hand-over.md). Each message is its sender's position
 * about one epoch, so any of them may be lost, repeated or late: the receiver answers with its own position, and
 * who is left waiting asks again. None of them carries a command that the sender's journal does not back.
 */
export const HandOverMessage = z.discriminatedUnion('say', [
  /** Source: I own the VM and offer you this epoch. */
  z.strictObject({ say: z.literal('offer'), ...about }),
  /** Target: journaled; I wait for the VM's state. */
  z.strictObject({ say: z.literal('accept'), ...about }),
  /** Target: not expected here, or it could not be journaled. Not a durable promise: void is. */
  z.strictObject({ say: z.literal('refused'), ...about, reason: z.string().max(500) }),
  /** Target: all state is loaded, the VM is paused; it runs on your go. */
  z.strictObject({ say: z.literal('ready'), ...about }),
  /** Source: this epoch will never be released; drop what you have of it. */
  z.strictObject({ say: z.literal('withdrawn'), ...about }),
  /** Source: journaled that I released this epoch; it is yours. */
  z.strictObject({ say: z.literal('go'), ...about }),
  /** The VM has run here in this epoch, which I own or owned. */
  z.strictObject({ say: z.literal('running'), ...about }),
  /** Target: this epoch has never run here and never will; durable. */
  z.strictObject({ say: z.literal('void'), ...about, reason: z.string().max(500) }),
  /** Target: I owned it, its QEMU is gone, and nobody here knows whether it ran. I start nothing until you answer. */
  z.strictObject({ say: z.literal('lost'), ...about }),
  /** Source, to `lost`: my copy is dropped; go on from the disk. */
  z.strictObject({ say: z.literal('settled'), ...about }),
  /** I own nothing; this epoch, newer than the one you asked about, is the newest that I know was granted. */
  z.strictObject({ say: z.literal('moved'), ...about }),
]);
export type HandOverMessage = z.infer<typeof HandOverMessage>;
