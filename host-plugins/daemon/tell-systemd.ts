import { run } from '../system/process/run.ts';

const limitMs = 10_000;

/**
 * Tells systemd that this service is ready, where it waits for that (sd_notify(3)); Node has no datagram sockets, so
 * systemd-notify does it. Nothing that is started later may speak for this service. Throws what `run` throws.
 */
export async function tellSystemdReady(environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  if (environment['NOTIFY_SOCKET'] === undefined) return;
  await run(['systemd-notify', '--ready'], { timeoutMs: limitMs, signal });
  delete environment['NOTIFY_SOCKET'];
}
