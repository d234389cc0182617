import { access, readFile, writeFile } from 'node:fs/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import type { Setting } from './binding.ts';

/** The kernel shows each process the settings of its own network namespace under this path. */
const folder = '/proc/sys/net';

export async function readSetting(name: string, signal: AbortSignal): Promise<string> {
  try {
    return (await readFile(`${folder}/${name}`, { encoding: 'utf8', signal })).trim();
  } catch (error) {
    throw failure('read', name, error);
  }
}

/** Writes only what differs: some settings do more than be a number when they are written. */
export async function writeSetting(setting: Setting, signal: AbortSignal): Promise<void> {
  if ((await readSetting(setting.name, signal)) === setting.value) return;
  try {
    await writeFile(`${folder}/${setting.name}`, setting.value, { signal });
  } catch (error) {
    throw failure('write', setting.name, error);
  }
}

/** False where the kernel was started without it. */
export async function hasIpv6(): Promise<boolean> {
  return access(`${folder}/ipv6`).then(
    () => true,
    () => false,
  );
}

function failure(verb: string, name: string, error: unknown): DockError {
  const reason = DockError.from(error, 'io');
  if (reason.kind === 'cancelled' || reason.kind === 'timeout') return reason;
  return new DockError('io', `could not ${verb} ${folder}/${name}: ${reason.message}`, { cause: error });
}
