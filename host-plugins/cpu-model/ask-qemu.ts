import { z } from 'zod';
import { CpuModelName } from '../../protocol/cpu-capability.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { Accelerator } from '../qemu/choose-accelerator.ts';
import { parseQmpMessage } from '../qemu/qmp-message.ts';
import { parseReply } from '../qemu/qmp-schema.ts';
import { run } from '../system/process/run.ts';

/** QEMU without a machine answers within a tenth of a second on an idle host, ms. */
const answerMs = 30_000;

const Version = z.object({
  qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }),
});
const Machine = z.object({ name: z.string() });
const CpuDefinition = z.object({
  name: z.string(),
  /** Absent where QEMU did not check the model against this host. */
  'unavailable-features': z.array(z.string()).optional(),
});

/** What QEMU says of this host; every versioned model that it has checked, with what is missing of it here. */
export interface QemuAnswers {
  readonly qemuVersion: string;
  readonly machineTypes: readonly string[];
  readonly missing: ReadonlyMap<string, readonly string[]>;
}

/**
 * Asks a QEMU without machine that ends by itself: nothing is left of it when the daemon is killed meanwhile. Throws
 * `missing-dependency`, `timeout`, `io` when it fails, `protocol` for answers of another shape.
 */
export async function askQemu(accelerator: Accelerator, signal: AbortSignal): Promise<QemuAnswers> {
  const commands = ['qmp_capabilities', 'query-version', 'query-machines', 'query-cpu-definitions', 'quit'];
  const input = commands.map((execute) => JSON.stringify({ execute, id: execute })).join('\n');
  const { stdout } = await run(
    [
      'qemu-system-x86_64',
      ...['-no-user-config', '-nodefaults', '-machine', 'none', '-accel', accelerator],
      ...['-display', 'none', '-qmp', 'stdio'],
    ],
    { input: `${input}\n`, timeoutMs: answerMs, signal },
  );
  return parseAnswers(stdout);
}

/** Of the lines that QEMU has written on its QMP monitor. */
export function parseAnswers(output: string): QemuAnswers {
  const replies = new Map<unknown, unknown>();
  for (const line of output.split('\n')) {
    if (line.trim() === '') continue;
    const message = parseQmpMessage(line);
    if (message.kind === 'success') replies.set(message.id, message.value);
  }
  const answer = <S extends z.ZodType>(command: string, schema: S): z.infer<S> => {
    if (replies.has(command)) return parseReply(schema, command, replies.get(command));
    throw new DockError('protocol', `QEMU ended without answering "${command}"`);
  };
  const { qemu } = answer('query-version', Version);
  const missing = new Map<string, readonly string[]>();
  for (const definition of answer('query-cpu-definitions', z.array(CpuDefinition))) {
    const unavailable = definition['unavailable-features'];
    if (unavailable === undefined || !CpuModelName.safeParse(definition.name).success) continue;
    missing.set(definition.name, [...new Set(unavailable.filter((feature) => !isSwitchedOff(feature)))]);
  }
  return {
    qemuVersion: `${qemu.major}.${qemu.minor}.${qemu.micro}`,
    machineTypes: answer('query-machines', z.array(Machine))
      .map(({ name }) => name)
      .filter((name) => /^pc-q35-\d+\.\d+$/.test(name))
      .sort(),
    missing,
  };
}

/** Features of nested virtualisation, which go with `vmx=off,svm=off` (qemu/command-line.ts): FEAT_SVM of target/i386/cpu.c. */
const svmFeatures: ReadonlySet<string> = new Set([
  ...['svm', 'npt', 'lbrv', 'svm-lock', 'nrip-save', 'tsc-scale', 'vmcb-clean', 'flushbyasid'],
  ...[
    'decodeassists',
    'pause-filter',
    'pfthreshold',
    'avic',
    'v-vmsave-vmload',
    'vgif',
    'vnmi',
    'svme-addr-chk',
  ],
]);

function isSwitchedOff(feature: string): boolean {
  return svmFeatures.has(feature) || feature === 'vmx' || feature.startsWith('vmx-');
}
