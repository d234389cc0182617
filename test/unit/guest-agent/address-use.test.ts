import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inTcpTables, openLocalAddresses } from '../../../guest-agent/observe/parse-tcp-table.ts';
import { readAddressUse } from '../../../guest-agent/observe/read-address-use.ts';
import { SystemFiles } from '../../../guest-agent/system-files.ts';
import { temporaryFolder } from '../pairing/temporary-folder.ts';

const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const line = (local: string, state: string): string =>
  `   0: ${local}:1389 64004D0A:C000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1\n`;

const tcp =
  head + line('32004D0A', '0A') + line('32004D0A', '06') + line('32004D0A', '01') + line('33004D0A', '01');
const tcp6 =
  head +
  line('0000000000000000FFFF000032004D0A', '08') +
  line('770000FD000000000000000050000000', '01') +
  line('770000FD000000000000000050000000', '07');

describe('the connections of an address', () => {
  it('are none where the kernel shows no table, or the address is none', async () => {
    await using folder = await temporaryFolder();
    const files = new SystemFiles(folder.path);
    expect(await readAddressUse(files, ['10.77.0.50'])).toBe(0);
    for (const text of ['', '10.77.0', '10.77.0.300', 'fd00::1::2', 'x:y'])
      expect(inTcpTables(text)).toEqual([]);
  });

  it('are those that are open; what listens, is closed or waits out its time counts as none', async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'proc/net'), { recursive: true });
    await writeFile(join(folder.path, 'proc/net/tcp'), tcp);
    await writeFile(join(folder.path, 'proc/net/tcp6'), tcp6);
    const files = new SystemFiles(folder.path);
    expect(await readAddressUse(files, ['10.77.0.50'])).toBe(2); // one of them through a socket of both families
    expect(await readAddressUse(files, ['10.77.0.52'])).toBe(0);
    expect(await readAddressUse(files, ['10.77.0.50', '10.77.0.51'])).toBe(3);
    expect(openLocalAddresses(tcp6)).toHaveLength(2);
  });

  it('are found by the way in which the kernel writes an address', () => {
    expect(inTcpTables('10.77.0.50')).toEqual(['32004D0A', '0000000000000000FFFF000032004D0A']);
    expect(inTcpTables('fd00:77::50')).toEqual(['770000FD000000000000000050000000']);
    expect(inTcpTables('::1')).toEqual(['00000000000000000000000001000000']);
  });
});
