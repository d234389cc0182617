// A device with one end of the page exchange, in a process of its own. Requests come as JSON lines on standard input, one
// answer a line goes back.
import '../../host-plugins/daemon/engine-flags.ts';
import { hash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ArrivingPages } from '../../host-plugins/pages/arriving-pages.ts';
import { DepartingPages } from '../../host-plugins/pages/departing-pages.ts';
import { ImageFolder } from '../../host-plugins/pages/kept/image-folder.ts';
import { ImageWriter } from '../../host-plugins/pages/kept/image-writer.ts';
import { OpenImage } from '../../host-plugins/pages/kept/open-image.ts';
import { type PageList, PageListBuilder, pageBytes } from '../../host-plugins/pages/page-list.ts';
import {
  forwardUnixListener,
  serveChannelToUnixSocket,
} from '../../host-plugins/tunnel/forward-unix-listener.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { testDevice } from '../../test/contract/pairing/two-devices.ts';
import { answerLines } from '../../test/contract/plugins/answer-lines.ts';
import { deviceMethods } from '../../test/contract/tunnel/device-methods.ts';
import { writeGuestPage } from './guest-pages.ts';

const [name = '', address = ''] = process.argv.slice(2);
const device = await testDevice(name, { address });
const key = randomBytes(32);
const machine = 'bench';
const source = { kind: 'kept', digest: '00' };
/** What the pages under way are held by. */
let under = new AsyncDisposableStack();

function listOf(count: number): { list: PageList; pages: Buffer } {
  const builder = new PageListBuilder();
  builder.block('base', count * pageBytes);
  const pages = Buffer.alloc(count * pageBytes);
  for (let number = 0; number < count; number++) {
    writeGuestPage(pages, number * pageBytes, number);
    builder.add(number, hash('sha256', pageOf(pages, number), 'buffer'));
  }
  return { list: builder.build(), pages };
}

function pageOf(pages: Buffer, number: number): Buffer {
  return pages.subarray(number * pageBytes, (number + 1) * pageBytes);
}

/** Of so many pages that were kept; none where there are none. */
async function openKept(count: number): Promise<OpenImage | undefined> {
  if (count === 0) return undefined;
  const place = { path: join(device.folder, 'kept'), machine };
  const { list, pages } = listOf(count);
  const seal = { kind: 'kept', epoch: 1, peer: 'bench' } as const;
  const budget = { maxBytes: 2 ** 40, leaveFreeBytes: 0 };
  ImageWriter.write(
    new ImageFolder(place.path, key, machine),
    key,
    { list, seal, at: 0 },
    (page) => pageOf(pages, page),
    budget,
  );
  return await OpenImage.open(key, place);
}

const methods: Record<string, (...params: never[]) => unknown> = {
  ...deviceMethods(device),
  /** Waits for a stream, which a program on the socket `qemu` gets. */
  arrive: async (qemu: string, keptPages: number) => {
    const image = await openKept(keptPages);
    const sources = image === undefined ? [] : [image.asSource({ ...source, pages: keptPages })];
    const arriving = under.use(new ArrivingPages(sources));
    if (image !== undefined) under.use(image);
    const fail = (error: unknown) => console.error(DockError.from(error).message);
    const { signal } = new AbortController();
    under.use(
      serveChannelToUnixSocket(
        device.channels,
        'memory/*/*',
        () => qemu,
        (socket) => arriving.join(socket, fail, signal),
      ),
    );
  },
  /** Listens at the socket that it returns for a program that writes a stream. */
  depart: async (peer: string, keptPages: number) => {
    const path = join(device.folder, 'source.sock');
    const known =
      keptPages === 0 ? [] : [{ ...source, pages: keptPages, hashes: listOf(keptPages).list.hashes.buffer }];
    const departing = under.use(new DepartingPages(known));
    const options = { priority: 'bulk', join: departing.join } as const;
    under.use(await forwardUnixListener(device.channels, path, peer, 'memory/work/2', options));
    return path;
  },
  over: async () => {
    await under.disposeAsync();
    under = new AsyncDisposableStack();
  },
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  stop: () => {
    process.exit(0);
  },
};

process.stdout.write('ready\n');
await answerLines(async (line) => {
  const { method, params } = JSON.parse(line) as { method: string; params: never[] };
  return await methods[method]?.(...params);
});
await device[Symbol.asyncDispose]();
process.exit(0);
