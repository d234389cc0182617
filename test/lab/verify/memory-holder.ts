import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** The name under which the guest shows the process that holds memory. */
export const holderName = 'big-document';

/** Touches each page, says so, and waits to be ended, or for the end of whoever started it. */
const script = `process.title = '${holderName}';
const held = [];
for (let left = Number(process.argv[1]); left > 0; left -= 4) held.push(Buffer.alloc(4 << 20, 1 + (left & 127)));
process.stdout.write('held');
process.stdin.resume();`;

/**
 * Another program that has a large document open: memory in use, which no dropping of caches brings back. A process
 * of its own, so that it is shown by its name, and its memory is free at once when it ends.
 */
export class MemoryHolder {
  /** What is held now, MiB. */
  heldMiB = 0;
  #holder: ChildProcess | undefined;

  /** Holds this much, a multiple of 4 MiB, instead of what was held before; resolves when each page was touched. */
  async hold(sizeMiB: number): Promise<void> {
    const before = this.#holder;
    if (before !== undefined) {
      const ended = once(before, 'exit');
      before.kill('SIGKILL');
      await ended;
    }
    this.#holder = undefined;
    if (sizeMiB > 0) {
      const holder = spawn(process.execPath, ['-e', script, String(sizeMiB)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      this.#holder = holder;
      await once(holder.stdout, 'data');
    }
    this.heldMiB = sizeMiB;
  }
}
