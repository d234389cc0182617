import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../protocol/dock-error.ts';
import { adoptDetached, type DetachedProcess, startDetached } from '../system/process/detached-process.ts';
import { interruption } from '../system/process/interruption.ts';
import { writeFileDurably } from '../system/process/write-file-durably.ts';
import type { RuntimeFiles } from './runtime-files.ts';

/** Cleanup does not wait longer than this for a killed bus, ms. */
const cleanupMs = 5_000;
/**
 * A socket between bind and listen refuses, and neither shows in inotify; so it is tried again this often,
 * ms.
 */
const retryMs = 20;

/**
 * Starts the private bus on which one QEMU offers its display. Private, because the name `org.qemu` exists
 * once a bus; a bus and not a peer-to-peer connection, because that needs file descriptors sent over a
 * socket, which Node cannot. It outlives the daemon. Idempotent: one that runs is adopted.
 */
export async function startDisplayBus(files: RuntimeFiles, signal: AbortSignal): Promise<DetachedProcess> {
  const running = await adoptDisplayBus(files);
  if (running !== undefined) return running;
  await writeFileDurably(files.displayBusConfig, busConfig(files.displayBusSocket));
  const bus = await startDetached(
    {
      argv: [
        'dbus-daemon',
        '--nofork',
        '--nopidfile',
        '--nosyslog',
        `--config-file=${files.displayBusConfig}`,
      ],
      logFile: files.displayBusLog,
      pidFile: files.displayBusPid,
      marker: files.displayBusConfig,
    },
    signal,
  );
  try {
    await untilListening(files.displayBusSocket, bus, signal);
    return bus;
  } catch (error) {
    await bus.terminate(0, AbortSignal.timeout(cleanupMs));
    throw error;
  }
}

/** The bus that an earlier life of the daemon started; undefined when there is none. */
export function adoptDisplayBus(files: RuntimeFiles): Promise<DetachedProcess | undefined> {
  return adoptDetached(
    { pidFile: files.displayBusPid, logFile: files.displayBusLog },
    { program: 'dbus-daemon', marker: files.displayBusConfig },
  );
}

/**
 * Who reaches the socket may do all: the folder around it is the daemon's and its QEMU's alone. Nobody is asked who they
 * are, for dbus-daemon refuses a user that is in no list of users, as QEMU's is. No service is ever started by this bus.
 */
function busConfig(socket: string): string {
  const path = encodeURIComponent(socket).replaceAll('%2F', '/');
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${path}</listen>
  <auth>ANONYMOUS</auth>
  <allow_anonymous/>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;
}

async function untilListening(path: string, bus: DetachedProcess, signal: AbortSignal): Promise<void> {
  for (;;) {
    if (await listens(path)) return;
    if (!(await bus.isAlive())) {
      throw new DockError('io', `the display's bus did not start: ${await bus.logTail()}`);
    }
    await delay(retryMs, undefined, { signal }).catch(() => {
      throw interruption(signal, 'the start of the display bus');
    });
  }
}

async function listens(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
