import type { Logger } from 'pino';
import { DockError } from '../../protocol/dock-error.ts';
import { ControlCalls } from '../daemon/control-calls.ts';
import type { DeviceDirectory } from '../daemon/device-directory.ts';
import type { ControlHandlers } from '../daemon/handlers.ts';
import type { Service } from '../daemon/lifecycle.ts';
import type { WatchHub } from '../daemon/watch-hub.ts';
import type { TrustedDevice, TrustStore } from '../pairing/trust-store.ts';
import { DbusConnection } from '../system/dbus/dbus-connection.ts';
import { dbusErrorOf } from '../system/dbus/dbus-interface.ts';
import { ObjectTree } from '../system/dbus/object-tree.ts';
import { Authority, polkitName } from './authority.ts';
import { Callers } from './callers.ts';
import { guardWith } from './guard.ts';
import type { HostBusReport } from './host-bus-state.ts';
import { HostObjects } from './host-objects.ts';
import { managerShape } from './host-shapes.ts';
import { managerObject } from './manager-object.ts';
import { devicePath, hostBusName, hostPath, noObject } from './object-path.ts';
import { type PairingEnd, PairingOffers } from './pairing-offers.ts';

export interface HostBusParts {
  /** `unix:path=…`; undefined: it is not to be served. */
  readonly address: string | undefined;
  readonly version: string;
  readonly devices: DeviceDirectory;
  readonly trust: TrustStore;
  readonly hub: WatchHub;
  readonly handlers: readonly ControlHandlers[];
  readonly report: HostBusReport;
  readonly log: Logger;
}

/**
 * Serves `org.wirelessdock.Host1`. Where there is no bus, or it does not give us the name, wdockd runs on without it, and
 * serves it as soon as it can.
 */
export class HostBus implements Service {
  readonly name = 'host-bus';
  /** When the workspaces are as they are. */
  readonly stage = 'run';
  readonly #parts: HostBusParts;
  readonly #calls: ControlCalls;
  readonly #stopping = new AbortController();
  readonly #undo = new AsyncDisposableStack();

  constructor(parts: HostBusParts) {
    this.#parts = parts;
    this.#calls = new ControlCalls(parts.handlers, (method, error) =>
      parts.log.error({ err: error, method }, 'a defect in a method that the bus called'),
    );
  }

  async start(): Promise<void> {
    const { address, report } = this.#parts;
    if (address === undefined) {
      report.state = { kind: 'off' };
      return;
    }
    try {
      const bus = this.#connect(address);
      await this.#show(bus);
      bus.whenConnected(() => void this.#takeName(bus));
      bus.listenToOwner(hostBusName, (owner) => {
        if (owner === undefined) void this.#takeName(bus);
      });
    } catch (error) {
      // Of an address that cannot be used, above all: nothing of what wdockd is for needs the bus.
      this.#report('no-bus', DockError.from(error).message);
    }
  }

  async stop(signal: AbortSignal): Promise<void> {
    this.#stopping.abort(new DockError('cancelled', 'wdockd is stopping'));
    try {
      await this.#calls.end(signal);
    } finally {
      await this.#undo.disposeAsync();
    }
  }

  #connect(address: string): DbusConnection {
    const bus: DbusConnection = new DbusConnection(address, (text) => {
      if (bus.uniqueName === undefined) this.#report('no-bus', text);
      else this.#parts.log.warn({ why: text }, 'on the system bus');
    });
    this.#undo.use(bus);
    return bus;
  }

  /** All objects, kept as things are from now on. */
  async #show(bus: DbusConnection): Promise<void> {
    const { devices, trust, hub, version } = this.#parts;
    const callers = new Callers(bus);
    const guard = guardWith(new Authority(bus), callers, this.#stopping.signal);
    const offers = new PairingOffers(this.#calls, callers, (end) => tellPaired(bus, end));
    const self = devices.self();
    const manager = managerObject({ self, version, calls: this.#calls, callers, offers, guard });
    const objects = new HostObjects({
      tree: new ObjectTree(bus, hostPath, manager),
      calls: this.#calls,
      guard,
      presencesOf: (id) => devices.presencesOf(id),
    });
    void hub.watch((event) => objects.hear(event), this.#stopping.signal);
    const show = (device: TrustedDevice) => objects.showDevice(devices.known(device));
    const hide = ({ id }: TrustedDevice) => objects.hideDevice(id);
    trust.on('added', show).on('changed', show).on('forgotten', hide);
    this.#undo.defer(() => void trust.off('added', show).off('changed', show).off('forgotten', hide));
    for (const device of trust.list()) show(device);
    for (const status of await this.#calls.run('workspace.list', {})) objects.showWorkspace(status);
  }

  async #takeName(bus: DbusConnection): Promise<void> {
    try {
      await bus.ownName(hostBusName, this.#stopping.signal);
    } catch (error) {
      if (!this.#stopping.signal.aborted && bus.uniqueName !== undefined)
        this.#report('refused', DockError.from(error).message);
      return;
    }
    const { report, log } = this.#parts;
    report.state = { kind: 'served', polkit: () => hasPolkit(bus) };
    log.info({ bus: this.#parts.address }, `${hostBusName} is served`);
  }

  #report(kind: 'no-bus' | 'refused', why: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#parts.report.state = { kind, why };
    this.#parts.log.warn({ why }, `${hostBusName} is not served; wdock works without it`);
  }
}

function tellPaired(bus: DbusConnection, end: PairingEnd): void {
  const body =
    'device' in end
      ? [devicePath(end.device), '', '']
      : [noObject, dbusErrorOf(end.error.kind), end.error.message];
  bus.emit(hostPath, managerShape.name, 'PairingEnded', 'oss', body);
}

/** It is there, or the bus starts it when it is asked. */
async function hasPolkit(bus: DbusConnection): Promise<boolean> {
  const signal = AbortSignal.timeout(2_000);
  try {
    if ((await bus.ownerOf(polkitName, signal)) !== undefined) return true;
    const [names] = await bus.call(
      {
        destination: 'org.freedesktop.DBus',
        path: '/org/freedesktop/DBus',
        interface: 'org.freedesktop.DBus',
        member: 'ListActivatableNames',
      },
      signal,
    );
    return (names as readonly string[]).includes(polkitName);
  } catch {
    return false;
  }
}
