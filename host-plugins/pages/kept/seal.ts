import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import { DockError } from '../../../protocol/dock-error.ts';

const magic = Buffer.from('WDK1');
const saltBytes = 32;
const tagBytes = 16;
/** magic, salt, number */
const headBytes = magic.length + saltBytes + 8;
export const sealOverheadBytes = headBytes + tagBytes;

/**
 * What kept memory is sealed with: as safe as the device's private key, from which it is derived (HKDF, RFC 5869), and gone
 * with it.
 */
export function keptMemoryKey(privateKeyPem: string): Buffer {
  const key = createPrivateKey(privateKeyPem).export({ format: 'der', type: 'pkcs8' });
  return Buffer.from(hkdfSync('sha256', key, 'wireless-dock', 'kept memory 1', 32));
}

/**
 * AES-256-GCM. No nonce is used twice with a key: each `Sealing` has a key of its own, derived with a random salt of 32
 * bytes, and numbers what it seals. The salt and the number are in front of what was sealed, so that nothing has to be
 * remembered: whoever was killed begins with another salt.
 */
export class Sealing {
  readonly #salt = randomBytes(saltBytes);
  readonly #key: Buffer;
  #number = 0;

  constructor(master: Buffer) {
    this.#key = keyOf(master, this.#salt);
  }

  /** @param purpose what it is; `unseal` opens it for nothing else */
  seal(parts: readonly Uint8Array[], purpose: string): Buffer {
    const head = Buffer.alloc(headBytes);
    magic.copy(head);
    this.#salt.copy(head, magic.length);
    head.writeBigUInt64LE(BigInt(this.#number), magic.length + saltBytes);
    this.#number += 1;
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(head));
    cipher.setAAD(additional(head, purpose));
    const sealed = parts.map((part) => cipher.update(part));
    return Buffer.concat([head, ...sealed, cipher.final(), cipher.getAuthTag()]);
  }
}

/** Throws `untrusted` when it is not, bit by bit, what was sealed for this purpose with this key. */
export function unseal(master: Buffer, sealed: Buffer, purpose: string): Buffer {
  if (sealed.length < sealOverheadBytes || !sealed.subarray(0, magic.length).equals(magic)) {
    throw notOurs(purpose);
  }
  const head = sealed.subarray(0, headBytes);
  const key = keyOf(master, head.subarray(magic.length, magic.length + saltBytes));
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(head), { authTagLength: tagBytes });
  decipher.setAAD(additional(head, purpose));
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  try {
    const opened = decipher.update(sealed.subarray(headBytes, sealed.length - tagBytes));
    decipher.final(); // gives nothing: GCM is no padded mode
    return opened;
  } catch (cause) {
    throw notOurs(purpose, cause);
  }
}

/** A name for content that tells nothing of it to who has not the key. */
export function nameOf(master: Buffer, content: Uint8Array): Buffer {
  return createHmac('sha256', keyOf(master, Buffer.from('names of chunks')))
    .update(content)
    .digest();
}

function keyOf(master: Buffer, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', master, salt, 'sealed', 32));
}

function nonceOf(head: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(4), head.subarray(headBytes - 8)]);
}

function additional(head: Buffer, purpose: string): Buffer {
  return Buffer.concat([head, Buffer.from(purpose)]);
}

function notOurs(purpose: string, cause?: unknown): DockError {
  return new DockError('untrusted', `it is damaged, or was not sealed here as ${purpose}`, { cause });
}
