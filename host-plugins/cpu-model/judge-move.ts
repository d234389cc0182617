import { areKin, type CpuOffer, chooseCpuModel, gives, missingOf } from './choose-model.ts';
import { modelWords } from './ladder.ts';

/** What of a workspace's shape depends on the processor and on QEMU. */
export interface CpuShape {
  readonly name: string;
  readonly cpuModel: string;
  readonly machineType: string;
}

/** Why a workspace cannot move to a device while it runs, and what its user can do about it. */
export interface CpuObstacle {
  readonly why: string;
  readonly remedy?: string;
}

/** So many missing features say which processor it would take; the others are counted. */
const shownFeatures = 4;

/** Undefined when nothing about its CPU keeps the running workspace from moving. */
export function judgeMove(shape: CpuShape, from: CpuOffer, to: CpuOffer): CpuObstacle | undefined {
  const { capability: there } = to;
  if (from.capability.accelerator !== there.accelerator) return otherAccelerator(from, to);
  if (!areKin(from.capability, there)) {
    return {
      why: `the processor of "${from.device}" is of ${vendorWords(from.capability.vendor)} and that of "${to.device}" of ${vendorWords(there.vendor)}, and no guest survives that change while it runs`,
    };
  }
  return judgeShape(shape, to);
}

/** The part of it that is about one device: whether a machine of this shape can run there at all. */
export function judgeShape(shape: CpuShape, at: CpuOffer): CpuObstacle | undefined {
  const { device, capability } = at;
  const { qemuVersion } = capability;
  if (!capability.machineTypes.includes(shape.machineType)) {
    return {
      why: `QEMU ${qemuVersion} of "${device}" does not have its machine type ${shape.machineType}`,
      remedy: `install another version of QEMU on "${device}"`,
    };
  }
  if (gives(capability, shape.cpuModel)) return undefined;
  const missing = missingOf(capability, shape.cpuModel);
  if (missing === undefined) {
    return {
      why: `QEMU ${qemuVersion} of "${device}" does not have its CPU model ${modelWords(shape.cpuModel)}`,
    };
  }
  const how = capability.accelerator === 'tcg' ? 'emulation on' : 'the processor of';
  return {
    why: `its CPU model ${modelWords(shape.cpuModel)} needs ${featureWords(missing)}, which ${how} "${device}" does not have`,
  };
}

/**
 * What lets it move there after a new start. Undefined where the model that it would get then does not.
 * @param others all devices that a new model has to fit
 */
export function remedyByModel(
  { name, cpuModel, machineType }: CpuShape,
  self: CpuOffer,
  to: CpuOffer,
  others: readonly CpuOffer[],
): string | undefined {
  const { machineTypes } = to.capability;
  if (!areKin(self.capability, to.capability) || !machineTypes.includes(machineType)) return undefined;
  const { model } = chooseCpuModel(self, others);
  if (model === cpuModel || !gives(to.capability, model)) return undefined;
  return `after a new start with ${modelWords(model)} it can: shut it down, then \`wdock workspace start ${name} --cpu-model common\``;
}

function otherAccelerator(from: CpuOffer, to: CpuOffer): CpuObstacle {
  const emulating = from.capability.accelerator === 'tcg' ? from : to;
  const other = emulating === from ? to : from;
  return {
    why: `"${emulating.device}" emulates (TCG) and "${other.device}" has KVM, and a running machine cannot change between the two`,
    remedy: `\`wdock doctor\` on "${emulating.device}" says what KVM needs there`,
  };
}

function vendorWords(vendor: string): string {
  switch (vendor) {
    case 'GenuineIntel':
      return 'Intel';
    case 'AuthenticAMD':
      return 'AMD';
    default:
      return vendor;
  }
}

function featureWords(features: readonly string[]): string {
  const shown = features.slice(0, shownFeatures);
  const more = features.length - shown.length;
  const last = more > 0 ? `${more} more` : shown.pop();
  return shown.length === 0 ? `${last}` : `${shown.join(', ')} and ${last}`;
}
