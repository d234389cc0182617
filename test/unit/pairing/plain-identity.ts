import { loadIdentity, type OwnIdentity } from '../../../host-plugins/pairing/identity.ts';
import { Tpm } from '../../../host-plugins/system/tpm/tpm.ts';

/** `loadIdentity` that leaves this computer's TPM alone. */
export async function loadPlainIdentity(stateFolder: string, deviceName: string): Promise<OwnIdentity> {
  const use = { tpm: new Tpm(), wanted: false };
  return await loadIdentity(stateFolder, deviceName, use, new AbortController().signal);
}
