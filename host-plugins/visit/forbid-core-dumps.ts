import { run } from '../system/process/run.ts';

/**
 * Lets the kernel write no memory of this process, and of all that it starts, into a core dump. The limit is 1 and not
 * 0: with 0 the kernel still starts a core_pattern(5) that is a program, with 1 it refuses (do_coredump() in
 * fs/coredump.c). Where it cannot be set the device tells whoever needs it (read-host-memory.ts). Throws only when aborted.
 */
export async function forbidCoreDumps(signal: AbortSignal): Promise<void> {
  try {
    await run(['prlimit', '--pid', String(process.pid), '--core=1:1'], { timeoutMs: 5_000, signal });
  } catch {
    signal.throwIfAborted();
  }
}
