import type { AgentResult, HostDescription } from '../../protocol/agent-channel.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { Inhibitors } from '../apply/inhibitors.ts';
import type { StoredState } from '../stored-state.ts';
import { agentPath, agentShape } from './agent-interface.ts';
import type { DbusConnection } from './dbus-connection.ts';
import type { DbusInterface } from './dbus-interface.ts';
import { implement } from './implement.ts';

export interface PresenceOptions {
  readonly bus: DbusConnection;
  readonly stored: StoredState;
  readonly version: string;
  readonly registerSession: (caller: string) => Promise<void>;
  readonly describeState: () => Promise<string>;
  readonly inhibitorsChanged: (who: readonly string[]) => void;
}

/** `org.wirelessdock.Agent1` on the system bus: tells applications of the host and of moves, and lets them delay one. */
export class AgentPresence {
  readonly #options: PresenceOptions;
  readonly #inhibitors = new Inhibitors();
  /** Listeners for the end of a holder, by its unique name. */
  readonly #holders = new Map<string, () => void>();
  readonly #offered: DbusInterface;
  #moving: HostDescription | undefined;
  #vcpus = 1;
  #toldConnectivity: string;
  /** Called when an inhibitor was released, or the move was called off. */
  #wake: (() => void)[] = [];

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { stored, version } = options;
    this.#toldConnectivity = this.#connectivity();
    this.#offered = implement(
      agentShape,
      {
        Inhibit: ([who, why], sender) => [this.#inhibit(sender, String(who), String(why))],
        Uninhibit: ([cookie], sender) => this.#uninhibit(sender, Number(cookie)),
        RegisterSession: async (_, sender) => {
          await options.registerSession(sender);
          return [];
        },
        GetState: async () => [await options.describeState()],
      },
      {
        Version: () => version,
        HostName: () => stored.read().host?.name ?? '',
        HostClass: () => stored.read().host?.deviceClass ?? '',
        Simulated: () => stored.read().host?.simulated ?? false,
        Epoch: () => stored.read().epoch,
        HostConnectivity: () => this.#connectivity(),
        Moving: () => this.#moving !== undefined,
        Vcpus: () => this.#vcpus,
        Guarded: () => stored.read().guarded,
        Inhibitors: () => this.#holding(),
      },
    );
    options.bus.export(agentPath, this.#offered);
  }

  /** The host of a session; changes properties, and is no move. */
  async greet(host: HostDescription, epoch: number): Promise<void> {
    const before = this.#options.stored.read();
    await this.#options.stored.write({ host, epoch });
    const sameHost = JSON.stringify(before.host) === JSON.stringify(host);
    this.#changed([...(sameHost ? [] : hostProperties), ...(before.epoch === epoch ? [] : ['Epoch'])]);
  }

