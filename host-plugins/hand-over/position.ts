import { z } from 'zod';
import { Epoch } from '../../protocol/hand-over-messages.ts';

const deviceId = z.string().min(1);

/** What a device that owns nothing knows of epochs. */
const known = {
  /** The newest epoch known to have been granted, here or elsewhere. */
  granted: Epoch,
  /** No epoch above `granted` up to this one has run here, nor ever will. */
  voided: Epoch,
};

/** The suspended VM's image, by its id (host-plugins/suspend/format): the one that this epoch is in. */
const image = z.string().min(1);

/**
 * Where a device stands about a workspace: all that survives a crash, rebuilt from the journal alone. Only
 * `starting`, `owner`, `offering` of a VM that runs, and `waking` may run it; of two devices at most one is at any of
 * them at any instant, unless a person forced it.
 */
export const Position = z.discriminatedUnion('at', [
  /** Another device owns it, or nobody yet. `peer` is the other side of the last hand-over. */
  z.strictObject({ at: z.literal('away'), ...known, peer: deviceId.optional() }),
  /** Waits for the VM's state, or has it, paused. */
  z.strictObject({ at: z.literal('accepting'), epoch: Epoch, peer: deviceId, ...known }),
  /** Owns it; whether the guest has run here in this epoch is not known to the journal yet. */
  z.strictObject({ at: z.literal('starting'), epoch: Epoch, peer: deviceId, ...known }),
  /** Owned `epoch`, its QEMU is gone, and nobody here knows whether it ran; waits for the source's word. */
  z.strictObject({ at: z.literal('lost'), epoch: Epoch, peer: deviceId }),
  /** Owns it, and it has run. `offered`: the highest epoch ever offered; none is offered twice. */
  z.strictObject({ at: z.literal('owner'), epoch: Epoch, offered: Epoch, peer: deviceId.optional() }),
  /** Owns `owned`, has offered `epoch`; may take the offer back at any time. With `image`: what it owns is suspended. */
  z.strictObject({
    at: z.literal('offering'),
    owned: Epoch,
    epoch: Epoch,
    peer: deviceId,
    image: image.optional(),
  }),
  /** Gave `epoch` away; never runs the VM again by itself. With `image`: what it gave is in that image. */
  z.strictObject({
    at: z.literal('released'),
    owned: Epoch,
    epoch: Epoch,
    peer: deviceId,
    image: image.optional(),
  }),
  /** Owns it, and it runs nowhere: its memory is in the image. `offered` as for an owner. */
  z.strictObject({
    at: z.literal('suspended'),
    epoch: Epoch,
    offered: Epoch,
    image,
    peer: deviceId.optional(),
  }),
  /** Owns it; its memory was loaded from the image, and whether the guest has run since is not known to the journal yet. */
  z.strictObject({ at: z.literal('waking'), epoch: Epoch, image, peer: deviceId.optional() }),
]);
export type Position = z.infer<typeof Position>;
export type PositionAt<A extends Position['at']> = Extract<Position, { at: A }>;

/** Of a workspace that this device has never heard of. */
export const nowhere: PositionAt<'away'> = { at: 'away', granted: 0, voided: 0 };

/** What a person's force adds to the epoch, so that it outranks all that the lost device does in ignorance of it. */
export const forceLeap = 1000;

/** The newest epoch that this position knows of. */
export function highestEpoch(position: Position): Epoch {
  switch (position.at) {
    case 'away':
      return Math.max(position.granted, position.voided);
    case 'owner':
    case 'suspended':
      return position.offered;
    case 'accepting':
    case 'starting':
    case 'lost':
    case 'offering':
    case 'released':
    case 'waking':
      return position.epoch;
  }
}

/** The device on the other side of what is going on, or of what went on last. */
export function peerOf(position: Position): string | undefined {
  return position.peer;
}

/** Whether this position lets the device run the VM by its own decision. */
export function mayRun(position: Position): boolean {
  switch (position.at) {
    case 'starting':
    case 'owner':
    case 'waking':
      return true;
    case 'offering':
      return position.image === undefined;
    case 'away':
    case 'accepting':
    case 'lost':
    case 'released':
    case 'suspended':
      return false;
  }
}
