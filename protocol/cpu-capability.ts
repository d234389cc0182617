import { z } from 'zod';

/** A named model of QEMU with its version, e.g. `Haswell-v4`: what an unversioned name means depends on the machine type. */
export const CpuModelName = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,40}-v\d{1,3}$/, 'a CPU model has a name and a version, such as Haswell-v4');

/** What a device can give a guest as CPU, as its QEMU says. */
export const CpuCapability = z.strictObject({
  accelerator: z.enum(['kvm', 'tcg']),
  /** Of the processor, as CPUID has it, e.g. `GenuineIntel`. With KVM the guest sees it, whatever its model is. */
  vendor: z.string().max(40),
  /** E.g. `10.0.2`. */
  qemuVersion: z.string().max(40),
  /** Versioned ones, e.g. `pc-q35-10.0`. */
  machineTypes: z.array(z.string().max(40)).max(500),
  /** Of the models that were asked for, those that QEMU knows and has checked; one is whole when nothing is missing. */
  models: z
    .array(z.strictObject({ name: CpuModelName, missing: z.array(z.string().max(60)).max(500) }))
    .max(500),
});
export type CpuCapability = z.infer<typeof CpuCapability>;
