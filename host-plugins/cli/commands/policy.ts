import { choose } from '../../../policies/choose/choose.ts';
import { parsePolicy } from '../../../policies/language/parse-policy.ts';
import { loadPolicyLayers } from '../../../policies/load-policies.ts';
import { parseYaml } from '../../../policies/positioned-yaml/parse-yaml.ts';
import { renderDecisions } from '../../../policies/render-decisions.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { HostProfile } from '../../../protocol/host-profile.ts';
import { typicalContract } from '../../workspace/typical-contract.ts';
import { type CommandRun, done } from '../command-context.ts';
import { exitCodes } from '../exit-code.ts';
import { readInput } from '../read-input.ts';
import { renderProfile, simulatedMark } from '../render/render-status.ts';

/** Checks every file, and says what is wrong with each. */
export async function checkPolicies(run: CommandRun, files: readonly string[]): Promise<number> {
  const results = await Promise.all(files.map((file) => checkPolicy(file, run.signal)));
  run.signal.throwIfAborted();
  if (run.json) {
    const reports = results.map(({ file, error }) => ({
      file,
      ok: error === undefined,
      faults: error?.detail?.['faults'] ?? [],
      ...(error === undefined ? {} : { message: error.message }),
    }));
    run.print({ files: reports }, '');
  } else {
    for (const { file, error } of results) {
      if (error === undefined) run.terminal.out(`${file}: good`);
      else run.terminal.err(error.message);
    }
  }
  const errors = results.flatMap(({ error }) => (error === undefined ? [] : [error]));
  if (errors.length === 0) return done;
  return errors.every(({ kind }) => kind === 'not-found') ? exitCodes.notFound : exitCodes.usage;
}

async function checkPolicy(
  file: string,
  signal: AbortSignal,
): Promise<{ file: string; error: DockError | undefined }> {
  try {
    parsePolicy(await readInput(file, signal), file);
    return { file, error: undefined };
  } catch (error) {
    return { file, error: DockError.from(error) };
  }
}

export interface ExplainOptions {
  readonly profile?: string;
  readonly policy?: string;
  readonly device?: string;
  readonly workspace?: string;
}

/**
 * With a profile file nothing else is needed, no wdockd either; without one, wdockd is asked for the profile of
 * this device or of another.
 */
export async function explainPolicy(run: CommandRun, options: ExplainOptions): Promise<number> {
  const { profile, decisions, allocation } =
    options.profile === undefined
      ? await askDaemon(run, options)
      : await explainFile(run, options.profile, options.policy);
  const { deviceClass, simulated } = profile;
  const head = `${deviceClass}${simulatedMark(simulated)}: ${renderProfile(profile)}`;
  run.print(
    { profile, decisions, allocation },
    `${head}\n\n${renderDecisions(decisions, run.terminal.columns ?? 100)}`,
  );
  return done;
}

async function askDaemon(run: CommandRun, { device, workspace, policy }: ExplainOptions) {
  if (policy !== undefined) {
    throw new DockError(
      'usage',
      '--policy needs --profile: wdockd explains the policies that it uses itself',
    );
  }
  const params = {
    ...(device === undefined ? {} : { device }),
    ...(workspace === undefined ? {} : { workspace }),
  };
  return await run.withDaemon((daemon) => daemon.call('policy.explain', params, { signal: run.signal }));
}

async function explainFile(run: CommandRun, file: string, policyFile: string | undefined) {
  const { value: profile } = parseYaml(await readInput(file, run.signal), file, HostProfile, 'the profile');
  const config = await run.config();
  const layers = await loadPolicyLayers(
    {
      folders: config?.policies ?? [],
      deviceClass: profile.deviceClass,
      ...(policyFile === undefined ? {} : { workspaceFile: policyFile }),
    },
    run.signal,
  );
  const { allocation, decisions } = choose(layers, profile, typicalContract, {});
  return { profile, allocation, decisions };
}
