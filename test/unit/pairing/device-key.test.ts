import { describe, expect, it } from 'vitest';
import { checkDeviceKey } from '../../../host-plugins/pairing/check-device-key.ts';
import { explainTpmFailure } from '../../../host-plugins/system/tpm/explain-tpm-failure.ts';
import { DockError } from '../../../protocol/dock-error.ts';

describe('what wdock doctor says of the private key', () => {
  it('has a remedy where there is a TPM that does not seal it', () => {
    const error = new DockError('io', 'the TPM is locked; wait');
    expect(checkDeviceKey({ kind: 'file', because: 'tpm-failed', error })).toMatchObject({
      state: 'warning',
      remedy: 'the TPM is locked; wait; then restart wdockd',
    });
  });

  it('is that it is sealed, or a file, and why', () => {
    expect(checkDeviceKey({ kind: 'sealed' })).toMatchObject({ state: 'ok', detail: /^sealed by the TPM/ });
    expect(checkDeviceKey({ kind: 'file', because: 'no-tpm' })).toMatchObject({
      state: 'ok',
      detail: /no TPM 2\.0$/,
    });
    expect(checkDeviceKey({ kind: 'file', because: 'not-wanted' })).toMatchObject({
      state: 'ok',
      detail: /identity\.tpm/,
    });
  });
});

/** As systemd-creds printed them, with libtss2's error level; those that contract tests cannot bring about, or of 257. */
describe('the reason that a TPM failed for', () => {
  it.each([
    ['TPM2 support is not installed.', /apt install libtss2-esys/],
    ['TPM2 support not installed: Operation not supported', /apt install libtss2-esys/],
    ['', /apt install libtss2-esys/],
    [
      'TPM device not usable as it does not support the required functionality (AES-128-CFB missing?).',
      /lacks what systemd needs/,
    ],
    [
      'ERROR:esys:src/tss2-esys/api/Esys_Load.c:112:Esys_Load() Esys Finish ErrorCode (0x000001df) \nFailed to unseal secret using TPM2: State not recoverable',
      /sealed by another TPM/,
    ],
    [
      'ERROR:esys:src/tss2-esys/api/Esys_Load.c:112:Esys_Load() Esys Finish ErrorCode (0x00000921) \nFailed to unseal secret using TPM2: No locks available',
      /locked for a while/,
    ],
    [
      'ERROR:esys:src/tss2-esys/api/Esys_CreatePrimary.c:135:Esys_CreatePrimary() Esys Finish ErrorCode (0x000009a2) \nFailed to seal to TPM2: State not recoverable',
      /owner has set a password/,
    ],
    ['Failed to unseal secret using TPM2: Operation not permitted', /PCR 16/],
    [
      'ERROR:tcti:src/tss2-tcti/tcti-device.c:455:Tss2_Tcti_Device_Init() Failed to open specified TCTI device file /dev/tpmrm0: No such file or directory',
      /cannot be reached .*No such file/,
    ],
    ['something new\n', /^something new; see journalctl/],
  ])('is read from %j', (stderr, expected) => {
    const { why, remedy } = explainTpmFailure(stderr);
    expect(`${why}; ${remedy}`).toMatch(expected);
  });
});
