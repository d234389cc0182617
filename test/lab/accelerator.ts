import { accessSync, constants, readFileSync } from 'node:fs';

export interface AcceleratorFacts {
  /** /dev/kvm can be opened for reading and writing. */
  kvmOpens: boolean;
  /** The contents of /proc/cpuinfo. */
  cpuInfo: string;
}

/** The value of QEMU's `-accel` option. */
export type Accelerator = 'kvm' | 'tcg,thread=multi';

/**
 * KVM only where the processor itself can virtualise: a /dev/kvm that opens without vmx or svm is a software KVM,
 * which does not run a stock kernel.
 */
export function chooseAccelerator(facts: AcceleratorFacts): Accelerator {
  const virtualises = /^flags\s*:.*\b(vmx|svm)\b/m.test(facts.cpuInfo);
  return facts.kvmOpens && virtualises ? 'kvm' : 'tcg,thread=multi';
}

export function readAcceleratorFacts(): AcceleratorFacts {
  let kvmOpens = true;
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    kvmOpens = false;
  }
  return { kvmOpens, cpuInfo: readFileSync('/proc/cpuinfo', 'utf8') };
}

/** A model that this accelerator offers on every machine of the lab; `max` panics after a move under TCG. */
export const labCpuModel = 'Nehalem-v1';
