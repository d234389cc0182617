import type { Logger } from 'pino';
import { DockError } from '../../protocol/dock-error.ts';
import type { MachineFilling, WorkspaceRecord } from '../../protocol/workspace.ts';
import type { VmState } from '../hand-over/state.ts';
import type { Accelerator } from '../qemu/choose-accelerator.ts';
import { savedStateFile } from '../qemu/command-line.ts';
import { loadState, startIncoming, untilArrived } from '../qemu/incoming-migration.ts';
import { closeFolder, machineUserOf, openFolder } from '../qemu/machine-folder.ts';
import { adoptQemu, filesInside, startQemu } from '../qemu/qemu-process.ts';
import type { QmpProcess } from '../qemu/qmp-process.ts';
import { queryStatus } from '../qemu/qmp-schema.ts';
import { readMachineUsers } from '../qemu/read-machine-users.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import { adoptDetached } from '../system/process/detached-process.ts';
import { vmStateOf } from './machine-state.ts';
import { tapName, type WorkspacePaths } from './paths.ts';
import { type HostNow, RunningMachine } from './running-machine.ts';
import { leaveSeat, takeSeat } from './seat.ts';

/** A status query, ms; QEMU answers at once unless it is wedged. */
const statusLimitMs = 10_000;
/** Ending QEMU, its bus and its tap, ms. */
const endLimitMs = 30_000;

export interface MachineKeeperOptions {
  readonly record: () => WorkspaceRecord;
  readonly paths: WorkspacePaths;
  readonly network: HostNetwork;
  readonly accelerator: () => Promise<Accelerator>;
  readonly hostNow: HostNow;
  readonly log: Logger;
  /** QEMU ended without having been asked to; `poweredOff`: because the guest had shut down. */
  readonly onDeath: (poweredOff: boolean) => void;
}

/** The one QEMU of a workspace on this host: started, adopted, watched and ended here, and nowhere else. */
export class MachineKeeper implements AsyncDisposable {
  readonly #options: MachineKeeperOptions;
  #machine: RunningMachine | undefined;
  #watch: AbortController | undefined;
  /** The end of the machine before, which takes seconds where its disk is away. */
  #ending: Promise<void> = Promise.resolve();

  constructor(options: MachineKeeperOptions) {
    this.#options = options;
  }

  get machine(): RunningMachine | undefined {
    return this.#machine;
  }

