import type { CpuCapability } from '../../protocol/cpu-capability.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { ladderFor } from './ladder.ts';

/** What one device gives a guest as CPU. */
export interface CpuOffer {
  /** Its name here. */
  readonly device: string;
  readonly capability: CpuCapability;
}

/** Between these two a running VM can move, as far as it is about what no model hides. */
export function areKin(one: CpuCapability, other: CpuCapability): boolean {
  if (one.accelerator !== other.accelerator) return false;
  return one.accelerator === 'tcg' || one.vendor === other.vendor;
}

/** What is missing of a model on a device; undefined when QEMU there does not have the model. */
export function missingOf(capability: CpuCapability, model: string): readonly string[] | undefined {
  return capability.models.find(({ name }) => name === model)?.missing;
}

/** The device gives the model whole. */
export function gives(capability: CpuCapability, model: string): boolean {
  return missingOf(capability, model)?.length === 0;
}

/**
 * The model of a new workspace: what most of the devices give whole, and of that the newest. Where one is common to
 * all, each of the devices comes to the same one, whatever their order. `leftOut` are the devices that it cannot run on.
 * Throws `missing-dependency` where the device itself gives none.
 */
export function chooseCpuModel(
  self: CpuOffer,
  others: readonly CpuOffer[],
): { readonly model: string; readonly leftOut: readonly CpuOffer[] } {
  const ladder = ladderFor(self.capability);
  const runsOn = (model: string, { capability }: CpuOffer): boolean =>
    areKin(self.capability, capability) && gives(capability, model);
  let best: { model: string; count: number } | undefined;
  for (const model of ladder) {
    if (!gives(self.capability, model)) continue;
    const count = others.filter((other) => runsOn(model, other)).length;
    if (best === undefined || count >= best.count) best = { model, count };
  }
  if (best === undefined) throw noModel(self, ladder[0] ?? '');
  const { model } = best;
  return { model, leftOut: others.filter((other) => !runsOn(model, other)) };
}

function noModel({ device, capability }: CpuOffer, oldest: string): DockError {
  const missing = missingOf(capability, oldest);
  const why = missing === undefined ? 'does not know it' : `lacks ${missing.join(', ')}`;
  return new DockError(
    'missing-dependency',
    `QEMU ${capability.qemuVersion} of "${device}" can give a guest no CPU: of the oldest model, ${oldest}, it ${why}`,
  );
}
