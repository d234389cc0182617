// The load inside the lab's guest: memory and disk whose right content is known, changed and checked all the time.
// Bundled for the guest's Node by test/lab/image/bundle-guest-programs.ts.
import { randomInt } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep, setImmediate as yieldToEvents } from 'node:timers/promises';
import { LoadRunner } from '../loads/load-runner.ts';
import { readBackground } from './background-service.ts';
import { DiskRing } from './disk-ring.ts';
import { MemoryArena } from './memory-arena.ts';
import { MemoryHolder } from './memory-holder.ts';
import { readUsageOf, type UsageReport } from './process-usage.ts';
import { type VerifyReport, verifyPort } from './report.ts';

const memoryMiB = Number(process.env['LAB_VERIFY_MIB'] ?? 64);
const stateFolder = process.env['STATE_DIRECTORY'] ?? '/var/lib/lab-verify';
const runtimeFolder = process.env['RUNTIME_DIRECTORY'] ?? '/run/lab-verify';
const tickMs = 100;
/**
 * One pass over the memory in this many ticks; 320 KiB/s of it is rewritten. The first pass is what a lab waits for; later ones
 * are slow, for what an emulated processor does for them everything else in the guest waits for.
 */
const ticksPerPass = { first: 100, later: 400 } as const;
const rewritesPerTick = 8;
const ticksPerRecord = 5;

const run = randomInt(1, 2 ** 31);
const memory = new MemoryArena(memoryMiB, run);
const disk = await DiskRing.create(`${stateFolder}/sequence`, run);

async function loadForever(): Promise<never> {
  let firstPassTold = false;
  for (let tick = 0; ; tick++) {
    const ticks = firstPassTold ? ticksPerPass.later : ticksPerPass.first;
    memory.check(Math.ceil(memory.pageCount / ticks));
    memory.rewrite(rewritesPerTick * speed);
    // Not awaited: a disk that stalls must not stop the memory from being watched. Records queue behind each other,
    // so the next one starts only when the last one is done.
    if (tick % ticksPerRecord === 0 && !appending) startAppending();
    if (!firstPassTold && memory.counters.passes > 0) {
      mkdirSync(runtimeFolder, { recursive: true });
      writeFileSync(`${runtimeFolder}/first-pass`, '');
      firstPassTold = true;
    }
    await sleep(tickMs);
  }
}

let appending = false;
function startAppending(): void {
  appending = true;
  void disk.append().finally(() => {
    appending = false;
  });
}

async function checkEverything(): Promise<'intact' | 'damaged'> {
  const batch = 256;
  for (let checked = 0; checked < memory.pageCount; checked += batch) {
    memory.check(batch);
    await yieldToEvents();
  }
  await disk.checkAll();
  const problems = memory.counters.mismatches + disk.counters.mismatches + disk.counters.ioErrors;
  return problems === 0 ? 'intact' : 'damaged';
}

const holder = new MemoryHolder();
const loads = new LoadRunner(join(import.meta.dirname, 'loads.mjs'));
/** Of the load that was asked for last: what is rewritten here keeps pace with it. */
let speed = 1;

/**
 * Commands, one a line:
 * - `verdict` checks everything and answers once
 * - `watch <ms>` reports at that interval from now on
 * - `hold <MiB>` has another process keep that much memory in use; answers once when it is
 * - `load <name> <speed>` has the guest busy with one of the loads; answers once when it has begun
 * - `usage <argument>` answers with a `UsageReport` of every process that has this argument
 */
function serve(socket: Socket): void {
  let sequence = 0;
  let watching: NodeJS.Timeout | undefined;
  const send = (verdict?: 'intact' | 'damaged') => {
    const background = readBackground();
    const report: VerifyReport = {
      sequence: sequence++,
      run,
      uptimeMs: Math.round(performance.now()),
      memoryMiB,
      memory: memory.counters,
      disk: disk.counters,
      heldMiB: holder.heldMiB,
      ...(background === undefined ? {} : { background }),
      ...(loads.state === undefined ? {} : { load: loads.state }),
      ...(verdict === undefined ? {} : { verdict }),
    };
    socket.write(`${JSON.stringify(report)}\n`);
  };
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => clearInterval(watching));
  createInterface(socket).on('line', (line) => {
    const [command, argument, second] = line.trim().split(/\s+/);
    if (command === 'verdict') void checkEverything().then(send);
    if (command === 'hold') void holder.hold(Number(argument) || 0).then(() => send());
    if (command === 'load') {
      speed = Math.max(1, Number(second) || 1);
      void loads.start(argument ?? '', speed).then(() => send());
    }
    if (command === 'usage') {
      const usage: UsageReport = { clockMs: performance.now(), processes: readUsageOf(argument ?? '') };
      socket.write(`${JSON.stringify(usage)}\n`);
    }
    if (command === 'watch') {
      clearInterval(watching);
      watching = setInterval(send, Math.max(10, Number(argument) || 1000), undefined);
    }
  });
}

createServer(serve).listen(verifyPort);
await loadForever();
