// Runs the checks, `check:NAME` of package.json, as many at once as there are processors: each is a program of one thread.
// What a check says is shown when it has ended; exit status 1 when any of them is red.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { availableParallelism } from 'node:os';
import { json, text } from 'node:stream/consumers';
import { runMain } from './lab/run-main.ts';

/** Takes the longest, so it is begun first. */
const longest = 'check:lint';

await runMain(async (_argv, signal) => {
  const { scripts } = (await json(createReadStream('package.json'))) as { scripts: Record<string, string> };
  const others = Object.keys(scripts).filter((name) => name.startsWith('check:') && name !== longest);
  const waiting = [longest, ...others];
  const red: string[] = [];
  const runNext = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const beganMs = performance.now();
      const { isGreen, said } = await run(name, signal);
      if (!isGreen) red.push(name);
      const seconds = ((performance.now() - beganMs) / 1000).toFixed(0);
      process.stdout.write(`${said}${name}: ${isGreen ? 'green' : 'red'}, ${seconds} s\n`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, runNext));
  if (red.length > 0) process.stdout.write(`\nred: ${red.join(', ')}\n`);
  process.exitCode = red.length === 0 ? 0 : 1;
});

async function run(name: string, signal: AbortSignal): Promise<{ isGreen: boolean; said: string }> {
  const child = spawn('npm', ['run', '--silent', name], { signal, stdio: ['ignore', 'pipe', 'pipe'] });
  const [said, complaints, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { isGreen: code === 0, said: said + complaints };
}
