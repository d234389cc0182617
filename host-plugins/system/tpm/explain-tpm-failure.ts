/** Why systemd-creds(1) could not use the TPM, and what a person can do about it. */
export interface TpmFailure {
  readonly why: string;
  readonly remedy: string;
}

const ownerPassword: TpmFailure = {
  why: "the TPM's owner has set a password",
  remedy: 'take it away with tpm2_changeauth --object-context=owner --object-auth=PASSWORD',
};

/** By response code (TPM 2.0 Library, part 2, 6.6.3), without the number of its parameter, session or handle. */
const byResponse: ReadonlyMap<number, TpmFailure> = new Map([
  [
    0x09f, // TPM_RC_INTEGRITY
    {
      why: 'it was sealed by another TPM, by this one before it was cleared, or is damaged',
      remedy: 'use it in the computer in which it was sealed',
    },
  ],
  [
    0x921, // TPM_RC_LOCKOUT
    {
      why: 'the TPM is locked for a while, because other programs gave it too many wrong passwords',
      remedy: 'wait (minutes to hours), or unlock it with tpm2_dictionarylockout --clear-lockout',
    },
  ],
  [0x08e, ownerPassword], // TPM_RC_AUTH_FAIL
  [0x0a2, ownerPassword], // TPM_RC_BAD_AUTH
]);

/** From its error output, in which libtss2 prints the TPM's own response code; the words differ from version to version. */
export function explainTpmFailure(stderr: string): TpmFailure {
  const answered = byResponse.get(responseCode(stderr));
  if (answered !== undefined) return answered;
  if (/policy digest does not match|using TPM2: Operation not permitted/.test(stderr)) {
    return {
      why: 'a program has changed PCR 16 of the TPM, or the file is damaged',
      remedy: 'restart the computer, or use tpm2_pcrreset 16',
    };
  }
  if (/TPM2 support (?:is )?not installed|AES-128-CFB missing|^\s*$/.test(stderr)) {
    return {
      why: 'the libraries for TPMs are missing, or the TPM lacks what systemd needs of it',
      remedy: 'apt install libtss2-esys-3.0.2-0 libtss2-rc0',
    };
  }
  if (/TCTI device file|TCTI context|Cannot connect to swtpm/.test(stderr)) {
    return {
      why: `the TPM cannot be reached (${lastLine(stderr)})`,
      remedy: "see that the firmware's set-up has it switched on, and the kernel shows it as /dev/tpmrm0",
    };
  }
  return { why: lastLine(stderr), remedy: 'see journalctl -k --grep=tpm' };
}

/** 0 (success) where there is none. */
function responseCode(stderr: string): number {
  const [, digits = '0'] = /ErrorCode \(0x([0-9a-f]{1,8})\)/i.exec(stderr) ?? [];
  const code = Number.parseInt(digits, 16);
  return code & 0x080 ? code & 0x0bf : code;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}
