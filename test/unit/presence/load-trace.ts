import { readFile } from 'node:fs/promises';
import type { TimelineEntry } from '../../../host-plugins/presence/trace/play-trace.ts';
import { playTrace } from '../../../host-plugins/presence/trace/play-trace.ts';
import { TraceDocument } from '../../../host-plugins/presence/trace/trace-document.ts';
import { chooseTriggers } from '../../../policies/choose/choose-triggers.ts';
import { parsePolicy } from '../../../policies/language/parse-policy.ts';
import { parseYaml } from '../../../policies/positioned-yaml/parse-yaml.ts';
import { mobileDevice } from '../policies/example-hosts.ts';

const read = (name: string) => readFile(new URL(`traces/${name}`, import.meta.url), 'utf8');

/** The rules of a policy file beside the traces, on top of the built-in ones. */
export async function rulesOf(policy: string) {
  const layer = parsePolicy(await read(`${policy}.policy.yaml`), policy);
  return chooseTriggers([layer], mobileDevice, { name: 'pc', deviceClass: 'desktop', trust: 'trusted' })
    .rules;
}

export async function play(trace: string, policy: string): Promise<TimelineEntry[]> {
  const { value } = parseYaml(await read(`${trace}.yaml`), trace, TraceDocument, 'the trace');
  const rules = await rulesOf(policy);
  return playTrace(value, { mains: rules, battery: rules });
}
