/** Pixels and millimetres of a display; 0 mm where it does not say. */
export interface DisplaySize {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly widthMm: number;
  readonly heightMm: number;
}

/**
 * Logical dots per inch that people find comfortable, by the distance they look from: a small display is held in
 * the hand or stands near, a large one stands at arm's length. The figures are those of GNOME's Mutter
 * (src/backends/meta-monitor.c), which picks the scale in a guest that nobody tells one.
 */
const nearDpi = 135;
const farDpi = 110;
const farFromInches = 20;

/** Less than this and dialogs no longer fit on the screen; Mutter's limit too, there as an area. */
const leastLogicalPx = { width: 800, height: 480 };

const candidates = Array.from({ length: 13 }, (_, index) => 1 + index / 4);

/** Some displays give the ratio of their sides where their size should stand. */
const ratios = ['16x9', '16x10', '160x90', '160x100', '1600x900', '1600x1000'];

/**
 * The scale, in quarters from 1 to 4, at which text on the display is nearest to the comfortable size, and why.
 * Only scales that leave whole logical pixels in both directions: compositors offer no others (Mutter offers the
 * nearest one that divides, which for 1024x600 and 1.25 is 1.33 and leaves only 450 logical rows), and what does
 * not divide is blurred.
 */
export function comfortableScale(size: DisplaySize): { scale: number; because: string } {
  const { widthPx, heightPx, widthMm, heightMm } = size;
  if (widthMm === 0 || heightMm === 0) return { scale: 1, because: 'the display does not tell its size' };
  if (ratios.includes(`${widthMm}x${heightMm}`)) {
    return {
      scale: 1,
      because: `the display tells the ratio of its sides, ${widthMm}:${heightMm}, not its size`,
    };
  }
  const inches = Math.hypot(widthMm, heightMm) / 25.4;
  const dpi = Math.hypot(widthPx, heightPx) / inches;
  const comfortable = inches < farFromInches ? nearDpi : farDpi;
  const distance = (scale: number) => Math.abs(dpi / scale - comfortable);
  const usable = candidates.filter((scale) => divides(size, scale) && leavesRoom(size, scale));
  const scale = usable.reduce((best, next) => (distance(next) < distance(best) ? next : best), 1);
  const wished = candidates.reduce((best, next) => (distance(next) < distance(best) ? next : best), 1);

  const density = `${Math.round(dpi)} dpi on ${inches.toFixed(1)} inches`;
  const aim = `nearest to ${comfortable} dpi`;
  if (wished === scale) return { scale, because: `${density}: ${aim}` };
  const obstacle = leavesRoom(size, wished)
    ? `does not divide ${widthPx}x${heightPx} into whole pixels`
    : `would leave less than ${leastLogicalPx.width}x${leastLogicalPx.height}`;
  return { scale, because: `${density}: ${wished} would be ${aim}, but ${obstacle}` };
}

function divides({ widthPx, heightPx }: DisplaySize, scale: number): boolean {
  return Number.isInteger(widthPx / scale) && Number.isInteger(heightPx / scale);
}

function leavesRoom({ widthPx, heightPx }: DisplaySize, scale: number): boolean {
  const [long, short] = [Math.max(widthPx, heightPx), Math.min(widthPx, heightPx)];
  return long / scale >= leastLogicalPx.width && short / scale >= leastLogicalPx.height;
}
