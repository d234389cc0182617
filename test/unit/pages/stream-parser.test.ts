import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytesOfName,
  type PageAddress,
  type RamBlock,
  recordHeadBytes,
  type StreamSink,
  writeRecordHead,
} from '../../../host-plugins/pages/stream/stream-item.ts';
import { StreamParser } from '../../../host-plugins/pages/stream/stream-parser.ts';
import { anyChunking, anyStream, contentOf, inChunks } from './any-stream.ts';
import { realHead, StreamBuilder } from './built-stream.ts';

describe('a stream of QEMU', () => {
  it('that is no stream at all is one literal', () => {
    const seen = new Recorder();
    const parser = new StreamParser(seen);
    parser.push(Buffer.from('QEMU says hello, and nothing else'));
    parser.flush();
    expect(seen.bytes.toString()).toBe('QEMU says hello, and nothing else');
    expect(parser.understands).toBe(false);
  });

  it('is not understood any more from an unknown record, block, command or zero page on', () => {
    for (const damage of [
      Buffer.from('0000000000000080', 'hex'),
      Buffer.from('0000000000000108', 'hex'),
      Buffer.concat([Buffer.from('000000000000000805', 'hex'), Buffer.from('other'), Buffer.alloc(4096)]),
      Buffer.from('0000000000000002046261736501', 'hex'),
      Buffer.from('ffffffffffffe0280000', 'hex'),
    ]) {
      const seen = new Recorder();
      const parser = new StreamParser(seen);
      const pages = [{ block: 'base', page: 3, content: contentOf(1) }];
      const stream = new StreamBuilder()
        .section(pages)
        .raw(Buffer.from('0200000001', 'hex'))
        .raw(damage)
        .build();
      parser.push(stream);
      parser.push(new StreamBuilder().section(pages).build());
      parser.flush();
      expect(parser.understands).toBe(false);
      expect(seen.pages).toEqual(['base 3']);
      expect(seen.bytes.subarray(0, stream.length).equals(stream)).toBe(true);
    }
  });

  it('as QEMU 10 writes it is understood, a device with its early state between', () => {
    const seen = new Recorder();
    const parser = new StreamParser(seen);
    const pages = [
      { block: 'base', page: 0, content: contentOf(1) },
      { block: 'base', page: 1, content: undefined },
      { block: 'pc.bios', page: 63, content: contentOf(2) },
    ];
    parser.push(
      new StreamBuilder()
        .section(pages)
        .section([{ block: 'pc.bios', page: 0, content: undefined }])
        .build(),
    );
    expect(seen.list.map(({ name, bytes }) => [name, bytes])).toEqual([
      ['0000:00:06.0/plugged', 0x4000_0000],
      ['base', 0x0801_0000],
      ['/rom@etc/acpi/tables', 0x2_0000],
      ['pc.bios', 0x4_0000],
      ['pc.rom', 0x2_0000],
      ['/rom@etc/table-loader', 0x1000],
      ['/rom@etc/acpi/rsdp', 0x1000],
    ]);
    expect(seen.pages).toEqual(['base 0', 'base 1 zero', 'pc.bios 63', 'pc.bios 0 zero']);
    expect(parser.understands).toBe(true);
  });

  it('that has looked like the end of a section in a device is rebuilt all the same', () => {
    const trap = Buffer.from('7e00000029020000000100000000000000080462617365', 'hex');
    const stream = Buffer.concat([realHead.subarray(0, 0x150), trap, Buffer.alloc(9000, 7), realHead]);
    const seen = new Recorder();
    const parser = new StreamParser(seen);
    parser.push(stream);
    parser.flush();
    expect(seen.bytes.equals(stream)).toBe(true);
  });

  it('of any kind, in any pieces and with any pauses, is handed on whole', () => {
    fc.assert(
      fc.property(anyStream, anyChunking, (stream, chunking) => {
        const seen = new Recorder();
        const parser = new StreamParser(seen);
        for (const chunk of inChunks(stream, chunking)) {
          if (chunk.length === 0) parser.flush();
          else parser.push(chunk);
        }
        parser.flush();
        expect(seen.bytes.equals(stream)).toBe(true);
      }),
    );
  });

  it('keeps nothing back after a flush', () => {
    fc.assert(
      fc.property(anyStream, fc.nat(), (stream, cut) => {
        const seen = new Recorder();
        const parser = new StreamParser(seen);
        const begin = stream.subarray(0, cut % (stream.length + 1));
        parser.push(begin);
        parser.flush();
        expect(seen.bytes.equals(begin)).toBe(true);
      }),
    );
  });
});

/** Writes down what it is given, as the receiver would. */
class Recorder implements StreamSink {
  list: readonly RamBlock[] = [];
  readonly pages: string[] = [];
  readonly #parts: Buffer[] = [];

  blocks(list: readonly RamBlock[]): void {
    this.list = list;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  literal(bytes: Uint8Array): void {
    this.#parts.push(Buffer.from(bytes));
  }

  zeroPage({ block, page }: PageAddress, named: boolean): void {
    this.#head('zero', block, page, named);
    this.#parts.push(Buffer.from([0]));
    this.pages.push(`${this.list[block]?.name} ${page} zero`);
  }

  dataPage({ block, page }: PageAddress, named: boolean, content: Uint8Array): void {
    this.#head('page', block, page, named);
    this.#parts.push(Buffer.from(content));
    this.pages.push(`${this.list[block]?.name} ${page}`);
  }

  unknownPage(): void {}

  #head(kind: 'zero' | 'page', block: number, page: number, named: boolean): void {
    const name = named ? bytesOfName(this.list[block]?.name ?? '') : undefined;
    const head = Buffer.alloc(recordHeadBytes(name));
    writeRecordHead(head, 0, kind, page, name);
    this.#parts.push(head);
  }
}
