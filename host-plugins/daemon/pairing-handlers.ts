import type { Logger } from 'pino';
import { DockError } from '../../protocol/dock-error.ts';
import { formatFingerprint } from '../pairing/fingerprint.ts';
import type { Identity } from '../pairing/identity.ts';
import type { PairingDesk } from '../pairing/pairing-desk.ts';
import type { TrustedDevice } from '../pairing/trust-store.ts';
import type { DeviceDirectory } from './device-directory.ts';
import type { ControlHandlers } from './handlers.ts';

/** Pairing as wdock asks for it. The log says what happened, and never a code. */
export function pairingHandlers(
  desk: PairingDesk,
  directory: DeviceDirectory,
  identity: Identity,
  log: Logger,
): ControlHandlers {
  const pair = async (run: () => Promise<TrustedDevice>) => {
    let device: TrustedDevice;
    try {
      device = await run();
    } catch (thrown) {
      const error = DockError.from(thrown);
      const level = error.kind === 'untrusted' ? 'warn' : 'info';
      log[level]({ kind: error.kind, why: error.message }, 'not paired');
      throw error;
    }
    log.info({ peer: device.name, id: device.id, address: device.address, trust: device.trust }, 'paired');
    // it is paired, whatever becomes of the caller; the directory has a limit of its own
    const status = await directory.statusOf(device, new AbortController().signal);
    return { device: status, ownFingerprint: formatFingerprint(identity.id) };
  };
  return {
    'pair.offer': async (wish, { signal, progress }) =>
      await pair(
        async () =>
          await desk.offer(
            wish,
            (shown) => {
              log.info({ port: shown.port, forMs: shown.expiresInMs }, 'a pairing is open');
              progress({ ...shown, addresses: [...shown.addresses] });
            },
            signal,
          ),
      ),
    'pair.join': async (wish, { signal }) => await pair(async () => await desk.join(wish, signal)),
  };
}
