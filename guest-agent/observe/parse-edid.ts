/**
 * Size of the picture in millimetres from an EDID (VESA E-EDID 1.4): of the preferred timing (3.10.2, bytes 12 to
 * 14 of the descriptor), else the display's in centimetres (3.6.2). undefined where the block is no EDID or says
 * no size.
 */
export function readEdidSizeMm(edid: Uint8Array): { widthMm: number; heightMm: number } | undefined {
  const header = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
  if (edid.length < 128 || header.some((byte, at) => edid[at] !== byte)) return undefined;
  const at = (index: number): number => edid[index] ?? 0;
  const firstTiming = 54;
  const isTiming = at(firstTiming) !== 0 || at(firstTiming + 1) !== 0;
  const widthMm = at(firstTiming + 12) | ((at(firstTiming + 14) & 0xf0) << 4);
  const heightMm = at(firstTiming + 13) | ((at(firstTiming + 14) & 0x0f) << 8);
  if (isTiming && widthMm > 0 && heightMm > 0) return { widthMm, heightMm };
  return at(21) > 0 && at(22) > 0 ? { widthMm: at(21) * 10, heightMm: at(22) * 10 } : undefined;
}
