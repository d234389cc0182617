// Boots the lab's guest in the network namespace it is started in, and saves it when it has settled. A program of
// its own because a process enters a network namespace only when it starts.
//
//   node settle-main.ts <file with SettleOptions as JSON>
import { readFile } from 'node:fs/promises';
import { settledLine } from '../image/guest-recipe.ts';
import { runMain } from '../run-main.ts';
import { LabMachine, type LabMachineOptions } from './lab-machine.ts';
import { waitForSerialLine } from './serial-log.ts';

export interface SettleOptions {
  machine: LabMachineOptions;
  /** Where the saved state goes. */
  stateFile: string;
  /** A guest that has not settled by then never will. */
  bootLimitMs: number;
}

if (import.meta.main) {
  await runMain(async ([optionsFile = ''], signal) => {
    await bootAndSave(JSON.parse(await readFile(optionsFile, 'utf8')) as SettleOptions, signal);
  });
}

async function bootAndSave(options: SettleOptions, signal: AbortSignal): Promise<void> {
  await using machine = await LabMachine.start(options.machine, signal);
  await machine.showOnSmallPanel(signal);
  say('booting the guest');
  const over = new AbortController();
  const waiting = AbortSignal.any([signal, over.signal, AbortSignal.timeout(options.bootLimitMs)]);
  const settled = waitForSerialLine(machine.files.serialLog, settledLine, sayLabLines, waiting);
  const died = machine.qemu.exited(waiting).then(({ lastWords }) => {
    throw new Error(`QEMU ended while the guest booted: ${lastWords}`);
  });
  try {
    await Promise.race([settled, died]);
  } finally {
    over.abort();
    await Promise.allSettled([settled, died]);
  }
  say('saving the settled machine');
  await machine.save(options.stateFile, signal);
}

function sayLabLines(line: string): void {
  if (line.startsWith('lab: ')) say(line);
}

function say(message: string): void {
  process.stdout.write(`${message}\n`);
}
