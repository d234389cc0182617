/** What the container knows the parts of presence by; a leaf, as contract/tokens.ts. */
export const PresenceToken = {
  /** `ObservationSource`: bound as often as there are sources, or not at all */
  Source: Symbol.for('wireless-dock.observation-source'),
  /** `StayAwake`; optional */
  StayAwake: Symbol.for('wireless-dock.stay-awake'),
  /** `WorkspacePlaces`: where the workspaces are, and their trips */
  Places: Symbol.for('wireless-dock.workspace-places'),
} as const;
