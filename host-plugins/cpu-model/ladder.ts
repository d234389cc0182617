/** Named models of one processor generation, oldest version first. */
interface Generation {
  readonly name: string;
  /** Of the x86-64 ABI (x86-64-v2 …): what programs are compiled for. */
  readonly level: 2 | 3 | 4;
  readonly versions: readonly number[];
}

/**
 * QEMU's models that a workspace may get, from the oldest generation to the newest. Of each generation the versions
 * without TSX come after those with it, for microcode updates take TSX away; versions with MPX, which newer processors
 * lack, are left out. Atoms, which have no AVX, stand below the first generation that has it.
 */
const intel: readonly Generation[] = [
  { name: 'Nehalem', level: 2, versions: [1, 2] },
  { name: 'Westmere', level: 2, versions: [1, 2] },
  { name: 'Denverton', level: 2, versions: [2, 3] },
  { name: 'Snowridge', level: 2, versions: [2, 3, 4] },
  { name: 'SandyBridge', level: 2, versions: [1, 2] },
  { name: 'IvyBridge', level: 2, versions: [1, 2] },
  { name: 'Haswell', level: 3, versions: [1, 3, 2, 4] },
  { name: 'Broadwell', level: 3, versions: [1, 3, 2, 4] },
  { name: 'Skylake-Client', level: 3, versions: [1, 2, 3, 4] },
  { name: 'SierraForest', level: 3, versions: [1, 2] },
  { name: 'ClearwaterForest', level: 3, versions: [1] },
  { name: 'Skylake-Server', level: 4, versions: [1, 2, 3, 4, 5] },
  { name: 'Cascadelake-Server', level: 4, versions: [1, 2, 3, 4, 5] },
  { name: 'Cooperlake', level: 4, versions: [1, 2] },
  { name: 'Icelake-Server', level: 4, versions: [1, 2, 3, 4, 5, 6] },
  { name: 'SapphireRapids', level: 4, versions: [1, 2, 3] },
  { name: 'GraniteRapids', level: 4, versions: [1, 2] },
];

/** The first ones are Intel's: each AMD processor since Jaguar has all of them, and no model of AMD's is common to all. */
const amd: readonly Generation[] = [
  { name: 'Nehalem', level: 2, versions: [1] },
  { name: 'Westmere', level: 2, versions: [1] },
  { name: 'SandyBridge', level: 2, versions: [1] },
  { name: 'Opteron_G4', level: 2, versions: [1] },
  { name: 'Opteron_G5', level: 2, versions: [1] },
  { name: 'EPYC', level: 3, versions: [1, 2, 3, 4] },
  { name: 'EPYC-Rome', level: 3, versions: [1, 2, 3, 4] },
  { name: 'EPYC-Milan', level: 3, versions: [1, 2] },
  { name: 'EPYC-Genoa', level: 4, versions: [1] },
];

/** All that emulation does well: with `max` the guest's kernel panics after a live migration. */
const emulated = 'Nehalem-v1';

const modelsOf = (generations: readonly Generation[]): string[] =>
  generations.flatMap(({ name, versions }) => versions.map((version) => `${name}-v${version}`));

const intelModels = modelsOf(intel);
const amdModels = modelsOf(amd);

/** All models that any device may give a new workspace. */
export const ladderModels: readonly string[] = [...new Set([...intelModels, ...amdModels])];

/** What a new workspace may get on such a device, oldest first. */
export function ladderFor(device: {
  readonly accelerator: 'kvm' | 'tcg';
  readonly vendor: string;
}): readonly string[] {
  if (device.accelerator === 'tcg') return [emulated];
  const isAmd = device.vendor === 'AuthenticAMD' || device.vendor === 'HygonGenuine';
  return isAmd ? amdModels : intelModels;
}

/** `Haswell-v4 (x86-64-v3)`; a model that is not on the ladder by its name alone. */
export function modelWords(model: string): string {
  const name = model.replace(/-v\d+$/, '');
  const level = [...intel, ...amd].find((generation) => generation.name === name)?.level;
  return level === undefined ? model : `${model} (x86-64-v${level})`;
}
