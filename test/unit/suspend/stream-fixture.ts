import fc from 'fast-check';

const pageBytes = 4096;

function word(value: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function long(value: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function shortText(text: string): Buffer<ArrayBuffer> {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
}

/** A page whose content is told by a number; 0 is the page of zeros. */
function pageOf(content: number): Buffer<ArrayBuffer> {
  const page = Buffer.alloc(pageBytes);
  for (let at = 0; content !== 0 && at < pageBytes; at += 4)
    page.writeUInt32LE((content * 2654435761 + at) >>> 0, at);
  return page;
}

interface Record {
  readonly block: 0 | 1;
  readonly page: number;
  readonly content: number;
}

const blocks = [
  { name: 'base', pages: 16 },
  { name: 'plugged', pages: 8 },
] as const;

/** What QEMU would send of a machine of two blocks: these pages, in one pass each, and devices behind them. */
export function streamOf(passes: readonly (readonly Record[])[], devices: Uint8Array<ArrayBuffer>): Buffer {
  const total = blocks.reduce((sum, { pages }) => sum + pages * pageBytes, 0);
  const list = Buffer.concat([
    long(total + 0x04),
    ...blocks.map(({ name, pages }) => Buffer.concat([shortText(name), long(pages * pageBytes)])),
  ]);
  const footer = Buffer.concat([Buffer.from([0x7e]), word(2)]);
  const parts = [
    Buffer.from([0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3]),
    Buffer.concat([Buffer.from([0x07]), word(11), Buffer.from('pc-q35-10.0')]),
    Buffer.concat([
      Buffer.from([0x01]),
      word(2),
      shortText('ram'),
      word(0),
      word(4),
      list,
      long(0x10),
      footer,
    ]),
  ];
  passes.forEach((records, pass) => {
    parts.push(Buffer.concat([Buffer.from([pass === passes.length - 1 ? 0x03 : 0x02]), word(2)]));
    let before = -1;
    for (const { block, page, content } of records) {
      const continues = block === before ? 0x20 : 0;
      const kind = content === 0 ? 0x02 : 0x08;
      parts.push(long(page * pageBytes + kind + continues));
      if (continues === 0) parts.push(shortText(blocks[block].name));
      parts.push(content === 0 ? Buffer.from([0]) : pageOf(content));
      before = block;
    }
    parts.push(long(0x10), footer);
  });
  return Buffer.concat([...parts, devices]);
}

const record = fc
  .record({ block: fc.constantFrom(0 as const, 1 as const), page: fc.nat(15), content: fc.nat(12) })
  .map(({ block, page, content }) => ({ block, page: block === 1 ? page % 8 : page, content }));

export const anyStream = fc
  .tuple(
    fc.array(fc.array(record, { maxLength: 40 }), { minLength: 1, maxLength: 3 }),
    fc.uint8Array({ maxLength: 300 }),
  )
  .map(([passes, devices]) => streamOf(passes, devices));

/** Cut anywhere. */
export async function* inPieces(stream: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < stream.length; at += size) yield stream.subarray(at, at + size);
}
