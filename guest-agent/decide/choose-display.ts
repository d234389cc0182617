import type { DisplayAllocation } from '../../protocol/allocation.ts';

export interface DisplayMode {
  /** The compositor's name for it. */
  readonly id: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly refreshHz: number;
  /** Scales that the compositor offers for this mode. */
  readonly scales: readonly number[];
}

export interface DisplayChoice {
  readonly mode: DisplayMode;
  readonly scale: number;
  /** In what this is not as wished. */
  readonly problems: readonly string[];
}

/**
 * The mode of the wished size with the highest refresh rate; where there is none, the largest that fits inside it
 * (the host's window or panel then shows all of the picture), else the smallest. Of its scales the one nearest to
 * the wish, the smaller of two that are equally near. undefined where there is no mode at all.
 */
export function chooseDisplay(
  modes: readonly DisplayMode[],
  wish: DisplayAllocation,
): DisplayChoice | undefined {
  const mode = chooseMode(modes, wish);
  if (mode === undefined) return undefined;
  const scale = nearestScale(mode.scales, wish.scale);
  const problems: string[] = [];
  if (!hasSize(mode, wish)) {
    problems.push(
      `the compositor offers no mode of ${wish.widthPx}x${wish.heightPx}; it got ${mode.widthPx}x${mode.heightPx}`,
    );
  }
  if (Math.abs(scale - wish.scale) > scaleTolerance) {
    const offered = mode.scales.map(roundScale).join(', ');
    problems.push(
      `the compositor offers no scale of ${wish.scale} for ${mode.widthPx}x${mode.heightPx} (it has ${offered}); it got ${roundScale(scale)}`,
    );
  }
  return { mode, scale, problems };
}

/** Compositors round a scale so that the picture's size is a whole number: 1.25 becomes 1.2549. */
export const scaleTolerance = 0.05;

export function hasSize(mode: { widthPx: number; heightPx: number }, wish: DisplayAllocation): boolean {
  return mode.widthPx === wish.widthPx && mode.heightPx === wish.heightPx;
}

function chooseMode(modes: readonly DisplayMode[], wish: DisplayAllocation): DisplayMode | undefined {
  const byRefresh = [...modes].sort((a, b) => b.refreshHz - a.refreshHz);
  const exact = byRefresh.find((mode) => hasSize(mode, wish));
  if (exact !== undefined) return exact;
  const area = (mode: DisplayMode): number => mode.widthPx * mode.heightPx;
  const byArea = byRefresh.sort((a, b) => area(b) - area(a));
  const fits = byArea.find((mode) => mode.widthPx <= wish.widthPx && mode.heightPx <= wish.heightPx);
  return fits ?? byArea.at(-1);
}

function nearestScale(scales: readonly number[], wished: number): number {
  let best = scales[0] ?? 1;
  for (const scale of [...scales].sort((a, b) => a - b))
    if (Math.abs(scale - wished) < Math.abs(best - wished)) best = scale;
  return best;
}

function roundScale(scale: number): number {
  return Math.round(scale * 100) / 100;
}
