import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatFingerprint } from '../../../host-plugins/pairing/fingerprint.ts';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { DbusConnection } from '../../../host-plugins/system/dbus/dbus-connection.ts';
import { plainDbusValue } from '../../../host-plugins/system/dbus/dbus-value.ts';
import { Running, type WdockdFolder, wdockdFolder } from '../daemon/processes.ts';
import { nameTaken } from '../host-bus/bus-events.ts';
import { hostName, hostRoot } from '../host-bus/busctl.ts';

const fixture = fileURLToPath(new URL('fixture-presence.ts', import.meta.url));
const propertiesFace = 'org.freedesktop.DBus.Properties';
export const pcPath = `${hostRoot}/devices/pc`;

interface DeviceProperties {
  readonly Nearness: string;
  readonly NearnessReason: string;
  readonly Next: string;
  readonly Questions: readonly (readonly [workspace: string, trip: string, why: string, until: number])[];
}

/** The wdockd of fixture-presence.ts on a bus, that trusts a device "pc", and asks at once when that is near. */
export class AskingWdockd implements AsyncDisposable {
  readonly here: WdockdFolder;
  readonly process: Running;
  readonly #bus: DbusConnection;

  private constructor(here: WdockdFolder, process: Running, bus: DbusConnection) {
    this.here = here;
    this.process = process;
    this.#bus = bus;
  }

  /** @param answerIn of the policy */
  static async start(systemBus: string, answerIn: string): Promise<AskingWdockd> {
    const here = await wdockdFolder('mid', { address: '127.0.0.1', port: 0 }, [], systemBus);
    await mkdir(join(here.path, 'policies'));
    await writePolicy(here, answerIn);
    await writeFile(here.config, `policies: [policies]\n`, { flag: 'a' });
    const environment = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: systemBus };
    const wdockd = new Running([process.execPath, fixture, here.config, 'work'], environment);
    const asking = new AskingWdockd(here, wdockd, new DbusConnection(systemBus));
    try {
      await wdockd.printed('serving now');
      await nameTaken(systemBus, hostName, AbortSignal.timeout(30_000));
      await asking.#trust();
      return asking;
    } catch (error) {
      await asking[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Questions from now on can be answered for so long. */
  async allow(answerIn: string): Promise<void> {
    await writePolicy(this.here, answerIn);
    await using reread = this.here.wdock('triggers');
    const { exit, err } = await reread.ended;
    if (exit !== 0) throw new Error(err);
  }

  /** The link to the other device, from now on. */
  link(state: 'near' | 'away'): void {
    this.process.child.stdin?.write(`${state}\n`);
  }

  /** The other device as the bus tells of it, as soon as this is true: read once, then by what is told of changes. */
  async until(what: (device: DeviceProperties) => boolean): Promise<DeviceProperties> {
    const { promise, resolve, reject } = Promise.withResolvers<DeviceProperties>();
    const limit = AbortSignal.timeout(30_000);
    let known: Partial<DeviceProperties> = {};
    const take = (told: unknown) => {
      known = { ...known, ...(plainDbusValue(told) as Partial<DeviceProperties>) };
      if ('Questions' in known && what(known as DeviceProperties)) resolve(known as DeviceProperties);
    };
    limit.addEventListener('abort', () => reject(new Error(`the device is ${JSON.stringify(known)}`)));
    const changes = {
      sender: hostName,
      path: pcPath,
      interface: propertiesFace,
      member: 'PropertiesChanged',
    };
    // After the answer that came before it, which is taken a moment later than it comes.
    const stop = this.#bus.listen(changes, ({ body }) => setImmediate(take, body[1]));
    const face = [`${hostName}.Device`];
    const target = { destination: hostName, path: pcPath, interface: propertiesFace };
    const call = { ...target, member: 'GetAll', signature: 's', body: face };
    this.#bus.call(call, limit).then(([all]) => take(all), reject);
    return await promise.finally(stop);
  }

  /** Until it asks; returns until when. */
  async asks(): Promise<number> {
    this.link('near');
    const { Questions } = await this.until(({ Questions: all }) => all.length > 0);
    return Questions[0]?.[3] ?? 0;
  }

  /** Whatever it asked, it asks no more, and would ask anew. */
  async leaves(): Promise<void> {
    this.link('away');
    await this.until(({ Nearness, Questions }) => Nearness === 'away' && Questions.length === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bus[Symbol.asyncDispose]();
    await this.process[Symbol.asyncDispose]();
    await this.here[Symbol.asyncDispose]();
  }

  async #trust(): Promise<void> {
    const pc = await generateIdentity('pc');
    const certificate = join(this.here.path, 'pc.pem');
    await writeFile(certificate, pc.certificatePem);
    // nobody is at this address: nearness comes from the source alone
    const address = ['--address', '127.0.0.1:9'];
    await using add = this.here.wdock(
      ...['devices', 'add', certificate, '--fingerprint', formatFingerprint(pc.id), ...address],
    );
    const { exit, err } = await add.ended;
    if (exit !== 0) throw new Error(err);
  }
}

async function writePolicy({ path }: WdockdFolder, answerIn: string): Promise<void> {
  const triggers = `{ dock: ask, nearFor: 0 s, holdOff: 0 s, answerIn: ${answerIn} }`;
  await writeFile(join(path, 'policies', 'laptop.yaml'), `version: 1\ntriggers: ${triggers}\n`);
}
