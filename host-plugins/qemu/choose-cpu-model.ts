import { DockError } from '../../protocol/dock-error.ts';
import type { Accelerator } from './choose-accelerator.ts';

/** What one device can offer a guest as CPU. */
export interface CpuOffer {
  readonly device: string;
  readonly accelerator: Accelerator;
  /** Of query-cpu-definitions; a model without `unavailable-features` was not checked, and does not count. */
  readonly models: readonly {
    readonly name: string;
    readonly 'unavailable-features'?: readonly string[] | undefined;
  }[];
}

/**
 * Named models, oldest first, with their version, because what an unversioned name means depends on the
 * machine type. Of each generation the versions without TSX come later: microcode updates take TSX away.
 */
const ladder = [
  'Nehalem-v1',
  'Westmere-v1',
  'SandyBridge-v1',
  'IvyBridge-v1',
  'Haswell-v1',
  'Haswell-v2',
  'Broadwell-v1',
  'Broadwell-v2',
  'Skylake-Client-v1',
  'Skylake-Client-v3',
  'Skylake-Server-v1',
  'Skylake-Server-v3',
  'Cascadelake-Server-v1',
  'Cascadelake-Server-v3',
  'Icelake-Server-v1',
  'Icelake-Server-v2',
  'SapphireRapids-v1',
  'GraniteRapids-v1',
] as const;

/** All that emulation does well: with `max` the guest's kernel panics after a live migration. */
const emulated = 'Nehalem-v1';

/**
 * The newest named model that every one of these devices offers whole. It is part of the machine's shape, so
 * all devices that the workspace may ever visit count. `missing-dependency`, with what is missing where, when
 * there is none.
 */
export function chooseCpuModel(offers: readonly CpuOffer[]): string {
  if (offers.some(({ accelerator }) => accelerator === 'tcg')) return requireModel(offers, emulated);
  const common = ladder.findLast((model) =>
    offers.every((offer) => missingFeatures(offer, model)?.length === 0),
  );
  return common ?? requireModel(offers, ladder[0]);
}

function requireModel(offers: readonly CpuOffer[], model: string): string {
  for (const offer of offers) {
    const missing = missingFeatures(offer, model);
    if (missing?.length === 0) continue;
    const why = missing === undefined ? 'does not know it' : `lacks ${missing.join(', ')}`;
    throw new DockError(
      'missing-dependency',
      `no CPU model fits all devices: "${offer.device}" ${why} (${model})`,
    );
  }
  return model;
}

/** Undefined when QEMU there does not have the model or did not check it. */
function missingFeatures(offer: CpuOffer, model: string): readonly string[] | undefined {
  return offer.models.find(({ name }) => name === model)?.['unavailable-features'];
}
