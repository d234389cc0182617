import 'reflect-metadata'; // before @peculiar/x509, whose container throws without it
import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { X509CertificateGenerator } from '@peculiar/x509';
import { DockError } from '../../protocol/dock-error.ts';
import { syncFolder } from '../system/process/write-file-durably.ts';
import { type DeviceId, deviceIdOf, parseCertificate } from './fingerprint.ts';

/** What this device proves itself with. The key is never sent, logged or shown. */
export interface Identity {
  readonly id: DeviceId;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/**
 * Reads `<stateFolder>/identity/`, or makes it at the first start. Key and certificate appear together or not at
 * all (a folder that is renamed into place), the key readable by its owner only. Throws `config-invalid` when what
 * is there does not fit together: a new identity would silently unpair the device, so that is a person's decision.
 */
export async function loadIdentity(stateFolder: string, deviceName: string): Promise<Identity> {
  const folder = join(stateFolder, 'identity');
  return (await readIdentity(folder)) ?? (await createIdentity(folder, deviceName));
}

async function readIdentity(folder: string): Promise<Identity | undefined> {
  let privateKeyPem: string;
  let certificatePem: string;
  try {
    privateKeyPem = await readFile(join(folder, 'device.key'), 'utf8');
    certificatePem = await readFile(join(folder, 'device.crt'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new DockError('io', `the identity in ${folder} cannot be read: ${(error as Error).message}`, {
        cause: error,
      });
    }
    const there = await readdir(folder).catch(() => []);
    if (there.length > 0) throw broken(folder, 'device.key or device.crt is missing');
    return undefined;
  }
  try {
    const certificate = parseCertificate(certificatePem);
    if (!certificate.checkPrivateKey(createPrivateKey(privateKeyPem))) {
      throw new Error('device.key is not the key of device.crt');
    }
    await chmod(join(folder, 'device.key'), 0o600);
    return { id: deviceIdOf(certificate), certificatePem, privateKeyPem };
  } catch (error) {
    throw broken(folder, (error as Error).message, error);
  }
}

function broken(folder: string, why: string, cause?: unknown): DockError {
  return new DockError(
    'config-invalid',
    `the identity in ${folder} is damaged: ${why}; put back a copy of it, or move the folder away to get a new identity (then every paired device has to be paired again)`,
    { cause },
  );
}

async function createIdentity(folder: string, deviceName: string): Promise<Identity> {
  const made = await generateIdentity(deviceName);
  await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
  const beside = await mkdtemp(`${folder}.new-`); // mode 0700
  try {
    await writeSynced(join(beside, 'device.key'), made.privateKeyPem, 0o600);
    await writeSynced(join(beside, 'device.crt'), made.certificatePem, 0o644);
    await syncFolder(beside);
    await rename(beside, folder);
    await syncFolder(dirname(folder));
    return made;
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    throw new DockError('io', `the identity cannot be written to ${folder}: ${(error as Error).message}`, {
      cause: error,
    });
  }
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
