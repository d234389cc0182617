import type { DisplayAllocation } from '../../protocol/allocation.ts';

/** The picture as the compositor drives it now. */
export interface CompositorDisplay {
  readonly connector: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly scale: number;
}

/**
 * The program that owns the screen in the user's session, as far as we need it. Mutter is one; KScreen (KDE) and
 * wlr-output-management (sway and others) take their place beside it in `findCompositor`.
 */
export interface Compositor {
  readonly name: string;
  /** undefined while no screen is in use. */
  read(signal: AbortSignal): Promise<CompositorDisplay | undefined>;
  /**
   * Sets mode and scale, and returns in words what could not be had. Waits, `limitMs` at most besides
   * what the compositor takes to answer, for the mode to appear: it hears of a new screen size on its own way.
   */
  apply(wish: DisplayAllocation, limitMs: number, signal: AbortSignal): Promise<string[]>;
}

/** A way to find one kind of compositor on the session bus; undefined where it does not run. */
export type CompositorProbe = (signal: AbortSignal) => Promise<Compositor | undefined>;

/** The first that runs. */
export async function findCompositor(
  probes: readonly CompositorProbe[],
  signal: AbortSignal,
): Promise<Compositor | undefined> {
  for (const probe of probes) {
    const found = await probe(signal);
    if (found !== undefined) return found;
  }
  return undefined;
}
