import { ImageFolder } from '../../../host-plugins/pages/kept/image-folder.ts';
import { keepEpoch, key, numbersOf } from './keeping-fixture.ts';

/** Keeps image after image in the folder that it is given, and prints the epoch of each when it is durable. Ends when killed. */
const folder = new ImageFolder(process.argv[2] ?? '', key, 'a machine');
const found = folder.readImage()?.seal;
for (let epoch = found?.kind === 'kept' ? found.epoch + 1 : 1; ; epoch += 1) {
  process.stdout.write(`begin ${epoch}\n`);
  keepEpoch(folder, epoch, numbersOf(epoch), { maxBytes: 2 ** 40, leaveFreeBytes: 0 });
  process.stdout.write(`done ${epoch}\n`);
}
