import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killed, spawnMortal } from './spawn-mortal.ts';

const packaging = join(import.meta.dirname, '../../../packaging');
/** What our packages, and polkit's, put into /usr/share/dbus-1/system.d. */
const policies = [
  `${packaging}/agent/org.wirelessdock.Agent1.conf`,
  `${packaging}/host/org.wirelessdock.Host1.conf`,
  '/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf',
];

/** Rules as in Debian's system.conf: nothing may be owned or called that no file in system.d allows. */
const closedRules = `
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
  </policy>
${policies.map((policy) => `  <include ignore_missing="yes">${policy}</include>`).join('\n')}`;

const openRules = `
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>`;

/** A dbus-daemon of the test's own. */
export class PrivateBus implements AsyncDisposable {
  readonly folder: string;
  readonly address: string;
  #daemon: ChildProcess | undefined;

  private constructor(folder: string) {
    this.folder = folder;
    this.address = `unix:path=${folder}/bus`;
  }

  /** `system`: closed, with the policy files that the packages install. `open`: anybody may do anything. */
  static async start(kind: 'system' | 'open'): Promise<PrivateBus> {
    const bus = new PrivateBus(await mkdtemp(join(tmpdir(), 'wdock-bus-')));
    // As the system's bus can be: what a user may do there is its own business.
    await chmod(bus.folder, 0o755);
    await writeFile(
      `${bus.folder}/bus.conf`,
      `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>${kind === 'system' ? 'system' : 'session'}</type>
  <listen>${bus.address}</listen>
  <auth>EXTERNAL</auth>${kind === 'system' ? closedRules : openRules}
</busconfig>\n`,
    );
    await bus.resume();
    return bus;
  }

  /** Starts the daemon (again), at the same address; resolves when it accepts connections. */
  async resume(): Promise<void> {
    const daemon = spawnMortal(
      [
        'dbus-daemon',
        `--config-file=${this.folder}/bus.conf`,
        '--nofork',
        '--nopidfile',
        '--nosyslog',
        '--print-address=1',
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    this.#daemon = daemon;
    await Promise.race([
      once(daemon.stdout as NodeJS.ReadableStream, 'data'),
      failOnExit(daemon, 'dbus-daemon'),
    ]);
  }

  /** Kills the daemon, as a crash would. */
  async kill(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon !== undefined) await killed(daemon);
    // Nobody removes the socket of a daemon that was killed, and the next one would not take it.
    await rm(`${this.folder}/bus`, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Rejects when the child ends before the test is done with waiting for it. */
export async function failOnExit(child: ChildProcess, name: string): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null];
  throw new Error(`${name} ended with ${code}`);
}
