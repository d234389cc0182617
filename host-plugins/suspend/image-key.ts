import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';

const keyBytes = 32;
const tagBytes = 16;
const maxRecipients = 1000;

const Wrapped = z.strictObject({
  /** Device id. */
  device: z.string().regex(/^[0-9a-f]{64}$/),
  sealed: z.base64().max(200),
});

/**
 * The key of a directory's images, once for each device that may resume them. `ephemeral` is the public half (SPKI, DER) of
 * a key pair that was thrown away.
 */
export const KeyFile = z.strictObject({
  format: z.literal(1),
  ephemeral: z.base64().max(500),
  devices: z.array(Wrapped).min(1).max(maxRecipients),
});
export type KeyFile = z.infer<typeof KeyFile>;

export interface Recipient {
  readonly id: string;
  readonly certificatePem: string;
}

export interface KeyHolder {
  readonly id: string;
  readonly privateKeyPem: string;
}

export function newImageKey(): Buffer {
  return randomBytes(keyBytes);
}

/**
 * Wraps the key for each device's identity key: ECDH on P-256 with a key pair made for this file alone, HKDF-SHA256 over
 * both public keys, AES-256-GCM. Each derived key seals once, so its nonce is zero.
 */
export function wrapImageKey(key: Buffer, recipients: readonly Recipient[]): KeyFile {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ephemeral = spki(pair.publicKey);
  const devices = recipients.map(({ id, certificatePem }) => {
    const { publicKey } = new X509Certificate(certificatePem);
    const wrapping = wrappingKey(pair.privateKey, publicKey, ephemeral, spki(publicKey));
    const cipher = createCipheriv('aes-256-gcm', wrapping, Buffer.alloc(12));
    cipher.setAAD(Buffer.from(id));
    const sealed = Buffer.concat([cipher.update(key), cipher.final(), cipher.getAuthTag()]);
    return { device: id, sealed: sealed.toString('base64') };
  });
  return { format: 1, ephemeral: ephemeral.toString('base64'), devices };
}

/** Undefined where the key was not wrapped for this device. Throws `untrusted` for a file that is damaged. */
export function unwrapImageKey(file: KeyFile, { id, privateKeyPem }: KeyHolder): Buffer | undefined {
  const mine = file.devices.find(({ device }) => device === id);
  if (mine === undefined) return undefined;
  try {
    const ephemeral = Buffer.from(file.ephemeral, 'base64');
    const own = createPrivateKey(privateKeyPem);
    const theirs = createPublicKey({ key: ephemeral, format: 'der', type: 'spki' });
    const wrapping = wrappingKey(own, theirs, ephemeral, spki(createPublicKey(own)));
    const sealed = Buffer.from(mine.sealed, 'base64');
    if (sealed.length !== keyBytes + tagBytes) throw new Error('it has another length');
    const decipher = createDecipheriv('aes-256-gcm', wrapping, Buffer.alloc(12), { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(id));
    decipher.setAuthTag(sealed.subarray(keyBytes));
    return Buffer.concat([decipher.update(sealed.subarray(0, keyBytes)), decipher.final()]);
  } catch (cause) {
    throw new DockError('untrusted', 'the key of the image is damaged', { cause });
  }
}

function wrappingKey(own: KeyObject, theirs: KeyObject, ephemeral: Buffer, recipient: Buffer): Buffer {
  const shared = diffieHellman({ privateKey: own, publicKey: theirs });
  const salt = Buffer.concat([ephemeral, recipient]);
  return Buffer.from(hkdfSync('sha256', shared, salt, 'wireless-dock key of a suspended image 1', keyBytes));
}

function spki(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' });
}
