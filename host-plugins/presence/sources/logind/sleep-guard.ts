import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../../../protocol/dock-error.ts';
import { HeldProgram } from '../../../system/process/held-program.ts';
import type { AwakeHold, StayAwake } from '../../observation.ts';

/** After `leave`, how long somebody may take to say that there is something to do first, ms. */
const claimMs = 500;
/** How long before logind's patience ends it is late, share of it. */
const lateShare = 0.8;
const takeLimitMs = 10_000;

/**
 * A delay inhibitor of logind, taken ahead: once the host goes to sleep none is given any more. It is a child process that
 * has it, systemd-inhibit(1), for the inhibitor is a file descriptor, which D-Bus from Node cannot take. It has it for as
 * long as its `cat` runs, and that ends with this process, so that a wdockd that was killed delays nothing.
 */
export class SleepGuard implements StayAwake {
  readonly #systemBus: string;
  readonly #holds = new Map<symbol, AbortController>();
  #taking: Promise<HeldProgram> | undefined;
  #program: HeldProgram | undefined;
  #released = Promise.withResolvers<void>();
  #delayMaxMs = 0;
  #lateTimer: NodeJS.Timeout | undefined;

  /** @param systemBus where logind is, `unix:path=…` */
  constructor(systemBus: string) {
    this.#systemBus = systemBus;
  }

  /**
   * From now on the host waits for us, for at most `delayMaxMs` (logind.conf(5), InhibitDelayMaxSec). Throws
   * `missing-dependency` without systemd-inhibit, `io` where logind refuses.
   */
  async take(delayMaxMs: number, signal: AbortSignal): Promise<void> {
    const before = this.#taking;
    const take = async () => {
      await end(before);
      return await startInhibitor(this.#systemBus, signal);
    };
    this.#delayMaxMs = delayMaxMs;
    // At once, so that who wants to hold meanwhile waits for this one.
    const taking = take();
    this.#taking = taking;
    const program = await taking;
    // It may have been released meanwhile.
    if (this.#taking === taking) this.#program = program;
  }

  /** The host waits for us now. */
  get taken(): boolean {
    return this.#program?.ended.aborted === false;
  }

  /**
   * May be called at any time while a VM is here, at the latest half a second after `leaving` was told. Throws
   * `missing-dependency` where nothing keeps this host awake.
   */
  async hold(_why: string, signal: AbortSignal): Promise<AwakeHold> {
    const key = Symbol('hold');
    const late = new AbortController();
    // At once, before any wait: the host may be leaving already.
    this.#holds.set(key, late);
    const drop = () => {
      if (this.#holds.delete(key) && this.#holds.size === 0) this.#released.resolve();
    };
    try {
      signal.throwIfAborted();
      if (this.#taking === undefined) throw new Error('logind does not wait for it (wdock doctor says why)');
      await this.#taking;
      return { late: late.signal, [Symbol.dispose]: drop };
    } catch (error) {
      drop();
      if (signal.aborted) throw DockError.from(signal.reason, 'cancelled');
      const { message } = DockError.from(error);
      throw new DockError('missing-dependency', `this device cannot be kept awake: ${message}`, {
        cause: error,
      });
    }
  }

  /** The host leaves: waits until nobody holds it awake, and lets it go. */
  async leave(signal: AbortSignal): Promise<void> {
    const isLate = () => {
      for (const late of this.#holds.values())
        late.abort(new DockError('timeout', 'this device is about to leave'));
    };
    this.#lateTimer = setTimeout(isLate, this.#delayMaxMs * lateShare);
    try {
      if (this.#holds.size === 0) await delay(claimMs, undefined, { signal });
      while (this.#holds.size > 0) {
        this.#released = Promise.withResolvers();
        const end = once(signal, 'abort');
        await Promise.race([this.#released.promise, end]);
        signal.throwIfAborted();
      }
    } finally {
      await this.release();
    }
  }

  /** The host may leave without waiting for us. */
  async release(): Promise<void> {
    clearTimeout(this.#lateTimer);
    const taking = this.#taking;
    this.#taking = undefined;
    this.#program = undefined;
    await end(taking);
  }
}

async function end(taking: Promise<HeldProgram> | undefined): Promise<void> {
  const program = await taking?.catch(() => undefined);
  await program?.[Symbol.asyncDispose]();
}

async function startInhibitor(systemBus: string, signal: AbortSignal): Promise<HeldProgram> {
  const held = Promise.withResolvers<void>();
  const argv = [
    'systemd-inhibit',
    '--what=sleep:shutdown',
    '--mode=delay',
    '--who=Wireless Dock',
    '--why=A virtual machine may have to leave first',
    'cat',
  ];
  const environment = { DBUS_SYSTEM_BUS_ADDRESS: systemBus };
  const program = await HeldProgram.start(argv, { onLine: () => held.resolve(), environment }, signal);
  const limit = AbortSignal.timeout(takeLimitMs);
  const ends = [signal, program.ended, limit].map(async (end) => {
    if (!end.aborted) await once(end, 'abort');
    throw DockError.from(end.reason, 'cancelled');
  });
  for (const end of ends) end.catch(() => undefined);
  try {
    // It starts `cat` when it has the inhibitor; so does an echo say that it has it.
    program.write('held\n');
    await Promise.race([held.promise, ...ends]);
    return program;
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}
