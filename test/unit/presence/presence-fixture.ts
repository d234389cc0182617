import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { type WatchEvent, WatchHub } from '../../../host-plugins/daemon/watch-hub.ts';
import { formatFingerprint } from '../../../host-plugins/pairing/fingerprint.ts';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { TrustStore } from '../../../host-plugins/pairing/trust-store.ts';
import type {
  AwakeHold,
  Observation,
  ObservationSource,
  StayAwake,
} from '../../../host-plugins/presence/observation.ts';
import type { PresenceClock } from '../../../host-plugins/presence/presence-clock.ts';
import { PresenceService } from '../../../host-plugins/presence/presence-service.ts';
import { openRules } from '../../../host-plugins/presence/read-rules.ts';
import type { WorkspacePlace, WorkspacePlaces } from '../../../host-plugins/presence/workspace-places.ts';
import type { DockError } from '../../../protocol/dock-error.ts';
import { temporaryFolder } from '../pairing/temporary-folder.ts';
import { mobileDevice } from '../policies/example-hosts.ts';

export const self = await generateIdentity('mid');
export const pc = await generateIdentity('pc');

/** Goes forward when it is told to, and rings what is due on the way. */
class TestClock implements PresenceClock {
  #now = 0;
  readonly #alarms = new Set<{ at: number; ring: () => void }>();

  now = () => this.#now;
  wall = () => this.#now;

  alarm(at: number, ring: () => void): Disposable {
    const alarm = { at, ring };
    this.#alarms.add(alarm);
    return { [Symbol.dispose]: () => this.#alarms.delete(alarm) };
  }

  pass(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = [...this.#alarms].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#alarms.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.ring();
    }
    this.#now = until;
  }
}

interface TripCall {
  readonly trip: 'dock' | 'undock';
  readonly workspace: string;
  readonly target: string | undefined;
  readonly signal: AbortSignal;
  /** It has arrived. */
  arrive(): void;
  /** From now on it cannot be ended. */
  handOver(): void;
  fail(error: Error): void;
}

/** The pipeline's end: workspaces that move when the test says so, told to the hub as the pipeline tells it. */
class TestPlaces implements WorkspacePlaces {
  readonly calls: TripCall[] = [];
  readonly #hub: WatchHub;
  readonly #places: Map<string, WorkspacePlace>;
  /** Trips by hand that shall end. */
  readonly kept: DockError[] = [];
  #called = Promise.withResolvers<void>();

  constructor(hub: WatchHub, places: readonly WorkspacePlace[]) {
    this.#hub = hub;
    this.#places = new Map(places.map((place) => [place.name, place]));
  }

  list = () => [...this.#places.values()];

  dock(workspace: string, target: string, signal: AbortSignal): Promise<void> {
    return this.#travel('dock', workspace, target, signal);
  }

  undock(workspace: string, signal: AbortSignal): Promise<void> {
    return this.#travel('undock', workspace, undefined, signal);
  }

  async keep(_workspace: string, reason: DockError): Promise<boolean> {
    this.kept.push(reason);
    return true;
  }

  /** The trip of this number, counted from 0, when it has been asked for. */
  async call(index: number): Promise<TripCall> {
    for (;;) {
      const call = this.calls[index];
      if (call !== undefined) return call;
      await this.#called.promise;
    }
  }

  move(name: string, where: WorkspacePlace['where']): void {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`no workspace ${name}`);
    this.#places.set(name, { ...place, where });
    const status = { name, homeDevice: 'mid', state: 'here', epoch: 1 } as const;
    this.#hub.publish({ kind: 'workspace', at: 0, status });
  }

