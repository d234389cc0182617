import { DockError } from '../../../protocol/dock-error.ts';
import { runNotifier } from '../../notify/run-notifier.ts';
import { systemBusAddress } from '../../system/network-manager/system-bus.ts';
import { type CommandRun, done } from '../command-context.ts';
import { printable } from '../terminal.ts';

/** Shows trips on the desktop until it is interrupted, which is its ordinary end. */
export async function notify(run: CommandRun): Promise<number> {
  const session = run.context.environment['DBUS_SESSION_BUS_ADDRESS'];
  if (session === undefined)
    throw new DockError(
      'missing-dependency',
      'there is no desktop session here (DBUS_SESSION_BUS_ADDRESS is not set); start this in one: systemctl --user start wireless-dock-notify',
    );
  const note = (text: string) => run.terminal.err(printable(`wdock: ${text}`));
  await runNotifier({ system: systemBusAddress(), session }, note, run.signal);
  return done;
}
