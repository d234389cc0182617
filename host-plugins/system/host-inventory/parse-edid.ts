/** What a display says of itself that matters here. Sizes of the visible area; 0 mm where it does not say. */
export interface EdidFacts {
  readonly name: string | undefined;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly widthMm: number;
  readonly heightMm: number;
}

const header = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
const blockBytes = 128;
const descriptorOffsets = [54, 72, 90, 108];
const descriptorBytes = 18;
const nameTag = 0xfc;

/** Sizes that are aspect ratios: projectors and cheap televisions write them where millimetres or centimetres belong. */
const aspectRatios = new Set(['16x9', '16x10', '160x90', '160x100', '1600x900', '1600x1000', '4x3', '5x4']);

/**
 * Reads the base block of an EDID (VESA E-EDID 1.4, section 3): the preferred mode, which is the first detailed
 * timing, and the size. Undefined for what is none: too short, wrong header, wrong checksum, no detailed timing.
 */
export function parseEdid(edid: Uint8Array): EdidFacts | undefined {
  if (edid.length < blockBytes) return undefined;
  const at = (offset: number): number => edid[offset] ?? 0;
  if (header.some((byte, offset) => at(offset) !== byte)) return undefined;
  const sum = edid.subarray(0, blockBytes).reduce((total, byte) => total + byte, 0);
  if (sum % 256 !== 0) return undefined;

  const timing = descriptorOffsets.find((offset) => at(offset) !== 0 || at(offset + 1) !== 0);
  if (timing === undefined) return undefined;
  const widthPx = at(timing + 2) | ((at(timing + 4) & 0xf0) << 4);
  const heightPx = at(timing + 5) | ((at(timing + 7) & 0xf0) << 4);
  if (widthPx === 0 || heightPx === 0) return undefined;
  const fine = {
    widthMm: at(timing + 12) | ((at(timing + 14) & 0xf0) << 4),
    heightMm: at(timing + 13) | ((at(timing + 14) & 0x0f) << 8),
  };
  const coarse = { widthMm: at(21) * 10, heightMm: at(22) * 10 };
  const size = [fine, coarse].find(plausible) ?? { widthMm: 0, heightMm: 0 };
  return { name: nameIn(edid), widthPx, heightPx, ...size };
}

function plausible({ widthMm, heightMm }: { widthMm: number; heightMm: number }): boolean {
  if (widthMm === 0 || heightMm === 0) return false;
  return !aspectRatios.has(`${widthMm}x${heightMm}`) && !aspectRatios.has(`${widthMm / 10}x${heightMm / 10}`);
}

function nameIn(edid: Uint8Array): string | undefined {
  for (const offset of descriptorOffsets) {
    const descriptor = edid.subarray(offset, offset + descriptorBytes);
    if (descriptor[0] !== 0 || descriptor[1] !== 0 || descriptor[3] !== nameTag) continue;
    const text = String.fromCharCode(...descriptor.subarray(5));
    const name = text
      .split('\n')[0]
      ?.replace(/[^\x20-\x7e]/g, '')
      .trim();
    if (name) return name;
  }
  return undefined;
}