  async #travel(
    trip: 'dock' | 'undock',
    workspace: string,
    target: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const place = this.#places.get(workspace);
    if (place === undefined) throw new Error(`no workspace ${workspace}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const before = place.where;
    this.move(workspace, 'moving');
    const onAbort = () => reject(signal.reason as Error);
    const handOver = () => signal.removeEventListener('abort', onAbort);
    this.calls.push({ trip, workspace, target, signal, arrive: resolve, handOver, fail: reject });
    this.#called.resolve();
    this.#called = Promise.withResolvers();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
      this.move(workspace, { at: target ?? place.home });
    } catch (error) {
      this.move(workspace, before);
      throw error;
    }
  }
}

/** logind's end: what was held, what of it was let go, and when its patience is about to end. */
class TestStayAwake implements StayAwake {
  held = 0;
  readonly late = new AbortController();
  #released = Promise.withResolvers<void>();

  async hold(): Promise<AwakeHold> {
    this.held++;
    return {
      late: this.late.signal,
      [Symbol.dispose]: () => {
        this.held--;
        this.#released.resolve();
        this.#released = Promise.withResolvers();
      },
    };
  }

  released = () => this.#released.promise;
}

export interface FixtureSettings {
  /** The section `triggers` of this device's policy. */
  readonly triggers: string;
  readonly workspaces?: readonly WorkspacePlace[];
  readonly sources?: readonly ObservationSource[];
  /** What keeps the device awake; default: the test's. */
  readonly guard?: StayAwake;
}

export const atHome: WorkspacePlace = {
  name: 'work',
  home: self.id,
  policy: undefined,
  where: { at: self.id },
};
export const visitor: WorkspacePlace = {
  name: 'work',
  home: pc.id,
  policy: undefined,
  where: { at: self.id },
};

/** The service with the real engine, hub, trust and policy files; its eyes, clock and trips are the test's. */
export async function presence({ triggers, workspaces = [atHome], sources = [], guard }: FixtureSettings) {
  const folder = await temporaryFolder();
  const policyFile = join(folder.path, 'mid.yaml');
  const write = (section: string) => writeFile(policyFile, `version: 1\ntriggers: ${section}\n`);
  await write(triggers);
  const trust = await TrustStore.load(join(folder.path, 'devices.json'), self.id);
  const { certificatePem, id } = pc;
  await trust.add({ name: 'pc', certificatePem, fingerprint: formatFingerprint(id), address: '192.0.2.7' });
  const hub = new WatchHub();
  const clock = new TestClock();
  const places = new TestPlaces(hub, workspaces);
  const stayAwake = new TestStayAwake();
  const events: WatchEvent[] = [];
  const logged: string[] = [];
  const watching = new AbortController();
  void hub.watch((event) => events.push(event), watching.signal);
  let tell: (observation: Observation) => void = () => undefined;
  const scripted: ObservationSource = {
    name: 'scripted',
    observe: async (told, signal) => {
      tell = told;
      const { promise, resolve } = Promise.withResolvers<void>();
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    },
  };
  const service = new PresenceService({
    selfId: self.id,
    trust,
    devices: {
      known: (device) => ({ ...device, fingerprint: device.id, reachable: true, self: false }),
      tellPresence: () => undefined,
    },
    hub,
    places,
    sources: [...sources, scripted],
    stayAwake: guard ?? stayAwake,
    openRules: (signal) =>
      openRules(
        { policyFolders: [folder.path], deviceName: 'mid', discoverHost: async () => mobileDevice },
        signal,
      ),
    clock,
    log: pino({ level: 'info' }, { write: (line: string) => void logged.push(line) }),
  });
  await service.start();
  const link = (signalDbm: number, device: string): Observation => ({
    kind: 'link',
    device,
    medium: 'wifi',
    rttMs: 5,
    lossShare: 0,
    signalDbm,
  });
  return {
    service,
    trust,
    clock,
    places,
    stayAwake,
    events,
    logged,
    write,
    tell: (observation: Observation) => tell(observation),
    /** Measures the link to each of these devices once a second for so long. */
    measure(signalDbm: number, seconds: number, devices: readonly string[] = [pc.id]): void {
      for (let second = 0; second < seconds; second++) {
        clock.pass(1_000);
        for (const device of devices) tell(link(signalDbm, device));
      }
    },
    /** What was last published of it. */
    last: () => events.findLast((event) => event.kind === 'presence' && event.status.workspace !== undefined),
    async call<M extends 'presence.answer' | 'presence.rules'>(method: M, params: object) {
      const handler = service.controlHandlers[method] as (params: object, call: object) => Promise<unknown>;
      return await handler(params, {});
    },
    async [Symbol.asyncDispose]() {
      watching.abort();
      await service.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}
