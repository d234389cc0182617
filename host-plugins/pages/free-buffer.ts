/**
 * Gives the memory of a large buffer back at once, where many of them come and go: V8 collects the garbage of a thread by
 * what its heap holds, in which they are not, and may wait for hundreds of them. The buffer is empty from then on, and so
 * is every view of it: nobody may need them any more. Does nothing to one that shares its memory with others.
 */
export function freeBuffer({ buffer }: Uint8Array): void {
  // `Buffer.allocUnsafe` takes small ones from a pool.
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}
