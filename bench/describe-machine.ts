import { cpus, release, totalmem } from 'node:os';

/** What a measurement was made on. */
export function describeMachine() {
  const [first] = cpus();
  return {
    cpu: first?.model ?? 'unknown',
    cpus: cpus().length,
    memoryMiB: Math.round(totalmem() / 1024 ** 2),
    kernel: release(),
    node: process.version,
  };
}
