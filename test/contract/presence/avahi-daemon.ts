import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { spawnMortal } from '../guest-agent/spawn-mortal.ts';

export interface AvahiPlace {
  /** What a command begins with to run in the network namespace. */
  readonly enter: readonly string[];
  /** Address of the bus that it serves. */
  readonly bus: string;
  /** Is written. */
  readonly configFile: string;
  readonly hostName: string;
}

/** A real avahi-daemon, which answers on return. Its folder is its own: the pid file has the same name wherever it runs. */
export async function startAvahi({ enter, bus, configFile, hostName }: AvahiPlace): Promise<ChildProcess> {
  // The daemon's own entries have the host's name in them; here only ours shall be heard.
  const publish = 'publish-addresses=no\npublish-hinfo=no\npublish-workstation=no\npublish-domain=no';
  await writeFile(configFile, `[server]\nhost-name=${hostName}\n[publish]\n${publish}\n`);
  const script = [
    'mkdir -p /run/avahi-daemon',
    'mount -t tmpfs none /run/avahi-daemon',
    `exec avahi-daemon --no-drop-root --no-chroot --no-rlimits --file=${configFile}`,
  ].join(' && ');
  const daemon = spawnMortal([...enter, 'unshare', '--mount', 'sh', '-c', script], {
    env: { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: bus },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  for await (const line of createInterface(daemon.stderr as NodeJS.ReadableStream)) {
    said += `${line}\n`;
    if (line.includes('Server startup complete')) break;
  }
  if (!said.includes('Server startup complete')) throw new Error(`avahi-daemon ended: ${said}`);
  daemon.stderr?.resume();
  return daemon;
}
