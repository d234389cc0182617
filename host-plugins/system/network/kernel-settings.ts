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

/** As `writeSetting`; an interface that is gone has nothing to set. */
export async function writeIfThere(setting: Setting, signal: AbortSignal): Promise<void> {
  if (await settingExists(setting.name)) await writeSetting(setting, signal);
}

/** The settings as they are; those of interfaces that are gone are left out. */
export async function readSettings(names: readonly string[], signal: AbortSignal): Promise<Setting[]> {
  const found = await Promise.all(
    names.map(async (name) =>
      (await settingExists(name)) ? { name, value: await readSetting(name, signal) } : undefined,
    ),
  );
  return found.filter((setting) => setting !== undefined);
}

/** False where the interface is gone, or the kernel was started without that protocol. */
export async function settingExists(name: string): Promise<boolean> {
  return access(`${folder}/${name}`).then(
    () => true,
    () => false,
  );
}

function failure(verb: string, name: string, error: unknown): DockError {
  const reason = DockError.from(error, 'io');
  if (reason.kind === 'cancelled' || reason.kind === 'timeout') return reason;
  return new DockError('io', `could not ${verb} ${folder}/${name}: ${reason.message}`, { cause: error });
}
