import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadFolder, type Pace } from './load-names.ts';
import { Words } from './words.ts';

const tabs = 24;
const tabBytes = 1024 * 1024;
/** What one page of a site puts into its tab: text, and objects that are soon garbage. */
const pageBytes = 192 * 1024;
const pagesPerSecond = 4;
const cacheFolder = join(loadFolder, 'lab-browser');
const cacheFiles = 64;

/**
 * Memory as a browser with a few open tabs uses it: 24 MiB that stay, of which a piece here and a piece there is
 * written anew, short-lived objects beside them, and now and then a file in its cache on the disk.
 */
export async function browse(pace: Pace, onPage: () => void): Promise<never> {
  const words = new Words(7);
  const open = Array.from({ length: tabs }, () => Buffer.from(words.text(tabBytes)));
  mkdirSync(cacheFolder, { recursive: true });
  for (let page = 0; ; page++) {
    const text = words.text(pageBytes);
    const tab = open[words.below(tabs)] as Buffer;
    tab.write(text, words.below((tabBytes - pageBytes) / 4096) * 4096, 'latin1');
    const parsed = JSON.parse(JSON.stringify(text.split(' '))) as string[];
    if (page % pagesPerSecond === 0) {
      writeFileSync(`${cacheFolder}/${(page / pagesPerSecond) % cacheFiles}`, parsed.join('\n'));
    }
    onPage();
    await sleep(1000 / pagesPerSecond / pace.speed);
  }
}
