import { DockError } from '../../protocol/dock-error.ts';
import type { DbusConnection } from '../dbus/dbus-connection.ts';
import { runProgram } from '../run-program.ts';

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
    await runProgram(['gsettings', 'set', schema, key, String(on)], 10_000, signal);
    return [];
  } catch (error) {
    return [`the on-screen keyboard was not switched: ${DockError.from(error).message}`];
  }
}
