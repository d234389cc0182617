import { pageBytes } from '../../../host-plugins/pages/page-list.ts';

/** As QEMU 10.0 begins a move of a machine with virtio-mem: up to the first record of a page. */
export const realHead = Buffer.from(
  [
    '5145564d00000003070000000b70632d7133352d31302e30080001000008000200040000000101000000010372616d000000',
    '0000000004000000004809200414303030303a30303a30362e302f706c756767656400000000400000000462617365000000',
    '0008010000142f726f6d406574632f616370692f7461626c657300000000000200000770632e62696f730000000000040000',
    '0670632e726f6d0000000000020000152f726f6d406574632f7461626c652d6c6f616465720000000000001000122f726f6d',
    '406574632f616370692f72736470000000000000100000000000000000107e00000001040000002924303030303a30303a30',
    '362e302f76697274696f2d6d656d2d6465766963652d6561726c790000000000000001000000010000000000000000400000',
    '0000000000002000000000000000000000000000000000000000000000000000000000000000000000000000000000000000',
    '00000000000000000000000000000000000000000000000000000000000000000000007e00000029',
  ].join(''),
  'hex',
);

/** Of the memory's section in `realHead`. */
const ramId = 1;
const flag = { zero: 0x02, page: 0x08, end: 0x10, continues: 0x20 };

/** What a section of a stream has: pages, by their block's name and their number; undefined: a page of zeros. */
export interface BuiltPage {
  readonly block: string;
  readonly page: number;
  readonly content: Uint8Array | undefined;
}

/** Writes streams as QEMU does, from what they shall have. */
export class StreamBuilder {
  readonly #parts: Buffer[] = [realHead];
  #block = '';

  section(pages: readonly BuiltPage[], isLast = false): this {
    this.#parts.push(Buffer.from([isLast ? 3 : 2, 0, 0, 0, ramId]));
    for (const { block, page, content } of pages) {
      const isSame = block === this.#block;
      this.#block = block;
      const head = Buffer.alloc(8);
      const flags = (content === undefined ? flag.zero : flag.page) | (isSame ? flag.continues : 0);
      head.writeBigUInt64BE(BigInt(page) * BigInt(pageBytes) + BigInt(flags));
      this.#parts.push(head);
      if (!isSame) this.#parts.push(Buffer.from([block.length]), Buffer.from(block, 'latin1'));
      this.#parts.push(content === undefined ? Buffer.from([0]) : Buffer.from(content));
    }
    return this.raw(Buffer.from([0, 0, 0, 0, 0, 0, 0, flag.end, 0x7e, 0, 0, 0, ramId]));
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(Buffer.from(bytes));
    return this;
  }

  build(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
