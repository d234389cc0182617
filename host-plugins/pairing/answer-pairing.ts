import type { TLSSocket } from 'node:tls';
import { DockError } from '../../protocol/dock-error.ts';
import { Hello, Proof, Stored } from '../../protocol/pairing-messages.ts';
import { pairingPeer, proofsOn } from './channel-binding.ts';
import { formatDeviceAddress } from './device-address.ts';
import type { DeviceId } from './fingerprint.ts';
import type { PairingLink } from './pairing-link.ts';
import { computeShare, isProof, randomScalar } from './spake2.ts';
import type { DeviceImport, TrustedDevice } from './trust-store.ts';

export interface AnswerParts {
  readonly socket: TLSSocket;
  readonly link: PairingLink;
  readonly self: DeviceId;
  /** Of the code that is shown. */
  readonly w: bigint;
  /**
   * Spends the code, on a right guess as on a wrong one; false when it is spent already. Called once in a run, at the
   * moment at which the guess is looked at, and never before.
   */
  readonly spend: (right: boolean) => boolean;
  /** Adds the device to the trust store. */
  readonly store: (device: Omit<DeviceImport, 'trust'>) => Promise<TrustedDevice>;
}

/**
 * The run of the device that shows the code, as B (protocol/pairing-messages.ts). Whoever leaves before it has sent a
 * proof has learnt nothing about the code, so that is no guess. Throws `untrusted` for a wrong guess, `conflict` when
 * the code is spent.
 */
export async function answerPairing(parts: AnswerParts, signal: AbortSignal): Promise<TrustedDevice> {
  const { socket, link, self, w } = parts;
  const peer = pairingPeer(socket);
  if (peer.id === self) throw new DockError('conflict', 'this device tried to pair with itself');
  const hello = await link.receive(Hello, signal);
  const secret = randomScalar();
  const ownShare = computeShare('b', w, secret);
  const otherShare = Buffer.from(hello.share, 'hex');
  const proofs = proofsOn(socket, { role: 'b', self, peer: peer.id, w, secret, ownShare, otherShare });
  link.send({ share: Buffer.from(ownShare).toString('hex') });
  const { proof } = await link.receive(Proof, signal);
  const right = isProof(proofs.a, Buffer.from(proof, 'hex'));
  if (!parts.spend(right)) {
    link.send({ refused: 'closed' });
    throw new DockError('conflict', 'the code was spent before');
  }
  if (!right) {
    link.send({ refused: 'wrong-code' });
    throw new DockError('untrusted', 'a wrong code');
  }
  link.send({ proof: proofs.b.toString('hex') });
  await link.receive(Stored, signal);
  const host = (socket.remoteAddress ?? '').replace(/^::ffff:/i, '');
  try {
    const device = await parts.store({
      name: hello.name,
      certificatePem: peer.certificatePem,
      fingerprint: peer.id,
      address: formatDeviceAddress({ host, port: hello.port }),
    });
    link.send({ stored: true });
    return device;
  } catch (error) {
    link.send({ refused: 'not-stored' });
    throw error;
  }
}
