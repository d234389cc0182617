import { join } from 'node:path';
import { ImageFolder } from '../../../host-plugins/pages/kept/image-folder.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { keepEpoch, key, numbersOf, wholeEpoch } from './keeping-fixture.ts';

/** On a small file system: what is left of an image when another one has no room. Prints one JSON object. */
const folder = new ImageFolder(join(process.argv[2] ?? '', 'image'), key, 'a machine');

function kindOf(epoch: number, leaveFreeBytes: number): { kind: string; free: number } {
  try {
    keepEpoch(folder, epoch, numbersOf(epoch, 4000), { maxBytes: 2 ** 40, leaveFreeBytes });
  } catch (error) {
    return { kind: DockError.from(error).kind, free: folder.freeBytes() };
  }
  return { kind: 'none', free: folder.freeBytes() };
}

keepEpoch(folder, 1, numbersOf(1), { maxBytes: 2 ** 40, leaveFreeBytes: 0 });
const free = folder.freeBytes();
const asked = kindOf(2, 0);
// As when somebody else writes at the same time: the file system itself says that it is full.
const surprised = kindOf(3, Number.NEGATIVE_INFINITY);
process.stdout.write(JSON.stringify({ free, asked, surprised, left: wholeEpoch(folder) }));
