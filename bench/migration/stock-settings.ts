export type StockTuning = 'defaults' | 'best';

/** Capabilities and parameters of QEMU's migration, the same on both ends. */
export interface StockSettings {
  readonly capabilities: readonly { readonly capability: string; readonly state: boolean }[];
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** All as QEMU has it, where nothing else is said below; named because the saved guest was loaded with other settings. */
const defaults = {
  'return-path': false,
  'pause-before-switchover': false,
  'late-block-activate': false,
  multifd: false,
  'postcopy-ram': false,
  events: true, // changes nothing of the move, and says when it is done
};

/**
 * - defaults: QEMU gives up free-page hints where the move could end as post-copy, which it is never asked to. The
 *   balloon that hints is a part of the guest's shape and cannot be left out.
 * - best: several channels, each compressed with zstd at its first level, and no page that the guest says is free.
 *
 * Neither has the limit of 128 MiB/s that QEMU sets by itself, which no shaped link reaches.
 */
export function stockSettings(tuning: StockTuning): StockSettings {
  const set = tuning === 'best' ? { ...defaults, multifd: true } : { ...defaults, 'postcopy-ram': true };
  const compression = tuning === 'best' ? { 'multifd-compression': 'zstd', 'multifd-zstd-level': 1 } : {};
  return {
    capabilities: Object.entries(set).map(([capability, state]) => ({ capability, state })),
    parameters: { 'max-bandwidth': 0, ...compression },
  };
}
