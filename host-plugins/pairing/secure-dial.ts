import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { DockError } from '../../protocol/dock-error.ts';
import { pairingProtocol } from '../../protocol/pairing-messages.ts';
import { parseDeviceAddress } from './device-address.ts';
import { deviceIdOf, formatFingerprint } from './fingerprint.ts';
import type { Identity } from './identity.ts';
import type { TrustedDevice } from './trust-store.ts';

/** How long connecting and the handshake may take together, ms. */
const dialDeadlineMs = 5_000;
/**
 * An address that has not answered for so long does not keep the next one waiting, ms: a way that is cut does not answer
 * at all. As RFC 8305 (Happy Eyeballs), 5, does it.
 */
const staggerMs = 250;

/** Whom to dial; `name` is for messages. */
interface DialTarget {
  readonly name: string;
  readonly address: string;
}

/**
 * A TLS 1.3 connection to a trusted device, which has proved that it holds the pinned key; nothing was sent to it
 * before. Both directions can be closed by themselves. `hints`: addresses that are tried besides the one that it was
 * given, before it, each beside those that have not answered yet.
 * Throws `peer-gone` when nobody answers there, `untrusted` when somebody else does.
 */
export async function dialDevice(
  identity: Identity,
  device: TrustedDevice,
  hints: readonly string[],
  signal: AbortSignal,
): Promise<TLSSocket> {
  const addresses = [...hints.filter((address) => address !== device.address), device.address];
  const over = new AbortController();
  const limit = AbortSignal.any([signal, over.signal]);
  const dialAfter = async (turn: Promise<unknown>, address: string): Promise<TLSSocket> => {
    await turn;
    const socket = await dialPinned(identity, { ...device, address }, limit);
    if (over.signal.aborted) {
      drop(socket);
      throw DockError.from(over.signal.reason, 'cancelled');
    }
    over.abort(new DockError('cancelled', `"${device.name}" answered at another address`));
    return socket;
  };
  const attempts: Promise<TLSSocket>[] = [];
  for (const address of addresses) {
    const soon = delay(attempts.length * staggerMs, undefined, { signal: limit, ref: false });
    attempts.push(dialAfter(Promise.race([soon, Promise.allSettled(attempts)]), address));
  }
  try {
    return await Promise.any(attempts);
  } catch (error) {
    if (signal.aborted) throw DockError.from(signal.reason, 'cancelled');
    // Somebody else may have announced an address: only what is said of the device's own one is worth telling.
    throw (error as AggregateError).errors.at(-1);
  }
}

async function dialPinned(
  identity: Identity,
  device: TrustedDevice,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const socket = await dial(identity, { name: `"${device.name}"`, address: device.address }, {}, signal);
  try {
    checkPin(socket, device);
    return socket;
  } catch (error) {
    drop(socket);
    throw error;
  }
}

/**
 * A TLS 1.3 connection to a device that shows a pairing code; it can be anybody as yet. Throws `peer-gone` when nobody
 * answers there, `peer-refused` when no pairing is open.
 */
export async function dialForPairing(
  identity: Identity,
  address: string,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const target = { name: 'the other device', address };
  try {
    const socket = await dial(identity, target, { ALPNProtocols: [pairingProtocol] }, signal);
    if (socket.alpnProtocol === pairingProtocol) return socket;
    drop(socket);
    throw new DockError(
      'protocol',
      `what answers at ${address} is no wdockd that can pair; correct the address, or update it`,
    );
  } catch (error) {
    const cause = error instanceof DockError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
    if (cause?.code !== 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL') throw error;
    throw new DockError(
      'peer-refused',
      `the device at ${address} shows no code now (or too many try it at once); run \`wdock pair\` there, and then again here with the new code`,
      { cause },
    );
  }
}

async function dial(
  identity: Identity,
  target: DialTarget,
  tls: Pick<ConnectionOptions, 'ALPNProtocols'>,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { host, port } = parseDeviceAddress(target.address);
  if (signal.aborted) throw DockError.from(signal.reason, 'cancelled');
  // `allowHalfOpen` is documented for tls.connect, and missing in its types
  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    ...tls,
    host,
    port,
    key: identity.privateKeyPem,
    cert: identity.certificatePem,
    minVersion: 'TLSv1.3',
    allowHalfOpen: true,
    // There is no authority to ask: the certificate is pinned, and compared before a byte is sent, or the pairing
    // proves it. The handshake itself proves possession of its key. (Checking against `ca` would only add the dates,
    // and fail on a device whose clock is wrong.)
    rejectUnauthorized: false,
  };
  const socket = connect(options);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const deadline = setTimeout(() => {
    reject(
      new DockError(
        'peer-gone',
        `${target.name} does not answer at ${target.address}; is it on, and in reach?`,
      ),
    );
  }, dialDeadlineMs);
  const onAbort = () => reject(DockError.from(signal.reason, 'cancelled'));
  const onClose = () => reject(unreachable(target, 'it closed the connection'));
  const onError = (error: NodeJS.ErrnoException) =>
    reject(unreachable(target, error.code ?? error.message, error));
  signal.addEventListener('abort', onAbort, { once: true });
  socket.once('secureConnect', resolve).once('error', onError).once('close', onClose);
  try {
    await promise;
    socket.setNoDelay(true);
    return socket;
  } catch (error) {
    drop(socket);
    throw error;
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener('abort', onAbort);
    socket.off('error', onError).off('close', onClose);
  }
}

function drop(socket: TLSSocket): void {
  socket.on('error', () => undefined); // what a destroyed socket still has to say is no news
  socket.destroy();
}

function checkPin(socket: TLSSocket, device: TrustedDevice): void {
  const certificate = socket.getPeerX509Certificate();
  const seen = certificate === undefined ? undefined : deviceIdOf(certificate);
  if (seen === device.id) return;
  throw new DockError(
    'untrusted',
    `what answers at ${device.address} is not "${device.name}": its fingerprint is ${seen === undefined ? 'absent' : formatFingerprint(seen)}; if the device was set up anew, forget it and add it again, else somebody is in between`,
  );
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; is wdockd running on it?',
  EHOSTUNREACH: 'there is no way to it; is it on, and in the same network?',
  ENETUNREACH: 'this device has no network',
  ENOTFOUND: 'its name is unknown; give an IP address, or correct the name',
  EAI_AGAIN: 'its name cannot be looked up now; is this device in a network?',
  ECONNRESET: 'it closed the connection',
  ERR_SSL_WRONG_VERSION_NUMBER: 'what answers there speaks no TLS; is the port right?',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'what answers there speaks an old TLS; is it wdockd?',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'what answers there speaks an old TLS; is it wdockd?',
  ETIMEDOUT: 'it does not answer; is it on, and in reach?',
};

function unreachable(target: DialTarget, why: string, cause?: unknown): DockError {
  return new DockError(
    'peer-gone',
    `${target.name} at ${target.address} cannot be reached: ${reasons[why] ?? why}`,
    {
      cause,
    },
  );
}
