import { on } from 'node:events';
import { watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { DockError } from '../../../protocol/dock-error.ts';

/** What a kernel writes when the guest is lost; waiting for anything else is then in vain. */
const lastWords = /Kernel panic|Oops:|BUG: |Unable to mount root/;

/**
 * Waits for a line in a file that another process appends to, from its beginning. Hands over every line on the way.
 * @throws DockError `io` where the guest's kernel crashes first; `timeout` or `cancelled` by the signal. The message
 *   has the last lines.
 */
export async function waitForSerialLine(
  path: string,
  wanted: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await using file = await open(path, 'a+');
  const seen: string[] = [];
  const reader = new LineReader();
  // Before the first read: what is appended between a read and the watch would be missed.
  using resources = new DisposableStack();
  const watcher = resources.adopt(watch(path), (opened) => opened.close());
  const changes = on(watcher, 'change', { signal });
  const read = async () => {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(64 * 1024));
      if (bytesRead === 0) return false;
      for (const line of reader.push(buffer.subarray(0, bytesRead))) {
        seen.push(line);
        onLine(line);
        if (lastWords.test(line))
          throw new DockError('io', `the guest crashed: ${seen.slice(-10).join('\n')}`);
        if (line.includes(wanted)) return true;
      }
    }
  };
  try {
    if (await read()) return;
    for await (const _ of changes) if (await read()) return;
  } catch (error) {
    if (!signal.aborted) throw error;
    const kind = DockError.from(signal.reason, 'cancelled').kind;
    throw new DockError(
      kind,
      `the guest did not say "${wanted}"; its last lines: ${seen.slice(-10).join('\n')}`,
      {
        cause: error,
      },
    );
  }
}

/** Cuts bytes into lines; drops carriage returns and terminal sequences, which a serial line is full of. */
class LineReader {
  readonly #decoder = new TextDecoder();
  #rest = '';

  push(bytes: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal sequences begin with one
    return lines.map((line) => line.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]|\r/g, ''));
  }
}
