import type { DisplayAllocation } from '../../protocol/allocation.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { type DbusConnection, dbusErrorName } from '../dbus/dbus-connection.ts';
import { plainDbusValue } from '../dbus/dbus-value.ts';
import { chooseDisplay, type DisplayChoice, hasSize, scaleTolerance } from '../decide/choose-display.ts';
import { sleep } from '../retry-delay.ts';
import type { Compositor, CompositorDisplay } from './compositor.ts';
import { type MutterMonitor, type MutterState, parseMutterState } from './mutter-state.ts';

const service = {
  destination: 'org.gnome.Mutter.DisplayConfig',
  path: '/org/gnome/Mutter/DisplayConfig',
  interface: 'org.gnome.Mutter.DisplayConfig',
};
/** A compositor that draws a large screen on an emulated processor may not look at its bus for half a minute. */
const timeoutMs = 60_000;
/** Holds until the next change of monitors and is not written to the user's monitors.xml. */
const temporary = 1;

/** Mutter, also inside GNOME Shell. */
export class MutterCompositor implements Compositor {
  readonly name = 'Mutter';
  readonly #bus: DbusConnection;

  constructor(bus: DbusConnection) {
    this.#bus = bus;
  }

  static async probe(bus: DbusConnection, signal: AbortSignal): Promise<MutterCompositor | undefined> {
    const owner = await bus.ownerOf(service.destination, signal);
    return owner === undefined ? undefined : new MutterCompositor(bus);
  }

  async read(signal: AbortSignal): Promise<CompositorDisplay | undefined> {
    return (await this.#state(signal)).display;
  }

  async apply(wish: DisplayAllocation, limitMs: number, signal: AbortSignal): Promise<string[]> {
    // Listening starts before the first look, so that no change falls between the two.
    let wake = (): void => {};
    const stop = this.#bus.listen({ sender: service.destination, member: 'MonitorsChanged' }, () => wake());
    // Counted is the time that Mutter was given, not the time that it took to answer while it was busy drawing.
    let leftMs = limitMs;
    try {
      for (;;) {
        const changed = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const state = await this.#state(signal);
        const found = choose(state, wish);
        const settled = found !== undefined && hasSize(found.choice.mode, wish);
        if (found !== undefined && (settled || leftMs <= 0)) {
          if (isApplied(state.display, found)) return [...found.choice.problems];
          const refused = await this.#configure(state.serial, found, signal);
          if (leftMs <= 0) return [...found.choice.problems, ...(refused === undefined ? [] : [refused])];
        } else if (leftMs <= 0) {
          return [`${this.name} has no monitor`];
        }
        const waitingSince = performance.now();
        await waitFor(changed, Math.min(1000, Math.max(50, leftMs)), signal);
        leftMs -= performance.now() - waitingSince;
      }
    } finally {
      stop();
    }
  }

  async #state(signal: AbortSignal): Promise<MutterState> {
    const body = await this.#bus.call({ ...service, member: 'GetCurrentState', timeoutMs }, signal);
    return parseMutterState(plainDbusValue(body));
  }

  /**
   * One logical monitor with the picture that the host shows; a second one would be a picture nobody sees.
   * Returns why Mutter refused, which may be that the monitors have changed meanwhile.
   */
  async #configure(serial: number, found: Found, signal: AbortSignal): Promise<string | undefined> {
    const monitor = [found.monitor.connector, found.choice.mode.id, {}];
    const logical = [0, 0, found.choice.scale, 0, true, [monitor]];
    try {
      await this.#bus.call(
        {
          ...service,
          member: 'ApplyMonitorsConfig',
          signature: 'uua(iiduba(ssa{sv}))a{sv}',
          body: [serial, temporary, [logical], {}],
          timeoutMs,
        },
        signal,
      );
      return undefined;
    } catch (error) {
      if (dbusErrorName(error) === undefined) throw error;
      return DockError.from(error).message;
    }
  }
}

interface Found {
  readonly monitor: MutterMonitor;
  readonly choice: DisplayChoice;
}

/** The monitor that has the wished size, else the one in use, else the first. */
function choose(state: MutterState, wish: DisplayAllocation): Found | undefined {
  const monitor =
    state.monitors.find(({ modes }) => modes.some((mode) => hasSize(mode, wish))) ??
    state.monitors.find(({ connector }) => connector === state.display?.connector) ??
    state.monitors[0];
  const choice = monitor === undefined ? undefined : chooseDisplay(monitor.modes, wish);
  return monitor === undefined || choice === undefined ? undefined : { monitor, choice };
}

function isApplied(now: CompositorDisplay | undefined, { monitor, choice }: Found): boolean {
  return (
    now !== undefined &&
    now.connector === monitor.connector &&
    now.widthPx === choice.mode.widthPx &&
    now.heightPx === choice.mode.heightPx &&
    Math.abs(now.scale - choice.scale) <= scaleTolerance
  );
}

/** Until the event, but looks again after `ms`: a configuration that changes nothing is not signalled. */
async function waitFor(event: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  const enough = new AbortController();
  try {
    await Promise.race([event, sleep(ms, AbortSignal.any([signal, enough.signal]))]);
  } finally {
    enough.abort();
  }
}
