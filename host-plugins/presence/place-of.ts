import type { Placement } from './engine/presence-state.ts';
import type { WorkspacePlace } from './workspace-places.ts';

/** Where a workspace is, seen by the two devices that its triggers are about; undefined: it is not about these two. */
export function placementBetween(place: WorkspacePlace, self: string, other: string): Placement | undefined {
  const { home, where } = place;
  const here = where !== 'moving' && where !== 'none' && where.at === self;
  if (home === self) {
    if (where === 'moving') return 'moving';
    if (here) return 'home';
    return where !== 'none' && where.at === other ? 'docked' : 'other';
  }
  // A visitor's triggers are about its home alone, and end when it has left.
  if (home !== other) return undefined;
  if (where === 'moving') return 'moving';
  return here ? 'docked' : undefined;
}
