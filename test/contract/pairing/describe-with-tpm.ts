import { accessSync } from 'node:fs';
import { describe } from 'vitest';

const programs = ['/usr/bin/swtpm', '/usr/bin/tpm2_clear'];

/** `describe`, skipped where it says why in its name. */
export function describeWithTpm(what: string, tests: () => void): void {
  const why = reasonToSkip();
  if (why === undefined) describe(what, tests);
  else describe.skip(`${what} (skipped: ${why})`, tests);
}

function reasonToSkip(): string | undefined {
  // systemd from 256 on lets only root use the TPM without asking a service
  if (process.getuid?.() !== 0) return 'needs root';
  for (const program of programs) {
    try {
      accessSync(program);
    } catch {
      return `${program} is missing; run packaging/setup.sh`;
    }
  }
  return undefined;
}
