import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Reads every file of the disk once, so that the page cache takes all memory that is left. */
export async function readAllFiles(onFile: () => void): Promise<void> {
  const script = 'find / -xdev -type f -print0 | xargs -0 md5sum';
  const reader = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  createInterface(reader.stdout).on('line', onFile);
  await once(reader, 'close');
}
