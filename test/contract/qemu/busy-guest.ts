import { open } from 'node:fs/promises';

const first = 0x10_0000;
const pageBytes = 0x1000;

/**
 * A guest in a boot sector: fills each page from 1 MiB on with noise that is never the same, over and over, and rests after each
 * for as long as the processor takes to count to `rest`.
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
    ...[0xbf, ...long(first)], // again: mov edi, first
    ...[0xb9, ...long(pageBytes / 4)], // page: mov ecx, words
    ...[0x69, 0xdb, ...long(1_664_525)], // word: imul ebx, a
    ...[0x81, 0xc3, ...long(1_013_904_223)], // add ebx, c
    ...[0x89, 0x1f], // mov [edi], ebx
    ...[0x83, 0xc7, 0x04], // add edi, 4
    ...[0xe2, 0xed], // loop word
    ...[0xb9, ...long(options.rest)], // mov ecx, rest
    ...[0xe2, 0xfe], // loop here
    ...[0x81, 0xff, ...long(first + options.bytes)], // cmp edi, end
    ...[0x72, 0xd9], // jb page
    ...[0xeb, 0xd2], // jmp again
  ];
  const sector = Buffer.alloc(512);
  sector.set([...enter, ...sweep]);
  sector.set([...word(23), ...long(0x7c00 + 0x108)], 0x100);
  sector.set([...Buffer.alloc(8), ...descriptor(0x9a), ...descriptor(0x92)], 0x108);
  sector.set([0x55, 0xaa], 510);
  await using file = await open(disk, 'r+');
  await file.write(sector, 0, sector.length, 0);
}
