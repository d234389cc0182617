export type Accelerator = 'kvm' | 'tcg';

export interface AcceleratorFacts {
  readonly kvmOpens: boolean;
  readonly cpuFlags: ReadonlySet<string>;
}

/**
 * KVM only where /dev/kvm opens *and* the CPU has vmx or svm: a software-only KVM opens too, and cannot run a
 * stock kernel.
 */
export function chooseAccelerator(facts: AcceleratorFacts): { accelerator: Accelerator; reason: string } {
  const hardware = facts.cpuFlags.has('vmx') || facts.cpuFlags.has('svm');
  if (facts.kvmOpens && hardware)
    return { accelerator: 'kvm', reason: '/dev/kvm opens and the CPU has vmx or svm' };
  if (hardware)
    return { accelerator: 'tcg', reason: '/dev/kvm does not open; is the user in the group kvm?' };
  return { accelerator: 'tcg', reason: 'the CPU shows neither vmx nor svm, so KVM cannot run a guest' };
}
