import type { Check } from '../../protocol/control-methods.ts';
import type { KeyAtRest } from './device-key.ts';

const name = 'private key';
const file = "a file that only wdockd's user can read";

/** For `wdock doctor`. Never a failure: a device without a TPM works as well. */
export function checkDeviceKey(keyAtRest: KeyAtRest): Check {
  if (keyAtRest.kind === 'sealed') {
    return { name, state: 'ok', detail: 'sealed by the TPM; a copy of the disk does not have it' };
  }
  switch (keyAtRest.because) {
    case 'no-tpm':
      return { name, state: 'ok', detail: `${file}; this computer has no TPM 2.0` };
    case 'not-wanted':
      return { name, state: 'ok', detail: `${file}, as wdockd.yaml says (identity.tpm)` };
    case 'tpm-failed':
      return {
        name,
        state: 'warning',
        detail: `${file}: there is a TPM, but it does not seal it`,
        remedy: `${keyAtRest.error.message}; then restart wdockd`,
      };
  }
}
