import * as z from 'zod';
import { NetworkMode } from './allocation.ts';

/** A process of the guest by its anonymous and shared resident memory; for "who holds it". */
export const ProcessMemory = z.strictObject({ name: z.string(), pid: z.int(), residentMiB: z.number() });
export type ProcessMemory = z.infer<typeof ProcessMemory>;

/** Everything here was read inside the guest by the agent, never inferred from what was asked for. */
export const GuestState = z.strictObject({
  agentVersion: z.string(),
  vcpus: z.strictObject({
    /** /sys/devices/system/cpu/online, counted. */
    online: z.int().min(1),
    /** Plugged: those present, online or not. */
    present: z.int().min(1),
  }),
  memory: z.strictObject({
    /** /proc/meminfo MemTotal. */
    totalMiB: z.number(),
    /** /proc/meminfo MemAvailable. */
    availableMiB: z.number(),
    /** What would stay in use after all caches were dropped: total less available. */
    usedMiB: z.number(),
    /** PSI "some avg10" of /proc/pressure/memory in per cent; absent where the kernel has no PSI. */
    pressureSomeAvg10: z.number().optional(),
    /** Pages of files, as /proc/meminfo counts them; absent for an agent that does not tell. */
    cache: z
      .strictObject({
        /** Active(file): used more than once lately. */
        activeMiB: z.number(),
        /** Inactive(file): the kernel would take these first. */
        inactiveMiB: z.number(),
        /** Dirty and Writeback: not on the disk yet. */
        dirtyMiB: z.number(),
      })
      .optional(),
    largest: z.array(ProcessMemory),
  }),
  /** Absent when no compositor answers; `why` then says so in `notes`. */
  display: z
    .strictObject({
      connector: z.string(),
      widthPx: z.int(),
      heightPx: z.int(),
      scale: z.number(),
      widthMm: z.int().optional(),
      heightMm: z.int().optional(),
    })
    .optional(),
  network: z.strictObject({
    /** How the guest finds itself attached: from the gateway's hardware address (see the agent's observe/). */
    mode: NetworkMode.optional(),
    interface: z.string().optional(),
    /** IPv4 and IPv6 addresses with prefix length, no link-local ones. */
    addresses: z.array(z.string()),
    gateway: z.string().optional(),
    macAddress: z.string().optional(),
  }),
  /** Units of the policy's sleep list that are frozen now. */
  frozenServices: z.array(z.string()),
  /** Guest wall clock when this was read, milliseconds since 1970. */
  clockMs: z.number(),
  uptimeMs: z.number(),
  /** What could not be read, and why. */
  notes: z.array(z.string()),
});
export type GuestState = z.infer<typeof GuestState>;
