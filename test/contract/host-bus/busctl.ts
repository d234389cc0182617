import { Running } from '../daemon/processes.ts';

export const hostName = 'org.wirelessdock.Host1';
export const hostRoot = '/org/wirelessdock/Host1';
export const workPath = `${hostRoot}/workspaces/work`;

/** A user of every Debian system who is nobody in particular. */
export const stranger = 'nobody';
/** Another one, whom tests put into the group wireless-dock. */
export const member = 'games';

/** Runs busctl on a bus, as root or as a user; returns what it prints, and throws what it complains of. */
export class Busctl {
  readonly address: string;
  readonly #user: string | undefined;

  constructor(address: string, user?: string) {
    this.address = address;
    this.#user = user;
  }

  as(user: string): Busctl {
    return new Busctl(this.address, user);
  }

  async run(...args: string[]): Promise<string> {
    const argv = ['busctl', `--address=${this.address}`, '--timeout=60', ...args];
    const { exit, out, err } = await this.start(argv).ended;
    if (exit !== 0) throw new Error(`busctl ended with ${exit}: ${err}`);
    return out.trim();
  }

  /** Starts another program as this user. */
  start(argv: readonly string[]): Running {
    const enter = ['setpriv', `--reuid=${this.#user}`, '--regid=nogroup', '--clear-groups', '--'];
    return new Running(this.#user === undefined ? argv : [...enter, ...argv]);
  }

  async call(path: string, face: string, method: string, ...args: string[]): Promise<string> {
    return await this.run('call', hostName, path, `${hostName}${face}`, method, ...args);
  }

  /** `s "here"` */
  async property(path: string, face: string, name: string): Promise<string> {
    return await this.run('get-property', hostName, path, `${hostName}${face}`, name);
  }

  /** `Dock` of the workspace; returns the path of the trip. */
  async dock(target: string): Promise<string> {
    return /^o "(.*)"$/.exec(await this.call(workPath, '.Workspace', 'Dock', 's', target))?.[1] ?? '';
  }
}

const dbusSendTypes: Readonly<Record<string, string>> = { s: 'string', b: 'boolean' };

/**
 * Name and message of the error that a call is answered with: busctl has words of its own for some. dbus-send does not
 * allow that its user is asked.
 */
export async function refusalOf(
  user: Busctl,
  path: string,
  face: string,
  method: string,
  signature = '',
  ...args: string[]
): Promise<string[]> {
  const typed = Array.from(signature, (type, at) => `${dbusSendTypes[type]}:${args[at]}`);
  const { err } = await user.start([
    ...['dbus-send', `--bus=${user.address}`, '--print-reply', `--dest=${hostName}`],
    ...[path, `${hostName}${face}.${method}`, ...typed],
  ]).ended;
  return /^Error (\S+): (.*)$/m.exec(err)?.slice(1) ?? [err];
}
