import { readFile } from 'node:fs/promises';
import { chooseTriggers } from '../../../policies/choose/choose-triggers.ts';
import { loadPolicy, loadPolicyLayers } from '../../../policies/load-policies.ts';
import { parseYaml } from '../../../policies/positioned-yaml/parse-yaml.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import type { HostProfile } from '../../../protocol/host-profile.ts';
import { playTrace } from '../../presence/trace/play-trace.ts';
import { TraceDocument } from '../../presence/trace/trace-document.ts';
import { type CommandRun, done } from '../command-context.ts';
import { renderTimeline } from '../render/render-timeline.ts';

export interface SimulateOptions {
  readonly policy?: readonly string[];
}

/** Plays a trace against the triggers of a policy; needs no wdockd. */
export async function simulateTrace(
  run: CommandRun,
  file: string,
  options: SimulateOptions,
): Promise<number> {
  const { value: trace } = parseYaml(await readTrace(file, run.signal), file, TraceDocument, 'the trace');
  const { device, other } = trace;
  const config = await run.config();
  const layers = await loadPolicyLayers(
    { folders: config?.policies ?? [], deviceClass: device.class },
    run.signal,
  );
  for (const policy of options.policy ?? []) layers.push(await loadPolicy(policy, run.signal));
  const otherDevice = {
    name: other.name,
    deviceClass: other.class,
    trust: other.trust === 'kiosk' ? ('untrusted' as const) : ('trusted' as const),
  };
  const on = (source: 'mains' | 'battery') =>
    chooseTriggers(layers, bareHost(device.class, source), otherDevice);
  const mains = on('mains');
  const timeline = playTrace(trace, { mains: mains.rules, battery: on('battery').rules });
  run.print(
    { description: trace.description ?? '', decisions: mains.decisions, timeline },
    renderTimeline(trace, timeline, run.terminal.columns ?? 100),
  );
  return done;
}

/** A trace tells of power and nothing else that `when` could ask for. */
function bareHost(deviceClass: HostProfile['deviceClass'], source: 'mains' | 'battery'): HostProfile {
  return {
    deviceClass,
    simulated: true,
    cpus: { logical: 1, model: 'trace' },
    memory: { totalMiB: 1024 },
    displays: [],
    links: [],
    power: { source },
    input: { touch: false, keyboard: false, pointer: false },
    disk: { freeMiB: 0 },
  };
}

async function readTrace(file: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(file, { encoding: 'utf8', signal });
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new DockError('not-found', `there is no trace ${file}`, { cause: error });
    throw new DockError('io', `the trace ${file} cannot be read: ${message}`, { cause: error });
  }
}
