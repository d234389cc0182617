import { createCipheriv } from 'node:crypto';
import { pageBytes } from '../../host-plugins/pages/page-list.ts';

/** So much of a page does not compress: as of a desktop's memory, a third is left of it. */
const randomBytes = pageBytes / 4;
const poolBytes = 16 * 1024 * 1024;
const pool = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16)).update(
  Buffer.alloc(poolBytes + randomBytes),
);

/** The content of page `number`; another one for each number below 2 ** 32. */
export function writeGuestPage(into: Buffer, at: number, number: number): void {
  const from = (number * randomBytes) % poolBytes;
  into.fill('what the pages of a guest have in them; ', at, at + pageBytes);
  pool.copy(into, at, from, from + randomBytes);
  into.writeUInt32LE(number, at);
}
