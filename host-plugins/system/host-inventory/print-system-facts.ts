// The child process of system-facts.ts. Only these two functions of systeminformation are used: others start
// dozens of programs (`versions`: 66) or pass names of things on to a shell.
import { cpu, mem } from 'systeminformation';
import type { SystemFacts } from './system-facts.ts';

const [processor, memory] = await Promise.all([cpu(), mem()]);
const facts: SystemFacts = {
  cpus: { logical: processor.cores, model: `${processor.manufacturer} ${processor.brand}`.trim() },
  totalMiB: Math.floor(memory.total / (1024 * 1024)),
};
process.stdout.write(`${JSON.stringify(facts)}\n`);