  /** Tells applications, then waits until none holds an inhibitor, the time is over, or the move is called off. */
  async prepareMove(
    target: HostDescription,
    maxDelayMs: number,
    signal: AbortSignal,
  ): Promise<AgentResult<'prepare-move'>> {
    const started = performance.now();
    this.#setMoving(target);
    this.#emit('PreparingForMove', [true, target.name, target.deviceClass]);
    const delayedBy = this.#holding();
    for (;;) {
      const leftMs = maxDelayMs - (performance.now() - started);
      if (this.#moving === undefined || this.#inhibitors.all().length === 0 || leftMs <= 0) break;
      await this.#woken(leftMs, signal);
    }
    const expired = this.#moving !== undefined && this.#inhibitors.all().length > 0;
    return { delayedMs: Math.round(performance.now() - started), delayedBy, expired };
  }

  cancelMove(): void {
    const target = this.#moving;
    if (target === undefined) return;
    this.#setMoving(undefined);
    this.#emit('PreparingForMove', [false, target.name, target.deviceClass]);
    this.#wakeAll();
  }

  /** The guest runs on this host now. Asked for twice, it is told once. */
  async moved(host: HostDescription, epoch: number): Promise<void> {
    const before = this.#options.stored.read();
    const news = this.#moving !== undefined || before.epoch !== epoch || before.host?.name !== host.name;
    await this.greet(host, epoch);
    if (news) this.#emit('Moved', [host.name, host.deviceClass]);
    this.cancelMove();
  }

  setVcpus(online: number): void {
    if (online === this.#vcpus) return;
    this.#vcpus = online;
    this.#changed(['Vcpus']);
  }

  /** What is stored of whether the host is trusted has changed. */
  guardChanged(): void {
    this.#changed(['Guarded']);
  }

  /** What is stored of the host's network may have changed. */
  connectivityChanged(): void {
    const now = this.#connectivity();
    if (now === this.#toldConnectivity) return;
    this.#toldConnectivity = now;
    this.#changed(['HostConnectivity']);
  }

  /** The bus has gone, and with it every holder. */
  forgetHolders(): void {
    for (const holder of [...this.#holders.keys()]) this.#holderLeft(holder);
  }

  #connectivity(): 'full' | 'portal' | 'unknown' {
    const network = this.#options.stored.read().network;
    if (network === undefined) return 'unknown';
    return network.portal ? 'portal' : 'full';
  }

  #inhibit(holder: string, who: string, why: string): number {
    const cookie = this.#inhibitors.take(holder, who, why);
    if (cookie === undefined) throw new DockError('conflict', 'too many inhibitors are held already');
    if (!this.#holders.has(holder)) {
      this.#holders.set(
        holder,
        this.#options.bus.listenToOwner(holder, (owner) => {
          if (owner === undefined) this.#holderLeft(holder);
        }),
      );
    }
    this.#inhibitorsChanged();
    return cookie;
  }

  #uninhibit(holder: string, cookie: number): [] {
    if (!this.#inhibitors.release(holder, cookie))
      throw new DockError('not-found', `you hold no inhibitor with the cookie ${cookie}`);
    if (this.#inhibitors.of(holder).length === 0) this.#stopWatching(holder);
    this.#inhibitorsChanged();
    return [];
  }

  #holderLeft(holder: string): void {
    this.#stopWatching(holder);
    if (this.#inhibitors.releaseAll(holder)) this.#inhibitorsChanged();
  }

  #stopWatching(holder: string): void {
    this.#holders.get(holder)?.();
    this.#holders.delete(holder);
  }

  #inhibitorsChanged(): void {
    this.#changed(['Inhibitors']);
    this.#options.inhibitorsChanged(this.#holding());
    this.#wakeAll();
  }

  #holding(): string[] {
    return this.#inhibitors.all().map(({ who, why }) => (why === '' ? who : `${who}: ${why}`));
  }

  /** Until something about the wait has changed, `ms` at most. */
  #woken(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', fail);
        resolve();
      };
      const fail = (): void => {
        clearTimeout(timer);
        reject(DockError.from(signal.reason, 'cancelled'));
      };
      const timer = setTimeout(wake, ms);
      this.#wake.push(wake);
      if (signal.aborted) fail();
      else signal.addEventListener('abort', fail, { once: true });
    });
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #setMoving(target: HostDescription | undefined): void {
    const before = this.#moving !== undefined;
    this.#moving = target;
    if (before !== (target !== undefined)) this.#changed(['Moving']);
  }

  #changed(names: readonly string[]): void {
    if (names.length > 0) this.#options.bus.emitPropertiesChanged(agentPath, this.#offered, names);
  }

  #emit(signal: keyof typeof agentShape.signals, body: readonly unknown[]): void {
    const signature = agentShape.signals[signal].map(([, type]) => type).join('');
    this.#options.bus.emit(agentPath, agentShape.name, signal, signature, body);
  }
}

const hostProperties = ['HostName', 'HostClass', 'Simulated'];
