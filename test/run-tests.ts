// Runs the checks and every tier of tests, and ends with one line: `N passed, N failed`.
//
//   npm test                     all of it
//   npm test -- unit contract    only these tiers
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DockError } from '../protocol/dock-error.ts';
import { provideImageWithAgent } from './lab/lab-guest.ts';
import { isLabRoot } from './lab/lab-root.ts';
import { runMain } from './lab/run-main.ts';

const tiers = ['check', 'unit', 'contract', 'live'] as const;
type Tier = (typeof tiers)[number];

interface Count {
  passed: number;
  failed: number;
}

await runMain(async (wanted, signal) => {
  const unknown = wanted.filter((name) => !tiers.includes(name as Tier));
  if (unknown.length > 0) {
    throw new DockError('usage', `no tier ${unknown.join(', ')}; there are ${tiers.join(', ')}`);
  }
  const total: Count = { passed: 0, failed: 0 };
  const folder = await mkdtemp(join(tmpdir(), 'wdock-tests-'));
  try {
    for (const tier of tiers) {
      if (wanted.length > 0 && !wanted.includes(tier)) continue;
      const beganMs = performance.now();
      process.stdout.write(`\n== ${tier}\n`);
      const count = tier === 'check' ? await check() : await vitest(tier, folder, signal);
      total.passed += count.passed;
      total.failed += count.failed;
      const seconds = ((performance.now() - beganMs) / 1000).toFixed(0);
      process.stdout.write(`== ${tier}: ${count.passed} passed, ${count.failed} failed, in ${seconds} s\n`);
      signal.throwIfAborted();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
});

async function check(): Promise<Count> {
  const code = await run(['npm', 'run', '--silent', 'check']);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

async function vitest(tier: Exclude<Tier, 'check'>, folder: string, signal: AbortSignal): Promise<Count> {
  const report = join(folder, `${tier}.json`);
  // An ordinary user makes networks in namespaces of their own. In there nothing can be fetched for the guest.
  const inNamespaces = !isLabRoot() && tier !== 'unit';
  if (inNamespaces && tier === 'live' && !(await fetchGuest(signal))) return { passed: 0, failed: 1 };
  const code = await run([
    ...(inNamespaces ? ['node', 'test/lab/as-lab-root.ts'] : []),
    ...['vitest', 'run', '--project', tier, '--reporter=default', '--reporter=json'],
    `--outputFile.json=${report}`,
  ]);
  const text = await readFile(report, 'utf8').catch(() => undefined);
  if (text === undefined) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests } = JSON.parse(text) as Record<string, number>;
  const failed = numFailedTests ?? 0;
  // A file that cannot be loaded, or an error outside of any test, is a failure that no test counts.
  return { passed: numPassedTests ?? 0, failed: code !== 0 && failed === 0 ? 1 : failed };
}

/** The guest's image. Says why where it cannot be had. */
async function fetchGuest(signal: AbortSignal): Promise<boolean> {
  const progress = (text: string) => process.stdout.write(`${text}\n`);
  try {
    await provideImageWithAgent(progress, signal);
    return true;
  } catch (error) {
    process.stderr.write(`${DockError.from(error).message}\n`);
    return false;
  }
}

async function run(argv: readonly string[]): Promise<number> {
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
