import { cpus } from 'node:os';

/** How much of the time of this computer's processors nobody used since it was asked last. */
export class IdleShare {
  #last = readTimes();

  /** 0 to 1; undefined where nothing can be told, e.g. because no time has passed. */
  look(): number | undefined {
    const { idle, all } = this.#last;
    this.#last = readTimes();
    const passed = this.#last.all - all;
    return passed > 0 ? (this.#last.idle - idle) / passed : undefined;
  }
}

function readTimes(): { readonly idle: number; readonly all: number } {
  let [idle, all] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    all += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { idle, all };
}
