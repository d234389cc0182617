// `npm run demo`: two simulated devices, one real VM, docked and undocked while it runs.
import { readAccelerator } from '../../../host-plugins/qemu/accelerator.ts';
import { provideImageWithAgent } from '../lab-guest.ts';
import { rerunAsLabRoot } from '../lab-root.ts';
import { runMain } from '../run-main.ts';
import { demoUsage, parseDemoArguments } from './demo-arguments.ts';
import { DemoRecord } from './demo-record.ts';
import { ResultFile } from './result-file.ts';
import { runDemo } from './run-demo.ts';

const beganMs = performance.now();

await runMain(async (args, signal) => {
  const options = parseDemoArguments(args);
  if (options.help) return say(demoUsage);
  const { link, midLink, emulator, json } = options;
  await using file = json === undefined ? undefined : await ResultFile.open(json);
  if (await rerunAsLabRoot(() => provideImageWithAgent(progress, signal, emulator), signal)) return;
  const { accelerator, reason } = await readAccelerator();
  say(`The demo runs on this machine alone: both devices are simulated, the VM is real.`);
  const links = link === midLink ? link : `${midLink} (mid), ${link} (pc)`;
  say(`accelerator: ${accelerator} (${reason}); link: ${links}\n`);
  const record = new DemoRecord();
  const thrown = await runDemo(options, record, { say, progress }, signal).catch((error: unknown) => {
    record.stop(error);
    return error;
  });
  // The verdict before the file: it must not be lost where the disk is full.
  if (record.failures.length === 0) say(`\n${record.verdict} In all ${seconds()} s.`);
  else if (!signal.aborted) process.stderr.write(`\n${record.verdict}\n`);
  if (record.failures.length > 0) process.exitCode = 1;
  if (file !== undefined) {
    await file.write({ simulated: true, accelerator, link, midLink, ...record.result });
    say(`written: ${file.path}`);
  }
  if (signal.aborted) throw thrown;
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function progress(text: string): void {
  say(`${seconds().padStart(4)} s  ${text}`);
}

function seconds(): string {
  return ((performance.now() - beganMs) / 1000).toFixed(0);
}
