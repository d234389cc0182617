import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { DbusConnection } from '../../../host-plugins/system/dbus/dbus-connection.ts';
import { makeVariant, plainDbusValue } from '../../../host-plugins/system/dbus/dbus-value.ts';
import { PrivateBus } from '../guest-agent/private-bus.ts';
import { killed, spawnMortal } from '../guest-agent/spawn-mortal.ts';

const destination = 'org.freedesktop.login1';
const root = '/org/freedesktop/login1';
const manager = `${destination}.Manager`;
const mock = 'org.freedesktop.DBus.Mock';

/**
 * The logind of python-dbusmock, which is not ours, on a bus of its own: its interface, paths and inhibitors (real file
 * descriptors) are as logind's; what happens to the computer is what a test says.
 */
export class MockedLogind implements AsyncDisposable {
  readonly bus: PrivateBus;
  readonly #connection: DbusConnection;
  #process: ChildProcess | undefined;

  private constructor(bus: PrivateBus) {
    this.bus = bus;
    this.#connection = new DbusConnection(bus.address);
  }

  static async start(delayMaxMs: number): Promise<MockedLogind> {
    const logind = new MockedLogind(await PrivateBus.start('open'));
    try {
      await logind.run(delayMaxMs);
      return logind;
    } catch (error) {
      await logind[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Also again, after `kill`. */
  async run(delayMaxMs: number): Promise<void> {
    const argv = [
      '/usr/bin/python3',
      '-u',
      '-m',
      'dbusmock',
      '--system',
      '--template',
      'logind',
      '--logfile',
      '/dev/null',
    ];
    const owned = Promise.withResolvers<void>();
    const stop = this.#connection.listenToOwner(destination, (owner) => {
      if (owner !== undefined) owned.resolve();
    });
    const python = spawnMortal(argv, {
      env: { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: this.bus.address },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = python;
    let said = '';
    createInterface(python.stderr as NodeJS.ReadableStream).on('line', (line) => {
      said += line;
    });
    python.once('exit', (code) => owned.reject(new Error(`dbusmock ended with ${code}: ${said}`)));
    await owned.promise;
    stop();
    await this.#mock(root, 'AddProperty', 'ssv', [manager, 'LidClosed', makeVariant('b', false)]);
    const delayMax = makeVariant('t', BigInt(delayMaxMs * 1000));
    await this.#mock(root, 'AddProperty', 'ssv', [manager, 'InhibitDelayMaxUSec', delayMax]);
  }

  async kill(): Promise<void> {
    const python = this.#process;
    python?.removeAllListeners('exit');
    if (python !== undefined) await killed(python);
  }

  async addSession(id: string): Promise<string> {
    const [path] = await this.#mock(root, 'AddSession', 'ssusb', [id, 'seat0', 1000, 'frida', true]);
    return String(path);
  }

  async setSession(path: string, changes: { LockedHint?: boolean; IdleHint?: boolean }): Promise<void> {
    const properties = Object.entries(changes).map(([key, value]) => [key, makeVariant('b', value)]);
    const body = [`${destination}.Session`, Object.fromEntries(properties)];
    await this.#mock(path, 'UpdateProperties', 'sa{sv}', body);
  }

  /** As the switch does it: logind signals no change of this property. */
  async setLid(closed: boolean): Promise<void> {
    await this.#call(root, 'org.freedesktop.DBus.Properties', 'Set', 'ssv', [
      manager,
      'LidClosed',
      makeVariant('b', closed),
    ]);
  }

  async prepareFor(what: 'Sleep' | 'Shutdown', begins: boolean): Promise<void> {
    const body = [manager, `PrepareFor${what}`, 'b', [makeVariant('b', begins)]];
    await this.#mock(root, 'EmitSignal', 'sssav', body);
  }

  /** What is inhibited, and how, for whom: `sleep:shutdown delay Wireless Dock`. */
  async inhibitors(): Promise<string[]> {
    const [all] = await this.#call(root, manager, 'ListInhibitors', '', []);
    return (plainDbusValue(all) as string[][]).map(([what, who, , mode]) => `${what} ${mode} ${who}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
    await this.kill();
    await this.bus[Symbol.asyncDispose]();
  }

  async #mock(path: string, member: string, signature: string, body: readonly unknown[]) {
    return await this.#call(path, mock, member, signature, body);
  }

  async #call(path: string, face: string, member: string, signature: string, body: readonly unknown[]) {
    const call = { destination, path, interface: face, member, signature, body };
    return await this.#connection.call(call, AbortSignal.timeout(20_000));
  }
}
