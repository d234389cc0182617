import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../../../protocol/dock-error.ts';
import { adoptDetached, startDetached } from '../../process/detached-process.ts';

/** The dnsmasq of one tap: it outlives wdockd as the VM does, and is ended with the tap's way to the LAN. */
export interface DnsmasqPlace {
  /** Below the runtime folder. */
  readonly folder: string;
  readonly tap: string;
}

const startLimitMs = 5_000;
const endGraceMs = 1_000;
const lookEveryMs = 20;

/** Starts it, and waits until it serves. Throws `missing-dependency` without dnsmasq, `io` with its last words. */
export async function startDnsmasq(
  place: DnsmasqPlace,
  args: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { pidFile, logFile, leases } = filesOf(place);
  await mkdir(place.folder, { recursive: true, mode: 0o700 });
  await rm(logFile, { force: true });
  const argv = [
    'dnsmasq',
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--log-facility=-', '--pid-file='],
    ...(await userArguments()),
    ...[`--interface=${place.tap}`, '--except-interface=lo', '--bind-dynamic', '--no-hosts', '--no-ping'],
    `--dhcp-leasefile=${leases}`,
    ...args,
  ];
  const started = await startDetached({ argv, logFile, pidFile, marker: leases }, signal);
  const limited = AbortSignal.any([signal, AbortSignal.timeout(startLimitMs)]);
  try {
    while (!/: started,/.test(await started.logTail(20))) {
      if (!(await started.isAlive())) {
        throw new DockError('io', `dnsmasq cannot serve ${place.tap}: ${await started.logTail(3)}`);
      }
      await delay(lookEveryMs, undefined, { signal: limited });
    }
  } catch (error) {
    await started.terminate(endGraceMs, AbortSignal.timeout(2 * endGraceMs)).catch(() => undefined);
    throw error;
  }
}

export async function dnsmasqRuns(place: DnsmasqPlace): Promise<boolean> {
  return (await find(place)) !== undefined;
}

/** Ends it, whichever wdockd has started it, and removes its files. Nothing there is no error. */
export async function stopDnsmasq(place: DnsmasqPlace, signal: AbortSignal): Promise<void> {
  await (await find(place))?.terminate(endGraceMs, signal);
  await Promise.all(Object.values(filesOf(place)).map((file) => rm(file, { force: true })));
}

function find(place: DnsmasqPlace) {
  const { pidFile, logFile, leases } = filesOf(place);
  return adoptDetached({ pidFile, logFile }, { program: 'dnsmasq', marker: leases });
}

function filesOf({ folder, tap }: DnsmasqPlace) {
  const path = (ending: string) => join(folder, `${tap}.${ending}`);
  return { pidFile: path('dnsmasq.pid'), logFile: path('dnsmasq.log'), leases: path('leases') };
}

/** In a user namespace of one user there is nobody else to become. */
async function userArguments(): Promise<string[]> {
  const map = await readFile('/proc/self/uid_map', 'utf8').catch(() => '');
  const users = map.split('\n').reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[2] ?? 0), 0);
  return users > 1 ? [] : ['--user=root', '--group='];
}
