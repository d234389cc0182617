import type { PresenceState } from './presence-state.ts';

/** The state of the other device in one word, for people. */
export function presenceName({
  placement,
  settled,
  nearness,
}: PresenceState): 'away' | 'seen' | 'near' | 'docked' {
  const docked = placement === 'docked' || (placement === 'moving' && settled === 'docked');
  return docked ? 'docked' : nearness.level;
}
