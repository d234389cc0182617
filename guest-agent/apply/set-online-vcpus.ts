import type { AgentResult } from '../../protocol/agent-channel.ts';
import { chooseVcpus } from '../decide/choose-vcpus.ts';
import { cpuFolder, readCpuNumbers } from '../observe/read-cpus.ts';
import { sleep } from '../retry-delay.ts';
import type { SystemFiles } from '../system-files.ts';

const pollMs = 50;

/** Onlines or offlines until `wanted` processors are online, waiting for ones that are still being plugged. */
export async function setOnlineVcpus(
  files: SystemFiles,
  wanted: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<AgentResult<'set-online-vcpus'>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { present, online } = await readCpuNumbers(files);
    const switches = chooseVcpus(present, online, wanted);
    const failures = [
      ...(await Promise.all(switches.online.map((cpu) => switchCpu(files, cpu, true)))),
      ...(await inTurn(switches.offline, (cpu) => switchCpu(files, cpu, false))),
    ].filter((failure) => failure !== undefined);
    const late = performance.now() >= deadline;
    if ((switches.missing === 0 && failures.length === 0) || late) {
      const now = (await readCpuNumbers(files)).online.length;
      if (switches.missing > 0)
        failures.push(
          `${switches.missing} of ${wanted} vCPUs did not appear in the guest within ${timeoutMs} ms`,
        );
      return { online: now, problems: failures };
    }
    // A processor announces itself by a netlink uevent, which Node cannot hear, and sysfs has no inotify events.
    await sleep(pollMs, signal);
  }
}

/** Why the kernel refused, undefined when it did not. */
async function switchCpu(files: SystemFiles, cpu: number, on: boolean): Promise<string | undefined> {
  try {
    await files.write(`${cpuFolder}/cpu${cpu}/online`, on ? '1' : '0');
    return undefined;
  } catch (error) {
    return `vCPU ${cpu} did not go ${on ? 'online' : 'offline'}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
  }
}

/** One after the other: the kernel does them so anyway, and the order of failures is then the order of numbers. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
