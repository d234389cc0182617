import type { Logger } from 'pino';
import { DockError } from '../../protocol/dock-error.ts';
import { formatFingerprint } from '../pairing/fingerprint.ts';
import type { Identity } from '../pairing/identity.ts';
import type { PairingDesk } from '../pairing/pairing-desk.ts';
import type { TrustedDevice } from '../pairing/trust-store.ts';
import type { DeviceDirectory } from './device-directory.ts';
import type { ControlHandlers, MeetDevice } from './handlers.ts';

/** Pairing as wdock asks for it. The log says what happened, and never a code. */
export function pairingHandlers(
  desk: PairingDesk,
  directory: DeviceDirectory,
  identity: Identity,
  log: Logger,
  meet: MeetDevice | undefined,
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
    const [status, met] = await Promise.all([
      directory.statusOf(device, new AbortController().signal),
      meet?.(device).catch((error: unknown) => {
        log.warn({ peer: device.name, err: error }, 'what it changes for the workspaces cannot be told');
      }),
    ]);
    return { device: status, ownFingerprint: formatFingerprint(identity.id), ...met };
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
