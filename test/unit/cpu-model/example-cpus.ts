import type { CpuOffer } from '../../../host-plugins/cpu-model/choose-model.ts';
import type { CpuCapability } from '../../../protocol/cpu-capability.ts';

/** A device with these models, each with what is missing of it; QEMU there does not have any other. */
export function device(
  name: string,
  models: Readonly<Record<string, readonly string[]>>,
  changes: Partial<CpuCapability> = {},
): CpuOffer {
  return {
    device: name,
    capability: {
      accelerator: 'kvm',
      vendor: 'GenuineIntel',
      qemuVersion: '10.0.2',
      machineTypes: ['pc-q35-10.0', 'pc-q35-9.2'],
      models: Object.entries(models).map(([model, missing]) => ({ name: model, missing: [...missing] })),
      ...changes,
    },
  };
}

const upToWestmere = { 'Nehalem-v1': [], 'Nehalem-v2': [], 'Westmere-v1': [], 'Westmere-v2': [] };
const upToIvyBridge = { 'SandyBridge-v1': [], 'SandyBridge-v2': [], 'IvyBridge-v1': [], 'IvyBridge-v2': [] };
const tsx = ['hle', 'rtm'];
const upToSkylakeClient = {
  ...upToWestmere,
  ...upToIvyBridge,
  'Haswell-v1': tsx,
  'Haswell-v2': [],
  'Haswell-v3': tsx,
  'Haswell-v4': [],
  'Broadwell-v1': tsx,
  'Broadwell-v2': [],
  'Broadwell-v3': tsx,
  'Broadwell-v4': [],
  'Skylake-Client-v1': tsx,
  'Skylake-Client-v2': tsx,
  'Skylake-Client-v3': [],
  'Skylake-Client-v4': [],
};
const avx512 = ['avx512f', 'avx512dq', 'avx512cd', 'avx512bw', 'avx512vl'];
const noAvx = ['avx', 'xsave'];

/*
 * What KVM would answer on such computers, written by hand from the processors' data sheets and QEMU's definitions of the
 * models (target/i386/cpu.c): the machine that runs the tests has no KVM.
 */

/** A tablet with an Atom x5 (Airmont): SSE4.2 and AES, no AVX. */
export const tablet = device('tablet', {
  ...upToWestmere,
  'SandyBridge-v1': noAvx,
  'SandyBridge-v2': noAvx,
  'Haswell-v4': [...noAvx, 'avx2', 'bmi1', 'bmi2', 'fma', 'f16c', 'abm', 'pcid', 'invpcid'],
  'Skylake-Client-v4': [...noAvx, 'avx2', 'bmi1', 'bmi2', 'fma', 'f16c', 'abm', 'xsavec', 'xsaves'],
  'Skylake-Server-v5': [...noAvx, 'avx2', ...avx512],
});

/** A laptop of the 12th generation: AVX2, no AVX-512, no TSX. */
export const laptop = device('laptop', {
  ...upToSkylakeClient,
  'Skylake-Server-v3': avx512,
  'Skylake-Server-v5': avx512,
  'Icelake-Server-v5': [...avx512, 'avx512vnni'],
});

/** A workstation with a Xeon of the Ice Lake generation. */
export const workstation = device('workstation', {
  ...upToSkylakeClient,
  'Skylake-Server-v3': [],
  'Skylake-Server-v5': [],
  'Cascadelake-Server-v5': [],
  'Icelake-Server-v5': [],
  'Icelake-Server-v6': [],
  'SapphireRapids-v1': ['amx-tile', ...tsx],
});

/** A desktop with a Ryzen of the Zen 3 generation. */
export const ryzen = device(
  'ryzen',
  {
    'Nehalem-v1': [],
    'Westmere-v1': [],
    'SandyBridge-v1': [],
    'Haswell-v4': [],
    'Opteron_G4-v1': ['xop', 'fma4'],
    'EPYC-v1': [],
    'EPYC-v4': [],
    'EPYC-Rome-v4': [],
    'EPYC-Milan-v1': [],
    'EPYC-Milan-v2': [],
    'EPYC-Genoa-v1': avx512,
  },
  { vendor: 'AuthenticAMD' },
);

/** QEMU 10.0 without KVM, as it answers on any computer. */
export const emulating = device(
  'emulating',
  { ...upToWestmere, 'Westmere-v2': ['spec-ctrl'], 'Nehalem-v2': ['spec-ctrl'], 'EPYC-v1': ['topoext'] },
  { accelerator: 'tcg' },
);
