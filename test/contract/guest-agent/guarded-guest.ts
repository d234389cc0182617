import { DbusConnection } from '../../../guest-agent/dbus/dbus-connection.ts';
import type { DbusInterface } from '../../../guest-agent/dbus/dbus-interface.ts';

const limit = () => AbortSignal.timeout(20_000);
const systemd = 'org.freedesktop.systemd1';
const login = 'org.freedesktop.login1';
const secrets = 'org.freedesktop.secrets';
const systemdPath = '/org/freedesktop/systemd1';

/** logind and the units of systemd as the agent meets them: the wire alone, for neither runs beside a test. */
export class SystemStandIn implements AsyncDisposable {
  readonly #bus: DbusConnection;
  /** Mount units, and whether they are mounted. */
  readonly mounts = new Map<string, boolean>();
  /** Units that a program keeps from being stopped. */
  readonly busy = new Set<string>();
  sessionsLocked = 0;
  #jobs = 0;

  private constructor(address: string) {
    this.#bus = new DbusConnection(address);
  }

  static async start(address: string, mounts: readonly string[]): Promise<SystemStandIn> {
    const system = new SystemStandIn(address);
    for (const unit of mounts) {
      system.mounts.set(unit, true);
      system.#bus.export(unitPath(unit), {
        name: `${systemd}.Unit`,
        methods: {},
        properties: {
          ActiveState: { signature: 's', read: () => (system.mounts.get(unit) ? 'active' : 'inactive') },
        },
        signals: {},
      });
    }
    system.#bus.export(systemdPath, system.#manager());
    system.#bus.export('/org/freedesktop/login1', {
      name: `${login}.Manager`,
      methods: {
        LockSessions: {
          in: [],
          out: [],
          handle: () => {
            system.sessionsLocked++;
            return [];
          },
        },
      },
      properties: {},
      signals: {},
    });
    await system.#bus.ownName(systemd, limit());
    await system.#bus.ownName(login, limit());
    return system;
  }

  #manager(): DbusInterface {
    const job = (mounted: boolean) => ({
      in: [
        ['name', 's'],
        ['mode', 's'],
      ] as const,
      out: [['job', 'o']] as const,
      handle: ([name]: readonly unknown[]) => {
        const unit = String(name);
        const path = `${systemdPath}/job/${++this.#jobs}`;
        const stays = this.busy.has(unit);
        if (!stays) this.mounts.set(unit, mounted);
        // After the answer, as systemd does.
        setImmediate(() => {
          const body = [this.#jobs, path, unit, stays ? 'failed' : 'done'];
          this.#bus.emit(systemdPath, `${systemd}.Manager`, 'JobRemoved', 'uoss', body);
        });
        return [path];
      },
    });
    return {
      name: `${systemd}.Manager`,
      methods: {
        Subscribe: { in: [], out: [], handle: () => [] },
        Unsubscribe: { in: [], out: [], handle: () => [] },
        GetUnit: {
          in: [['name', 's']],
          out: [['unit', 'o']],
          handle: ([name]) => [unitPath(String(name))],
        },
        StopUnit: job(false),
        StartUnit: job(true),
      },
      properties: { SystemState: { signature: 's', read: () => 'running' } },
      signals: {
        JobRemoved: [
          ['id', 'u'],
          ['job', 'o'],
          ['unit', 's'],
          ['result', 's'],
        ],
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bus[Symbol.asyncDispose]();
  }
}

/** A keyring on a session bus: a collection that locks, and where `stubborn` one that does not. */
export class KeyringStandIn implements AsyncDisposable {
  readonly #bus: DbusConnection;
  readonly locked = new Set<string>();

  private constructor(address: string) {
    this.#bus = new DbusConnection(address);
  }

  static async start(address: string, stubborn: boolean): Promise<KeyringStandIn> {
    const keyring = new KeyringStandIn(address);
    const labels = stubborn ? ['login', 'stubborn'] : ['login'];
    const path = (label: string) => `/org/freedesktop/secrets/collection/${label}`;
    for (const label of labels) {
      keyring.#bus.export(path(label), {
        name: 'org.freedesktop.Secret.Collection',
        methods: {},
        properties: {
          Label: { signature: 's', read: () => label },
          Locked: { signature: 'b', read: () => keyring.locked.has(path(label)) },
        },
        signals: {},
      });
    }
    keyring.#bus.export('/org/freedesktop/secrets', {
      name: 'org.freedesktop.Secret.Service',
      methods: {
        Lock: {
          in: [['objects', 'ao']],
          out: [
            ['locked', 'ao'],
            ['prompt', 'o'],
          ],
          handle: ([objects]) => {
            const taken = (objects as string[]).filter((each) => !each.endsWith('stubborn'));
            for (const each of taken) keyring.locked.add(each);
            return [taken, '/'];
          },
        },
      },
      properties: { Collections: { signature: 'ao', read: () => labels.map(path) } },
      signals: {},
    });
    await keyring.#bus.ownName(secrets, limit());
    return keyring;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bus[Symbol.asyncDispose]();
  }
}

function unitPath(unit: string): string {
  return `${systemdPath}/unit/${unit.replace(/[^A-Za-z0-9]/g, '_')}`;
}
