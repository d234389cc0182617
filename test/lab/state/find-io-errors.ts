import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const complaint =
  /I\/O error|Buffer I\/O|EXT4-fs error|Remounting filesystem read-only|Kernel panic|Oops:|BUG: /;

/** What the guest's kernel wrote on its serial line, on either device of a lab, that tells of a lost disk or memory. */
export async function findIoErrors(labFolder: string): Promise<string[]> {
  const found: string[] = [];
  for (const host of ['mid', 'pc']) {
    const log = await readFile(join(labFolder, host, 'run/work/serial.log'), 'utf8').catch(() => '');
    found.push(...log.split('\n').filter((line) => complaint.test(line)));
  }
  return found;
}