  /** The machine, or `conflict` when there is none. */
  require(): RunningMachine {
    if (this.#machine !== undefined) return this.#machine;
    throw new DockError(
      'conflict',
      `the workspace "${this.#options.record().name}" does not run on this device`,
    );
  }

  /** Whether an earlier life of wdockd left a QEMU that still runs. Does not talk to it. */
  async isLeft(): Promise<boolean> {
    const { run } = this.#options.paths;
    const mark = { program: 'qemu-system-x86_64', marker: run.qmpSocket };
    return (await adoptDetached({ pidFile: run.qemuPid, logFile: run.qemuLog }, mark)) !== undefined;
  }

  /** Finds the QEMU that an earlier life of wdockd left. */
  async adopt(signal: AbortSignal): Promise<RunningMachine | undefined> {
    const { run } = this.#options.paths;
    if (!(await this.isLeft())) return undefined;
    await closeFolder(run.folder); // the wdockd before may not have come to it
    const qemu = await adoptQemu(run, signal);
    return qemu === undefined ? undefined : this.#keep(qemu, await machineUserOf(run.folder));
  }

  /**
   * Starts QEMU, paused. `boot`: ready to boot; `incoming`: waiting on the memory socket; a file: with the state from
   * there loaded. When it throws, no QEMU runs.
   */
  async start(
    filling: MachineFilling,
    from: { boot: true } | { incoming: true } | { state: string },
    signal: AbortSignal,
  ): Promise<RunningMachine> {
    const { paths, network, accelerator } = this.#options;
    await this.#ending; // bounded, by endLimitMs
    signal.throwIfAborted();
    const record = this.#options.record();
    if (await this.isLeft()) {
      throw new DockError('conflict', `a QEMU of the workspace "${record.name}" runs already`);
    }
    const kind = await accelerator();
    const user = await openFolder(paths.run, await readMachineUsers(kind), signal);
    await takeSeat(record, paths, network, user?.id, signal);
    const qemu = await startQemu(
      record.contract,
      filling,
      {
        name: record.name,
        accelerator: kind,
        files: paths.run,
        tap: tapName(record.name),
        vhost: false,
        incoming: 'boot' in from ? 'none' : 'defer',
        paused: true,
        extraPorts: [],
        serial: record.keepNothing === true ? 'none' : 'log',
        user,
        ...('state' in from ? { savedState: from.state } : {}),
      },
      signal,
    );
    const machine = this.#keep(qemu, user?.id);
    try {
      if ('incoming' in from) await startIncoming(qemu.qmp, machine.seen.incomingSocket, signal);
      await closeFolder(paths.run.folder);
      if ('state' in from) {
        await loadState(qemu, savedStateFile, signal);
        await qemu.qmp.execute('remove-fd', { 'fdset-id': 1 }, signal);
      }
      return machine;
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  /** Waits until an incoming VM is whole; throws QEMU's reason when the stream broke or was refused. */
  async untilArrived(signal: AbortSignal): Promise<void> {
    await untilArrived(this.require().qemu, signal);
  }

  async state(): Promise<VmState> {
    const machine = this.#machine;
    if (machine === undefined) return 'gone';
    try {
      const signal = AbortSignal.timeout(statusLimitMs);
      await machine.qemu.reconnect(signal);
      return vmStateOf((await queryStatus(machine.qemu.qmp, signal)).status);
    } catch (error) {
      if (!(await machine.qemu.process.isAlive())) return 'gone';
      throw error;
    }
  }

  /**
   * Ends QEMU if there is one, and gives back what it needed of this host. Good when there is nothing; a second call
   * waits for the first. `neverRan`: it has nothing to write to its disk, so it is not asked, which would take seconds
   * where the disk is away.
   */
  async end(options: { readonly neverRan?: boolean } = {}): Promise<void> {
    const before = this.#ending;
    const ending = (async (): Promise<void> => {
      await before;
      const signal = AbortSignal.timeout(endLimitMs);
      this.#watch?.abort();
      const machine = this.#machine;
      this.#machine = undefined;
      await (options.neverRan === true ? machine?.kill(signal) : machine?.end(signal));
      await this.leave();
    })();
    this.#ending = ending.catch(() => undefined); // its caller sees the error
    await ending;
  }

  /** Removes tap and bus of a machine that has ended. */
  async leave(): Promise<void> {
    const { paths, network } = this.#options;
    await leaveSeat(this.#options.record(), paths, network, AbortSignal.timeout(endLimitMs));
  }

  /** Lets go of QEMU and leaves it running. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch?.abort();
    const machine = this.#machine;
    this.#machine = undefined;
    await machine?.[Symbol.asyncDispose]();
  }

  #keep(qemu: QmpProcess, user: number | undefined): RunningMachine {
    const { record, paths, hostNow, log, onDeath } = this.#options;
    const seen = filesInside(paths.run, user);
    const machine = new RunningMachine(record(), paths, { qemu, seen }, hostNow);
    const watch = new AbortController();
    this.#machine = machine;
    this.#watch = watch;
    let poweredOff = false;
    void (async () => {
      for await (const { data } of qemu.qmp.events(watch.signal, 'SHUTDOWN'))
        poweredOff = data['guest'] === true;
    })().catch(() => undefined); // the socket went with QEMU
    qemu
      .exited(watch.signal)
      .then(async ({ lastWords }) => {
        if (watch.signal.aborted || this.#machine !== machine) return;
        this.#machine = undefined;
        log.error(
          { workspace: machine.name, pid: qemu.pid, lastWords },
          poweredOff ? 'the guest has powered off' : 'QEMU has ended',
        );
        await machine[Symbol.asyncDispose]();
        onDeath(poweredOff);
      })
      .catch((error: unknown) => {
        if (!watch.signal.aborted) log.error({ err: error, workspace: machine.name }, 'watching QEMU failed');
      });
    return machine;
  }
}
