import type { DisplayAllocation } from '../../protocol/allocation.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { DisplayControl } from '../contract/virtual-machine.ts';
import { DbusConnection } from '../system/dbus/dbus-connection.ts';
import { dbusUnixAddress } from './dbus-address.ts';

/** QEMU answers at once; a bus that is gone shall not hold a dock up, ms. */
const answerMs = 10_000;

/**
 * The display of a running QEMU, reached over its private bus (ui/dbus-display1.xml). One connection a call:
 * it is called once a move, and nothing has to follow restarts of the bus. `qemu-gone` when no QEMU is on the
 * bus.
 */
export function displayControl(busSocket: string): DisplayControl {
  return {
    async setUiInfo(display: DisplayAllocation, signal: AbortSignal): Promise<void> {
      await using bus = new DbusConnection(dbusUnixAddress(busSocket));
      try {
        await bus.call(
          {
            destination: 'org.qemu',
            path: '/org/qemu/Display1/Console_0',
            interface: 'org.qemu.Display1.Console',
            member: 'SetUIInfo',
            // width and height in mm, x and y offset, width and height in pixels. 0 mm where the display does
            // not say; QEMU then assumes 100 dots per inch.
            signature: 'qqiiuu',
            body: [display.widthMm, display.heightMm, 0, 0, display.widthPx, display.heightPx],
            timeoutMs: answerMs,
          },
          signal,
        );
      } catch (error) {
        const cause = DockError.from(error);
        if (cause.kind === 'cancelled') throw cause;
        throw new DockError(
          cause.kind === 'missing-dependency' || cause.kind === 'timeout' ? 'qemu-gone' : cause.kind,
          `QEMU's display on ${busSocket} could not be told its size: ${cause.message}`,
          { cause },
        );
      }
    },
  };
}
