import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskRing } from '../../lab/verify/disk-ring.ts';

// Below the checkout: a tmpfs, which /tmp may be, cannot be read past its cache.
const parent = join(import.meta.dirname, '../../../node_modules');
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(parent, '.disk-ring-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('the load on the disk', () => {
  it('finds a record that was lost on the disk', async () => {
    const path = join(folder, 'sequence');
    await using ring = await DiskRing.create(path, 99);
    for (let record = 0; record < 5; record++) await ring.append();
    await ring.checkAll();
    expect(ring.counters).toMatchObject({ records: 5, mismatches: 0, ioErrors: 0 });

    await using other = await open(path, 'r+');
    await other.write(new Uint8Array(4096), 0, 4096, 3 * 4096);
    await other.sync();
    await ring.checkAll();
    expect(ring.counters).toMatchObject({ mismatches: 1, firstProblem: 'record 3 in the disk is zero' });
  });

  it('finds that the end of the file is missing', async () => {
    const path = join(folder, 'sequence');
    await using ring = await DiskRing.create(path, 99);
    for (let record = 0; record < 3; record++) await ring.append();
    await using other = await open(path, 'r+');
    await other.truncate(2 * 4096);
    await ring.checkAll();
    expect(ring.counters).toMatchObject({ mismatches: 1, firstProblem: 'record 2 in the disk is corrupt' });
  });

  it('counts an I/O error and goes on', async () => {
    const path = join(folder, 'sequence');
    await using ring = await DiskRing.create(path, 99);
    await ring.append();
    await rm(path);
    await ring.checkAll();
    await ring.append();
    expect(ring.counters).toMatchObject({ records: 2, ioErrors: 1 });
  });
});
