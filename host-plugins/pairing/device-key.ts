import { chmod, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DockError } from '../../protocol/dock-error.ts';
import { syncFolder, writeFileDurably } from '../system/process/write-file-durably.ts';
import type { Tpm } from '../system/tpm/tpm.ts';

/** What a copy of the disk has of the private key: `sealed` nothing, `file` all of it. */
export type KeyAtRest =
  | { readonly kind: 'sealed' }
  | { readonly kind: 'file'; readonly because: 'no-tpm' | 'not-wanted' }
  | { readonly kind: 'file'; readonly because: 'tpm-failed'; readonly error: DockError };

export interface TpmUse {
  readonly tpm: Tpm;
  /** Seal where there is a TPM; otherwise what is sealed becomes a plain file again. */
  readonly wanted: boolean;
}

const plainName = 'device.key';
const sealedName = 'device.key.sealed';
/** The TPM's blob is bound to it, so that one sealed for something else is not taken. */
const purpose = 'wireless-dock-device-key';

/**
 * The key and which files have it; undefined when there is none. While there are both, the plain one counts: the other one
 * is not known to open yet, or not needed any more. Throws when only the TPM has it, and does not give it.
 */
export async function readDeviceKey(
  folder: string,
  tpm: Tpm,
  signal: AbortSignal,
): Promise<{ privateKeyPem: string; plain: boolean } | undefined> {
  const there = await readdir(folder);
  // Of a crash inside of writeFileDurably: what it was to replace is still there.
  const halfWritten = there.filter((name) => name.startsWith(`${plainName}.`) && name.endsWith('.new'));
  for (const name of halfWritten) await rm(join(folder, name), { force: true });
  if (there.includes(plainName)) {
    const path = join(folder, plainName);
    await chmod(path, 0o600);
    return { privateKeyPem: await readFile(path, 'utf8'), plain: true };
  }
  if (!there.includes(sealedName)) return undefined;
  return { privateKeyPem: await openSealed(folder, tpm, signal), plain: false };
}

async function openSealed(folder: string, tpm: Tpm, signal: AbortSignal): Promise<string> {
  const path = join(folder, sealedName);
  try {
    return await tpm.open(purpose, path, signal);
  } catch (error) {
    signal.throwIfAborted();
    const { kind, message } = DockError.from(error);
    throw new DockError(
      kind,
      `the TPM does not open this device's private key, ${path}: ${message}; then restart wdockd. Only when the TPM that sealed it is gone for good, move ${folder} away: wdockd then makes a new identity, and every device has to be paired anew (there: wdock devices forget, then wdock pair on both)`,
      { cause: error },
    );
  }
}

/**
 * Has the key on the disk as it is wanted, and in that form only. At each instant there is a file that is known to give
 * it: a plain one that was synced, or a sealed one that was synced and opened. A TPM that cannot seal leaves the key in a
 * plain file.
 */
export async function keepDeviceKey(
  folder: string,
  privateKeyPem: string,
  use: TpmUse,
  signal: AbortSignal,
): Promise<KeyAtRest> {
  if (!use.wanted) return await keepPlain(folder, privateKeyPem, { kind: 'file', because: 'not-wanted' });
  if (!(await use.tpm.isThere()))
    return await keepPlain(folder, privateKeyPem, { kind: 'file', because: 'no-tpm' });
  try {
    await writeSealed(folder, privateKeyPem, use.tpm, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    const error = DockError.from(thrown);
    return await keepPlain(folder, privateKeyPem, { kind: 'file', because: 'tpm-failed', error });
  }
  await rm(join(folder, plainName), { force: true });
  await syncFolder(folder);
  return { kind: 'sealed' };
}

async function writeSealed(
  folder: string,
  privateKeyPem: string,
  tpm: Tpm,
  signal: AbortSignal,
): Promise<void> {
  const path = join(folder, sealedName);
  await writeFileDurably(path, await tpm.seal(purpose, privateKeyPem, signal));
  if ((await tpm.open(purpose, path, signal)) !== privateKeyPem)
    throw new DockError('io', 'what the TPM sealed opens to something else; restart the computer');
}

async function keepPlain(folder: string, privateKeyPem: string, outcome: KeyAtRest): Promise<KeyAtRest> {
  const path = join(folder, plainName);
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before !== privateKeyPem) await writeFileDurably(path, privateKeyPem);
  await rm(join(folder, sealedName), { force: true });
  await syncFolder(folder);
  return outcome;
}
