import type { TLSSocket } from 'node:tls';
import { DockError } from '../../protocol/dock-error.ts';
import { pairingProtocol } from '../../protocol/pairing-messages.ts';
import { type DeviceId, deviceIdOf } from './fingerprint.ts';
import {
  computeProofs,
  computeSharedPoint,
  encodeTranscript,
  type Spake2Proofs,
  type Spake2Role,
} from './spake2.ts';

/** The other end of a pairing connection, by the certificate whose key it proved to hold in the handshake. */
export interface PairingPeer {
  readonly id: DeviceId;
  readonly certificatePem: string;
}

/** Throws `protocol` when it showed no certificate: there would be nothing to trust. */
export function pairingPeer(socket: TLSSocket): PairingPeer {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new DockError('protocol', 'the other device showed no certificate');
  return { id: deviceIdOf(certificate), certificatePem: certificate.toString() };
}

/** What one end of a run knows when it has the other's share. */
export interface PairingRun {
  readonly role: Spake2Role;
  readonly self: DeviceId;
  readonly peer: DeviceId;
  readonly w: bigint;
  readonly secret: bigint;
  readonly ownShare: Uint8Array;
  readonly otherShare: Uint8Array;
}

/**
 * The proofs of a run, good on this very connection only: the identities are the fingerprints of the two certificates
 * as this end sees them, and the context has the connection's exporter value (`tls-exporter`, RFC 9266). Who is in
 * between with a certificate of its own makes the two ends see different ones, and their proofs differ.
 */
export function proofsOn(socket: TLSSocket, run: PairingRun): Spake2Proofs {
  const { role, self, peer, w, secret, ownShare, otherShare } = run;
  const [identityA, identityB] = role === 'a' ? [self, peer] : [peer, self];
  const [shareA, shareB] = role === 'a' ? [ownShare, otherShare] : [otherShare, ownShare];
  const sharedPoint = computeSharedPoint(role, w, secret, otherShare);
  const exporter = socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  return computeProofs(
    encodeTranscript({ identityA, identityB, shareA, shareB, sharedPoint, w }),
    Buffer.concat([Buffer.from(`${pairingProtocol}\0`), exporter]),
  );
}
