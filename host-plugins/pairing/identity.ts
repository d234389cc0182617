import 'reflect-metadata'; // before @peculiar/x509, whose container throws without it
import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { X509CertificateGenerator } from '@peculiar/x509';
import { DockError } from '../../protocol/dock-error.ts';
import { syncFolder } from '../system/process/write-file-durably.ts';
import { type KeyAtRest, keepDeviceKey, readDeviceKey, type TpmUse } from './device-key.ts';
import { type DeviceId, deviceIdOf, parseCertificate } from './fingerprint.ts';

/** What this device proves itself with. The key is never sent, logged or shown. */
export interface Identity {
  readonly id: DeviceId;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** That of this very device. */
export interface OwnIdentity extends Identity {
  readonly keyAtRest: KeyAtRest;
}

/**
 * Reads `<stateFolder>/identity/`, or makes it at the first start. Key and certificate appear together or not at
 * all (a folder that is renamed into place), the key sealed by the TPM or readable by its owner only. Throws
 * `config-invalid` when what is there does not fit together, and others when the TPM does not open the key: a new
 * identity would silently unpair the device, so that is a person's decision.
 */
export async function loadIdentity(
  stateFolder: string,
  deviceName: string,
  use: TpmUse,
  signal: AbortSignal,
): Promise<OwnIdentity> {
  const folder = join(stateFolder, 'identity');
  return (await readIdentity(folder, use, signal)) ?? (await createIdentity(folder, deviceName, use, signal));
}

async function readIdentity(
  folder: string,
  use: TpmUse,
  signal: AbortSignal,
): Promise<OwnIdentity | undefined> {
  const found = await readParts(folder, use, signal);
  if (found === undefined) return undefined;
  const { certificatePem, privateKeyPem } = found;
  let id: DeviceId;
  try {
    const certificate = parseCertificate(certificatePem);
    if (!certificate.checkPrivateKey(createPrivateKey(privateKeyPem))) {
      throw new Error('the private key is not the key of device.crt');
    }
    id = deviceIdOf(certificate);
  } catch (error) {
    throw broken(folder, (error as Error).message, error);
  }
  const asWanted = !found.plain && use.wanted;
  const keyAtRest: KeyAtRest = asWanted
    ? { kind: 'sealed' }
    : await keepDeviceKey(folder, privateKeyPem, use, signal).catch((error: unknown) => {
        throw unwritten(folder, error);
      });
  return { id, certificatePem, privateKeyPem, keyAtRest };
}

async function readParts(folder: string, { tpm }: TpmUse, signal: AbortSignal) {
  let certificatePem: string;
  try {
    const there = await readdir(folder).catch(emptyIfMissing);
    if (there.length === 0) return undefined;
    if (!there.includes('device.crt')) throw broken(folder, 'device.crt is missing');
    certificatePem = await readFile(join(folder, 'device.crt'), 'utf8');
    const key = await readDeviceKey(folder, tpm, signal);
    if (key === undefined) throw broken(folder, 'device.key is missing');
    return { certificatePem, ...key };
  } catch (error) {
    if (error instanceof DockError) throw error;
    throw new DockError('io', `the identity in ${folder} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function emptyIfMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}

function broken(folder: string, why: string, cause?: unknown): DockError {
  return new DockError(
    'config-invalid',
    `the identity in ${folder} is damaged: ${why}; put back a copy of it, or move the folder away to get a new identity (then every paired device has to be paired again)`,
    { cause },
  );
}

async function createIdentity(
  folder: string,
  deviceName: string,
  use: TpmUse,
  signal: AbortSignal,
): Promise<OwnIdentity> {
  const made = await generateIdentity(deviceName);
  await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
  const beside = await mkdtemp(`${folder}.new-`); // mode 0700
  try {
    const keyAtRest = await keepDeviceKey(beside, made.privateKeyPem, use, signal);
    await writeSynced(join(beside, 'device.crt'), made.certificatePem, 0o644);
    await syncFolder(beside);
    await rename(beside, folder);
    await syncFolder(dirname(folder));
    return { ...made, keyAtRest };
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    throw unwritten(folder, error);
  }
}

function unwritten(folder: string, error: unknown): DockError {
  const { kind, message } = DockError.from(error, 'io');
  return new DockError(kind, `the identity cannot be written to ${folder}: ${message}`, { cause: error });
}

async function writeSynced(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * ECDSA P-256, self-signed, valid from 2020 to "no well-defined end" (RFC 5280 4.1.2.5): trust comes from the
 * pinned fingerprint alone, and a small device without a battery-backed clock would fail any other date.
 */
export async function generateIdentity(deviceName: string): Promise<Identity> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // positive and at most 20 octets (RFC 5280 4.1.2.2)
    serialNumber: `00${randomBytes(16).toString('hex')}`,
    name: [{ CN: [deviceName] }],
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date('9999-12-31T23:59:59Z'),
    signingAlgorithm: algorithm,
    keys,
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const certificatePem = `${certificate.toString('pem').trim()}\n`;
  const parsed = parseCertificate(certificatePem);
  if (!parsed.publicKey.equals(createPublicKey(key))) {
    throw new DockError('internal', 'the certificate that was made does not fit its key');
  }
  return {
    id: deviceIdOf(parsed),
    certificatePem,
    privateKeyPem: key.export({ format: 'pem', type: 'pkcs8' }) as string,
  };
}
