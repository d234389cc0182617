import { createCipheriv } from 'node:crypto';
import { pageBytes } from '../../host-plugins/pages/page-list.ts';

const key = Buffer.alloc(16, 1);
const zeros = Buffer.alloc(pageBytes);
/** So much of a page does not compress: as of a desktop's memory, a third is left of it. */
const randomBytes = pageBytes / 4;

/** The content of page `number`; another one for each number below 2 ** 32. */
export function writeGuestPage(into: Buffer, at: number, number: number): void {
  const counter = Buffer.alloc(16);
  counter.writeUInt32LE(number);
  into.fill(`what page ${number} of a guest has in it; `, at, at + pageBytes);
  into.set(createCipheriv('aes-128-ctr', key, counter).update(zeros.subarray(0, randomBytes)), at);
}
