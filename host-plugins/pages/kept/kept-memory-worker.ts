// The thread that reads, compresses and seals kept memory, below everything else that this computer has to do.
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { zstdDecompressSync } from 'node:zlib';
import { DockError } from '../../../protocol/dock-error.ts';
import { listLength, pageBytes } from '../page-list.ts';
import type { PageRoom } from '../page-source.ts';
import { packPages, scanMemory } from '../warm/scan-memory.ts';
import { hashPages } from '../work/page-jobs.ts';
import { chunkBytesOf, chunkPages, type Image, nowhere } from './image.ts';
import { ImageAppender } from './image-appender.ts';
import { ImageFolder } from './image-folder.ts';
import { ImageReader } from './image-reader.ts';
import { ImageWriter } from './image-writer.ts';
import { readMemory } from './read-memory.ts';
import type { ImageFacts, ImagePlace, StoreJob } from './store-jobs.ts';

const { key: keyBytes, urgent } = workerData as { key: Uint8Array; urgent: boolean };
const key = Buffer.from(keyBytes);
let reader: ImageReader | undefined;
let appender: ImageAppender | undefined;

if (!urgent) {
  try {
    setPriority(0, 19); // Linux: of this thread alone (setpriority(2))
  } catch {
    // a service may not be allowed to; then it takes its share
  }
}

parentPort?.on('message', ({ id, job }: { id: number; job: StoreJob }) => {
  try {
    parentPort?.postMessage({ id, result: perform(job) });
  } catch (error) {
    parentPort?.postMessage({ id, error: DockError.from(error).toData() });
  }
});

function perform(job: StoreJob) {
  switch (job.job) {
    case 'keep': {
      const { list, seal, at, budget, files } = job;
      const read = readMemory(list, files);
      const { image, written } = ImageWriter.write(
        folderOf(job.place),
        key,
        { list, seal, at },
        read,
        budget,
      );
      return { ...factsOf(image), written };
    }
    case 'open': {
      const folder = folderOf(job.place);
      const image = folder.readImage();
      reader = image === undefined ? undefined : new ImageReader(folder, image);
      return image === undefined ? undefined : factsOf(image);
    }
    case 'read-into':
      return readInto(job.indices, job.room, job.slots);
    case 'append-begin':
      appender = ImageAppender.begin(folderOf(job.place), key, job.known, job.budget);
      return appender !== undefined;
    case 'append': {
      const maxOutputLength = chunkPages * pageBytes;
      appending().append(zstdDecompressSync(job.packed, { maxOutputLength }));
      return appending().pages;
    }
    case 'append-end':
      return factsOf(appending().end(job.seal, job.at));
    case 'scan':
      return scanMemory(job.files, job.hashes, job.maxPages);
    case 'pack':
      return packPages(job.files, job.pages);
  }
}

function appending(): ImageAppender {
  if (appender === undefined) throw new DockError('internal', 'nothing is being appended to');
  return appender;
}

function readInto(indices: Uint32Array, room: PageRoom, slots: Uint16Array): Uint8Array {
  const pages = new Uint8Array(room.pages);
  const there = new Uint8Array(indices.length);
  indices.forEach((index, place) => {
    const content = reader?.page(index);
    if (content === undefined) return;
    pages.set(content, (slots[place] ?? 0) * pageBytes);
    there[place] = 1;
  });
  hashPages(pages, slots, new Uint8Array(room.hashes));
  return there;
}

function folderOf({ path, machine }: ImagePlace): ImageFolder {
  return new ImageFolder(path, key, machine);
}

function factsOf({ seal, at, digest, list, chunkOf, chunks }: Image): ImageFacts {
  let missing = 0;
  for (let page = 0; page < listLength(list); page += 1) if (chunkOf[page] === nowhere) missing += 1;
  return { seal, at, digest, list, missing, bytes: chunkBytesOf(chunks) };
}
