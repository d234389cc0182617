// Restores the settled guest in the network namespace it is started in, says "running", and runs it until its
// standard input ends. A program of its own for the same reason as settle-main.ts.
//
//   node restore-main.ts <file with RestoreOptions as JSON>
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { runMain } from '../run-main.ts';
import { LabMachine, type LabMachineOptions } from './lab-machine.ts';

export interface RestoreOptions {
  machine: LabMachineOptions;
  stateFile: string;
}

if (import.meta.main) {
  await runMain(async ([optionsFile = ''], signal) => {
    const options = JSON.parse(await readFile(optionsFile, 'utf8')) as RestoreOptions;
    await using machine = await LabMachine.start(options.machine, signal);
    await machine.load(options.stateFile, signal);
    process.stdout.write('running\n');
    await once(process.stdin.resume(), 'end', { signal });
  });
}
