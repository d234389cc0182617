// Boots the lab's guest in the network namespace it is started in, and saves it when it has settled. A program of
// its own because a process enters a network namespace only when it starts.
//
//   node settle-main.ts <contract as JSON> <image disk> <folder for sockets> <folder for the result> <tap>
import { join } from 'node:path';
import { settledLine } from '../image/guest-recipe.ts';
import { createOverlay, LabMachine } from './lab-machine.ts';
import { waitForSerialLine } from './serial-log.ts';

const [contract = '', imageDisk = '', folder = '', result = '', tap = ''] = process.argv.slice(2);
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
const say = (message: string) => process.stdout.write(`${message}\n`);

const disk = join(result, 'disk.qcow2');
await createOverlay(imageDisk, disk, stop.signal);
await using machine = await LabMachine.start(
  { contract: JSON.parse(contract), disk, folder, tap, incoming: 'none' },
  stop.signal,
);
await machine.showOnSmallPanel(stop.signal);
say('booting the guest');
const bootStop = new AbortController();
const onLine = (line: string) => {
  if (line.startsWith('lab: ')) say(line);
};
const settled = waitForSerialLine(
  machine.files.serialLog,
  settledLine,
  onLine,
  AbortSignal.any([stop.signal, bootStop.signal]),
);
const died = machine.qemu.exited(AbortSignal.any([stop.signal, bootStop.signal])).then(({ lastWords }) => {
  throw new Error(`QEMU ended while the guest booted: ${lastWords}`);
});
try {
  await Promise.race([settled, died]);
} finally {
  bootStop.abort();
  await Promise.allSettled([settled, died]);
}
say('saving the settled machine');
await machine.save(join(result, 'state'), stop.signal);
