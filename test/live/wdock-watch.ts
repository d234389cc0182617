import type { ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import type { z } from 'zod';
import { controlMethods } from '../../protocol/control-methods.ts';
import { killed, spawnMortal } from '../contract/guest-agent/spawn-mortal.ts';
import type { LabHost } from '../lab/lab-host.ts';

const WatchEvent = controlMethods.watch.progress;
export type WatchEvent = z.infer<typeof WatchEvent>;

/** `wdock watch --json` of a device: all that it has shown so far. */
export class WdockWatch implements AsyncDisposable {
  readonly #events: WatchEvent[] = [];
  readonly #news = new EventEmitter<{ event: [] }>();
  readonly #child: ChildProcess;

  constructor(host: LabHost) {
    this.#news.setMaxListeners(0);
    this.#child = spawnMortal(host.wdockCommand(['--json', 'watch']), {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    createInterface(this.#child.stdout as NodeJS.ReadableStream).on('line', (line) => {
      this.#events.push(WatchEvent.parse(JSON.parse(line)));
      this.#news.emit('event');
    });
  }

  /** The first event of which this holds, shown already or to come. */
  async saw(holds: (event: WatchEvent) => boolean, signal: AbortSignal): Promise<WatchEvent> {
    for (;;) {
      const found = this.#events.find(holds);
      if (found !== undefined) return found;
      await once(this.#news, 'event', { signal });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await killed(this.#child);
  }
}
