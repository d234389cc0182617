import type { TLSSocket } from 'node:tls';
import { DockError } from '../../protocol/dock-error.ts';
import { Answer, Proof, type RefusalReason, Stored } from '../../protocol/pairing-messages.ts';
import { type PairingPeer, pairingPeer, proofsOn } from './channel-binding.ts';
import type { DeviceId } from './fingerprint.ts';
import { type PairingLink, refusalOf } from './pairing-link.ts';
import { secretOfCode } from './secret-of-code.ts';
import { computeShare, isProof, randomScalar } from './spake2.ts';
import type { TrustedDevice } from './trust-store.ts';

export interface AskParts {
  readonly socket: TLSSocket;
  readonly link: PairingLink;
  readonly self: DeviceId;
  readonly code: string;
  /** What this device calls itself, and where it listens. */
  readonly name: string;
  readonly port: number;
  /** Throws when the other device could not be added; asked before the code is tried. */
  readonly check: (peer: PairingPeer) => void;
  /** Adds the other device to the trust store. */
  readonly store: (peer: PairingPeer) => Promise<TrustedDevice>;
  /** Takes that back. */
  readonly unstore: (device: TrustedDevice) => Promise<void>;
}

/**
 * The run of the device that was given the code, as A (protocol/pairing-messages.ts). When it throws, the other device
 * is not in the trust store, or as it was before. Throws `untrusted` for a wrong code, which is the same as somebody in
 * between, `peer-refused` when the other device says no, `peer-gone` when it leaves.
 */
export async function askPairing(parts: AskParts, signal: AbortSignal): Promise<TrustedDevice> {
  const { socket, link, self } = parts;
  const peer = pairingPeer(socket);
  if (peer.id === self) {
    throw new DockError('conflict', 'this is the address of this very device; give that of the other one');
  }
  parts.check(peer);
  const w = await secretOfCode(parts.code, peer.id);
  try {
    await prove(parts, peer, w, signal);
  } catch (error) {
    throw explained(error);
  }
  const device = await parts.store(peer);
  try {
    link.send({ stored: true });
    await link.receive(Stored, signal);
    return device;
  } catch (error) {
    await parts.unstore(device);
    throw explained(error);
  }
}

async function prove(parts: AskParts, peer: PairingPeer, w: bigint, signal: AbortSignal): Promise<void> {
  const { socket, link, self, name, port } = parts;
  const secret = randomScalar();
  const ownShare = computeShare('a', w, secret);
  link.send({ share: Buffer.from(ownShare).toString('hex'), name, port });
  const answer = await link.receive(Answer, signal);
  const otherShare = Buffer.from(answer.share, 'hex');
  const proofs = proofsOn(socket, { role: 'a', self, peer: peer.id, w, secret, ownShare, otherShare });
  link.send({ proof: proofs.a.toString('hex') });
  const { proof } = await link.receive(Proof, signal);
  if (!isProof(proofs.b, Buffer.from(proof, 'hex'))) {
    throw new DockError(
      'untrusted',
      'what answers there does not have the code: somebody is between the two devices; nothing was stored. Try it in another network',
    );
  }
}

const again = 'run `wdock pair` there again for a new one';
const refusals: Record<RefusalReason, DockError> = {
  busy: new DockError(
    'peer-refused',
    'the other device is busy with other attempts to pair; try it again in some seconds',
  ),
  'wrong-code': new DockError(
    'untrusted',
    `this is not the code that the other device shows, or somebody is between the two; nothing was stored. That code is void now: ${again}`,
  ),
  closed: new DockError('peer-refused', `the code is void: it was used, or its time is over; ${again}`),
  'not-stored': new DockError(
    'peer-refused',
    'the code was right, but the other device could not take this one in (its screen says why); nothing was stored here',
  ),
};

function explained(thrown: unknown): DockError {
  const reason = refusalOf(thrown);
  if (reason !== undefined) return refusals[reason];
  const error = DockError.from(thrown);
  if (error.kind !== 'timeout') return error;
  return new DockError('timeout', `the other device stopped answering while pairing; ${again}`, {
    cause: error,
  });
}
