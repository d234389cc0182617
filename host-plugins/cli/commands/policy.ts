import { choose } from '../../../policies/choose/choose.ts';
import { parsePolicy } from '../../../policies/language/parse-policy.ts';
import { loadPolicyLayers } from '../../../policies/load-policies.ts';
import { describeFaults, type Fault } from '../../../policies/positioned-yaml/fault.ts';
import { parseYaml } from '../../../policies/positioned-yaml/parse-yaml.ts';
import { renderDecisions } from '../../../policies/render-decisions.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { ProfileDocument } from '../../system/host-inventory/load-profile.ts';
import { typicalContract } from '../../workspace/typical-contract.ts';
import { type CommandRun, done } from '../command-context.ts';
import { exitCodeOf, exitCodes } from '../exit-code.ts';
import { readInput } from '../read-input.ts';
import { renderProfile, simulatedMark } from '../render/render-status.ts';
import { printable } from '../terminal.ts';

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
      if (error === undefined) run.terminal.out(printable(`${file}: good`));
      else run.terminal.err(printable(error.message));
    }
  }
  const errors = results.flatMap(({ error }) => (error === undefined ? [] : [error]));
  if (errors.length === 0) return done;
  const [first = exitCodes.failed] = errors.map(exitCodeOf).sort((a, b) => rank(a) - rank(b));
  return first;
}

/** A mistake in one file tells more than another file that is not there. */
const rank = (code: number) =>
  [exitCodes.interrupted as number, exitCodes.usage, exitCodes.failed, exitCodes.notFound].indexOf(code);

async function checkPolicy(
  file: string,
  signal: AbortSignal,
): Promise<{ file: string; error: DockError | undefined }> {
  let text = '';
  try {
    text = await readInput(file, signal);
    parsePolicy(text, file);
    return { file, error: undefined };
  } catch (thrown) {
    return { file, error: withEveryFault(DockError.from(thrown), text) };
  }
}

/** Elsewhere the first few are enough; who checks a file corrects them all. */
function withEveryFault(error: DockError, text: string): DockError {
  const faults = error.detail?.['faults'] as readonly Fault[] | undefined;
  if (faults === undefined || error.detail === undefined) return error;
  const message = describeFaults('policy', text, faults);
  return new DockError(error.kind, message, { cause: error, detail: error.detail });
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
      : await explainFile(run, options.profile, options);
  const { deviceClass, simulated } = profile;
  const head = `${deviceClass}${simulatedMark(simulated)}: ${renderProfile(profile)}`;
  run.print(
    { profile, decisions, allocation },
    `${head}\n\n${renderDecisions(decisions, run.terminal.columns)}`,
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

async function explainFile(run: CommandRun, file: string, options: ExplainOptions) {
  const { device, workspace, policy: policyFile } = options;
  if (device !== undefined || workspace !== undefined) {
    const name = device === undefined ? '--workspace' : '--device';
    throw new DockError('usage', `${name} asks wdockd, and --profile does without it; give one of the two`);
  }
  const { value: profile } = parseYaml(
    await readInput(file, run.signal),
    file,
    ProfileDocument,
    'the profile',
  );
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
