import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { DbusConnection } from '../dbus/dbus-connection.ts';

const run = promisify(execFile);
const schema = 'org.gnome.desktop.a11y.applications';
const key = 'screen-keyboard-enabled';

/**
 * Switches the desktop's on-screen keyboard, in the user's session. Only GNOME Shell shows one by this setting;
 * where it does not run, asking for a keyboard is a shortcoming and asking for none is done already.
 */
export async function applyOnScreenKeyboard(
  bus: DbusConnection,
  on: boolean,
  signal: AbortSignal,
): Promise<string[]> {
  if ((await bus.ownerOf('org.gnome.Shell', signal)) === undefined) {
    return on ? ['this session has no desktop with an on-screen keyboard (GNOME Shell does not run)'] : [];
  }
  try {
    await run('gsettings', ['set', schema, key, String(on)], { signal, timeout: 10_000 });
    return [];
  } catch (error) {
    return [`gsettings could not switch the on-screen keyboard: ${firstLine(error)}`];
  }
}

function firstLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  return (stderr?.trim() || message || String(error)).split('\n')[0] ?? '';
}
