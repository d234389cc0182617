import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import { run } from '../system/process/run.ts';
import type { Accelerator } from './choose-accelerator.ts';
import { parseQmpMessage } from './qmp-message.ts';
import { CpuDefinition, parseReply } from './qmp-schema.ts';

/** QEMU without a machine answers within a second on an idle host, ms. */
const answerMs = 30_000;

/**
 * What this host's QEMU can offer a guest as CPU, asked of a QEMU without machine that ends by itself:
 * nothing is left of it when the daemon is killed meanwhile.
 */
export async function readCpuDefinitions(
  accelerator: Accelerator,
  signal: AbortSignal,
): Promise<CpuDefinition[]> {
  const commands = ['qmp_capabilities', 'query-cpu-definitions', 'quit'];
  const input = commands.map((execute) => JSON.stringify({ execute, id: execute })).join('\n');
  const { stdout } = await run(
    [
      'qemu-system-x86_64',
      ...['-no-user-config', '-nodefaults', '-machine', 'none', '-accel', accelerator],
      ...['-display', 'none', '-qmp', 'stdio'],
    ],
    { input: `${input}\n`, timeoutMs: answerMs, signal },
  );
  for (const line of stdout.split('\n')) {
    if (line.trim() === '') continue;
    const message = parseQmpMessage(line);
    if (message.kind === 'success' && message.id === 'query-cpu-definitions') {
      return parseReply(z.array(CpuDefinition), 'query-cpu-definitions', message.value);
    }
  }
  throw new DockError('protocol', 'QEMU ended without answering "query-cpu-definitions"');
}
