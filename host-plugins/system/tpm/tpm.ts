import { access } from 'node:fs/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import { run } from '../process/run.ts';
import { explainTpmFailure } from './explain-tpm-failure.ts';

/** The TPM 2.0 by way of the kernel's resource manager; also systemd's default. */
export const tpmDevice = '/dev/tpmrm0';

/**
 * A PCR that nothing measures into, and that reads zero after each start: no update of firmware, kernel or systemd locks
 * its user out. With an empty list systemd 252 makes what it refuses to open.
 */
const boundPcrs = '16';

/** A TPM needs up to a few seconds; ms. */
const defaultLimitMs = 30_000;

/**
 * Seals secrets so that the TPM of this computer opens them, and no other one, with systemd-creds(1).
 * `SYSTEMD_TPM2_DEVICE` names another TPM than `/dev/tpmrm0`, to systemd as to us.
 */
export class Tpm {
  readonly #limitMs: number;

  /** `limitMs`: of one use of the TPM, which is given up then. */
  constructor(limitMs = defaultLimitMs) {
    this.#limitMs = limitMs;
  }

  /** Whether there is one; not whether it works. TPM 1.2 has no such device, and is none. */
  async isThere(): Promise<boolean> {
    if (process.env['SYSTEMD_TPM2_DEVICE'] !== undefined) return true;
    return await access(tpmDevice).then(
      () => true,
      () => false,
    );
  }

  /**
   * Returns what `open` takes under the same name, as lines of base64. Throws `missing-dependency`, `timeout` or `io`,
   * with what to do.
   */
  async seal(name: string, secret: string, signal: AbortSignal): Promise<string> {
    const options = [`--name=${name}`, '--with-key=tpm2', `--tpm2-pcrs=${boundPcrs}`];
    return await this.#use([...options, 'encrypt', '-', '-'], secret, signal);
  }

  /** The secret in a file that `seal` made. Throws as `seal` does. */
  async open(name: string, file: string, signal: AbortSignal): Promise<string> {
    return await this.#use([`--name=${name}`, 'decrypt', file, '-'], '', signal);
  }

  async #use(args: readonly string[], input: string, signal: AbortSignal): Promise<string> {
    try {
      const { stdout } = await run(['systemd-creds', ...args], {
        input,
        timeoutMs: this.#limitMs,
        signal,
        // libtss2 says what the TPM answered, and only that
        environment: { TSS2_LOG: 'all+ERROR', SYSTEMD_LOG_TARGET: 'console', SYSTEMD_LOG_LEVEL: 'info' },
      });
      return stdout;
    } catch (error) {
      signal.throwIfAborted();
      throw explained(DockError.from(error), this.#limitMs);
    }
  }
}

function explained(error: DockError, limitMs: number): DockError {
  const stderr = error.detail?.['stderr'];
  if (error.kind === 'timeout') {
    const message = `the TPM did not answer within ${limitMs / 1000} s; restart the computer`;
    return new DockError('timeout', message, { cause: error });
  }
  if (typeof stderr !== 'string') return error;
  const { why, remedy } = explainTpmFailure(stderr);
  return new DockError('io', `${why}; ${remedy}`, { cause: error });
}
