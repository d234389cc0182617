/** Magic number of a capture file in this machine's byte order, with times in microseconds (pcap-savefile(5)). */
const magic = 0xa1b2c3d4;
const fileHeaderBytes = 24;
const recordHeaderBytes = 16;
/** DLT_EN10MB of pcap-linktype(7). */
const ethernet = 1;

/** Cuts a capture, as it comes, into its frames. */
export class PcapReader {
  #rest: Buffer = Buffer.alloc(0);
  #headerSeen = false;

  /** @throws Error where it is no capture of Ethernet in this machine's byte order */
  push(piece: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, piece]);
    if (!this.#headerSeen) {
      if (this.#rest.length < fileHeaderBytes) return [];
      const [found, linkType] = [this.#rest.readUInt32LE(), this.#rest.readUInt32LE(20)];
      if (found !== magic || linkType !== ethernet) {
        throw new Error(`no capture of Ethernet: magic ${found.toString(16)}, link type ${linkType}`);
      }
      this.#headerSeen = true;
      this.#rest = this.#rest.subarray(fileHeaderBytes);
    }
    const frames: Buffer[] = [];
    while (this.#rest.length >= recordHeaderBytes) {
      const end = recordHeaderBytes + this.#rest.readUInt32LE(8);
      if (this.#rest.length < end) break;
      frames.push(this.#rest.subarray(recordHeaderBytes, end));
      this.#rest = this.#rest.subarray(end);
    }
    return frames;
  }
}
