import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitForSerialLine } from '../../lab/state/serial-log.ts';

let folder: string;
let log: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lab-serial-'));
  log = join(folder, 'serial.log');
});
afterEach(async () => {
  await rm(folder, { recursive: true });
  // A watch that stays open keeps a program from ending.
  expect(process.getActiveResourcesInfo()).not.toContain('FSEventWrap');
});

const soon = () => AbortSignal.timeout(10_000);

/** Waits, and calls `next` after the line `cue` was seen: what it appends comes while the wait is on. */
function waitWithCue(cue: string, next: () => Promise<void>, signal = soon()): Promise<void> {
  const onLine = (line: string) => {
    if (line === cue) void next();
  };
  return waitForSerialLine(log, 'lab: settled', onLine, signal);
}

describe('waiting for a line of the guest', () => {
  it('ends with the guest’s last words when its kernel crashes', async () => {
    await writeFile(log, 'booting\n');
    const crash = '[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n';
    await expect(waitWithCue('booting', () => appendFile(log, crash))).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringMatching(/the guest crashed: booting\n.*Kernel panic/),
    });
  });

  it('ends with the deadline, and says how far the guest came', async () => {
    await writeFile(log, 'booting\nmounting\n');
    await expect(waitWithCue('', async () => {}, AbortSignal.timeout(100))).rejects.toMatchObject({
      kind: 'timeout',
      message: expect.stringContaining('booting\nmounting'),
    });
  });

  it('finds a line that comes in pieces, among terminal sequences', async () => {
    await writeFile(log, 'booting\n');
    await waitWithCue('booting', async () => {
      await appendFile(log, '\u001b[?2004hroot@workspace:~# \u001b[0mlab: set');
      await appendFile(log, 'tled\r\n');
    });
  });

  it('finds a line that was there before it looked', async () => {
    await writeFile(log, 'lab: settled\n');
    await waitWithCue('', async () => {});
  });

  it('waits for a file that does not exist yet', async () => {
    const waiting = waitWithCue('', async () => {});
    await appendFile(log, 'lab: settled\n');
    await waiting;
  });
});
