import { open } from 'node:fs/promises';

const first = 0x10_0000;
const pageBytes = 0x1000;

/**
 * A guest in a boot sector: writes one word into each page from 1 MiB on, over and over, and rests after each page for
 * as long as the processor takes to count to `rest`.
 */
export async function installBusyGuest(
  disk: string,
  options: { bytes: number; rest: number },
): Promise<void> {
  const word = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff];
  const long = (value: number): number[] => [...word(value & 0xffff), ...word(value >>> 16)];
  const descriptor = (access: number): number[] => [0xff, 0xff, 0, 0, 0, access, 0xcf, 0];
  const enter = [
    0xfa, // cli
    ...[0x0f, 0x01, 0x16, ...word(0x7c00 + 0x100)], // lgdt
    ...[0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0], // cr0 |= protection enable
    ...[0xea, ...word(0x7c00 + 19), ...word(0x08)], // jmp to the 32-bit code, which follows
  ];
  const sweep = [
    ...[0x66, 0xb8, ...word(0x10), 0x8e, 0xd8], // mov ds, data
    0x43, // again: inc ebx
    ...[0xbf, ...long(first)], // mov edi, first
    ...[0x89, 0x1f], // page: mov [edi], ebx
    ...[0xb9, ...long(options.rest)], // mov ecx, rest
    ...[0xe2, 0xfe], // loop here
    ...[0x81, 0xc7, ...long(pageBytes)], // add edi, a page
    ...[0x81, 0xff, ...long(first + options.bytes)], // cmp edi, end
    ...[0x72, 0xe9], // jb page
    ...[0xeb, 0xe1], // jmp again
  ];
  const sector = Buffer.alloc(512);
  sector.set([...enter, ...sweep]);
  sector.set([...word(23), ...long(0x7c00 + 0x108)], 0x100);
  sector.set([...Buffer.alloc(8), ...descriptor(0x9a), ...descriptor(0x92)], 0x108);
  sector.set([0x55, 0xaa], 510);
  await using file = await open(disk, 'r+');
  await file.write(sector, 0, sector.length, 0);
}
