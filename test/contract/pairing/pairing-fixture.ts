import { once } from 'node:events';
import { connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { proofsOn } from '../../../host-plugins/pairing/channel-binding.ts';
import { generateIdentity, type Identity } from '../../../host-plugins/pairing/identity.ts';
import type { ShownCode } from '../../../host-plugins/pairing/pairing-desk.ts';
import { PairingLink } from '../../../host-plugins/pairing/pairing-link.ts';
import { PairingOffer } from '../../../host-plugins/pairing/pairing-offer.ts';
import { secretOfCode } from '../../../host-plugins/pairing/secret-of-code.ts';
import { computeShare, randomScalar } from '../../../host-plugins/pairing/spake2.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { Answer, Hello, Proof, pairingProtocol, Stored } from '../../../protocol/pairing-messages.ts';
import type { TestDevice } from './two-devices.ts';

export const soon = () => AbortSignal.timeout(20_000);

/** A code that is certainly not this one. */
export const otherThan = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

/** `wdock pair` on a device, up to the moment at which its code is shown. */
export async function offered(device: TestDevice, signal: AbortSignal = soon(), name?: string) {
  const shown = Promise.withResolvers<ShownCode>();
  const outcome = device.desk.offer({ name }, shown.resolve, signal);
  outcome.catch(shown.reject);
  const { code } = await shown.promise;
  return { code, outcome, address: `127.0.0.1:${device.port}` };
}

/** A stranger's connection to a device, as far as the handshake lets it come; rejects with the alert otherwise. */
export async function strange(
  port: number,
  options: { identity?: Identity; from?: string } = {},
): Promise<TLSSocket> {
  const { privateKeyPem: key, certificatePem: cert } =
    options.identity ?? (await generateIdentity('stranger'));
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    key,
    cert,
    rejectUnauthorized: false,
    ALPNProtocols: [pairingProtocol],
    ...(options.from === undefined ? {} : { localAddress: options.from }),
  });
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return socket;
}

/** A code at the server's port itself, without the desk that closes it after the first guess. */
export async function bareOffer(device: TestDevice, code: string): Promise<PairingOffer & AsyncDisposable> {
  const offer = new PairingOffer({
    self: device.identity.id,
    w: await secretOfCode(code, device.identity.id),
    store: async () => {
      throw new DockError('internal', 'a stranger was let in');
    },
    onWrongGuess: () => undefined,
  });
  const door = device.server.openPairing(offer);
  return Object.assign(offer, {
    async [Symbol.asyncDispose]() {
      await offer.close();
      door[Symbol.dispose]();
    },
  });
}

/** What Node says of the alert `no_application_protocol`. */
export const pairingClosed = { code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' };

/** A stranger that has said hello and could prove what it knows now. */
export interface HalfRun {
  readonly socket: TLSSocket;
  readonly link: PairingLink;
  /** What it said, and what it would say for this code. */
  readonly hello: object;
  readonly proof: object;
}

/** The first half of a run, by hand, with `code`. */
export async function halfRun(
  device: TestDevice,
  code: string,
  options: { identity?: Identity; from?: string } = {},
): Promise<HalfRun> {
  const identity = options.identity ?? (await generateIdentity('stranger'));
  const socket = await strange(device.port, { ...options, identity });
  const link = new PairingLink(socket);
  const w = await secretOfCode(code, device.identity.id);
  const secret = randomScalar();
  const ownShare = computeShare('a', w, secret);
  const hello = { share: Buffer.from(ownShare).toString('hex'), name: 'stranger', port: 7440 };
  link.send(hello);
  const answer = await link.receive(Answer, soon());
  const otherShare = Buffer.from(answer.share, 'hex');
  const ends = { self: identity.id, peer: device.identity.id };
  const proofs = proofsOn(socket, { role: 'a', ...ends, w, secret, ownShare, otherShare });
  return { socket, link, hello, proof: { proof: proofs.a.toString('hex') } };
}

/** Somebody between two devices; `port`: what the victim dials. */
export interface Between extends AsyncDisposable {
  readonly port: number;
}

/** Ends TLS in the middle, with a certificate of its own towards both, and hands every byte on. */
export async function manInTheMiddle(targetPort: number): Promise<Between> {
  const identity = await generateIdentity('pc');
  const { privateKeyPem: key, certificatePem: cert } = identity;
  const options = { key, cert, requestCert: true, rejectUnauthorized: false };
  const open = new Set<Socket>();
  const relay = async (victim: TLSSocket) => {
    const target = await strange(targetPort, { identity });
    open.add(target);
    victim.pipe(target).pipe(victim);
  };
  const server = createTlsServer({ ...options, ALPNProtocols: [pairingProtocol] }, (victim) => {
    open.add(victim.on('error', () => undefined));
    void relay(victim);
  });
  return await listening(server, open);
}

/** Plays the device that shows a code, does not know it, and takes whatever the other end proves for right. */
export async function impostor(): Promise<Between> {
  const { privateKeyPem: key, certificatePem: cert } = await generateIdentity('pc');
  const options = { key, cert, requestCert: true, rejectUnauthorized: false };
  const open = new Set<Socket>();
  const play = async (victim: TLSSocket) => {
    const link = new PairingLink(victim);
    await link.receive(Hello, soon());
    link.send({ share: Buffer.from(computeShare('b', 1n, randomScalar())).toString('hex') });
    const { proof } = await link.receive(Proof, soon());
    link.send({ proof });
    await link.receive(Stored, soon()).then(
      () => link.send({ stored: true }),
      () => undefined,
    );
  };
  const server = createTlsServer({ ...options, ALPNProtocols: [pairingProtocol] }, (victim) => {
    open.add(victim);
    void play(victim);
  });
  return await listening(server, open);
}

/** Hands on the bytes of TLS as they are, after `first` has been done. */
export async function harmlessRelay(
  targetPort: number,
  first: () => Promise<void> = async () => undefined,
): Promise<Between> {
  const open = new Set<Socket>();
  const relay = async (victim: Socket) => {
    await first();
    const target = connectTcp(targetPort, '127.0.0.1');
    open.add(target.on('error', () => undefined));
    victim.pipe(target).pipe(victim);
  };
  const server = createTcpServer((victim) => {
    open.add(victim.on('error', () => undefined));
    void relay(victim);
  });
  return await listening(server, open);
}

async function listening(
  server: ReturnType<typeof createTcpServer>,
  open: ReadonlySet<Socket>,
): Promise<Between> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
