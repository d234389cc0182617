import { type FileHandle, open, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseSwaps } from '../../../host-plugins/visit/judge-host-memory.ts';
import { countMarkers } from '../traffic/canary.ts';

/** Read at a time, bytes. */
const pieceBytes = 4 * 1024 * 1024;

/** How many markers are in the files of a folder, by file; files without are left out. Sockets are not read. */
export async function markersInFiles(folder: string, marker: Buffer): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const count = await countIn(path, [{ from: 0, to: await sizeOf(path) }], marker);
    if (count > 0) found.set(path, count);
  }
  return found;
}

/** A process as it is found: its number, and its program's command line. */
interface SeenProcess {
  readonly pid: number;
  readonly command: string;
}

/** All processes of a network namespace, which is a host of the lab; its keeper is one of them. */
export async function processesIn(namespace: number): Promise<SeenProcess[]> {
  const seen: SeenProcess[] = [];
  for (const pid of (await readdir('/proc')).map(Number).filter(Number.isInteger)) {
    try {
      if ((await readlink(`/proc/${pid}/ns/net`)) !== `net:[${namespace}]`) continue;
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
      seen.push({ pid, command });
    } catch {
      // It has ended meanwhile.
    }
  }
  return seen;
}

/**
 * How many markers are in the memory that a process has: all pages that are there, or swapped. What is mapped and was
 * never touched is left alone: to read it would fill it, and a machine's memory has room for many times what it uses.
 * One that has ended meanwhile has none.
 */
export async function markersInProcess(pid: number, marker: Buffer): Promise<number> {
  try {
    return await markersInMemory(pid, marker);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return 0;
    throw error;
  }
}

async function markersInMemory(pid: number, marker: Buffer): Promise<number> {
  const maps = (await readFile(`/proc/${pid}/maps`, 'utf8')).split('\n').flatMap((line) => {
    const [, from, to, readable] = /^([0-9a-f]+)-([0-9a-f]+) (.)/.exec(line) ?? [];
    if (from === undefined || to === undefined || readable !== 'r' || /\[v(syscall|var)/.test(line))
      return [];
    return [{ from: Number.parseInt(from, 16), to: Number.parseInt(to, 16) }];
  });
  const present = await openToRead(`/proc/${pid}/pagemap`, async (pagemap) => {
    const found: Range[] = [];
    for (const range of maps) found.push(...(await pagesIn(pagemap, range)));
    return found;
  });
  return await countIn(`/proc/${pid}/mem`, present, marker);
}

const pageBytes = 4096;
/** Bits 63 and 62 of an entry of /proc/PID/pagemap (8 bytes a page): present, swapped. */
const thereMask = 0xc0;

/** The runs of pages of a mapping that are in memory or swapped. */
async function pagesIn(pagemap: FileHandle, { from, to }: Range): Promise<Range[]> {
  const runs: { from: number; to: number }[] = [];
  const entries = Buffer.alloc(512 * 1024);
  for (let page = from / pageBytes; page < to / pageBytes; ) {
    const wanted = Math.min(entries.length, (to / pageBytes - page) * 8);
    const { bytesRead } = await pagemap.read(entries, 0, wanted, page * 8);
    if (bytesRead < 8) break;
    for (let at = 0; at + 8 <= bytesRead; at += 8, page++) {
      if (((entries[at + 7] ?? 0) & thereMask) === 0) continue;
      const last = runs.at(-1);
      if (last?.to === page * pageBytes) last.to += pageBytes;
      else runs.push({ from: page * pageBytes, to: (page + 1) * pageBytes });
    }
  }
  return runs;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

async function countIn(path: string, ranges: readonly Range[], marker: Buffer): Promise<number> {
  return await openToRead(path, async (file) => {
    const piece = Buffer.alloc(pieceBytes);
    let count = 0;
    for (const { from, to } of ranges) {
      // Pieces overlap by less than a marker: one that lies across their border is seen, and seen once.
      for (let at = from; at < to; at += pieceBytes - marker.length + 1) {
        const length = Math.min(pieceBytes, to - at);
        // A page that is mapped and cannot be read (a file that was cut off) has nothing in it.
        const { bytesRead } = await file.read(piece, 0, length, at).catch(() => ({ bytesRead: 0 }));
        count += countMarkers(piece.subarray(0, bytesRead), marker);
      }
    }
    return count;
  });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

async function openToRead<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** How many markers are in each swap area of this machine, where it has some; areas without are left out. */
export async function markersInSwap(marker: Buffer): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const area of parseSwaps(await readFile('/proc/swaps', 'utf8'))) {
    // Of a partition in sectors of 512 bytes; a file has its own.
    const sectors = await readFile(`/sys/class/block/${basename(area)}/size`, 'utf8').catch(() => undefined);
    const size = sectors === undefined ? await sizeOf(area) : Number(sectors) * 512;
    const count = await countIn(area, [{ from: 0, to: size }], marker);
    if (count > 0) found.set(area, count);
  }
  return found;
}
