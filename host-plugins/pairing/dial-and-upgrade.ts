import type { TLSSocket } from 'node:tls';
import { DockError } from '../../protocol/dock-error.ts';
import type { Identity } from './identity.ts';
import { dialDevice } from './secure-dial.ts';
import type { TrustedDevice } from './trust-store.ts';

/**
 * Dials a trusted device (`hints`: see dialDevice) and lets `upgrade` ask for what the connection shall become. Besides what these throw:
 * `untrusted`, with `stranger` in its detail, when the device does not know this one. It says so by closing the connection in good order, without a
 * word; so does a wdockd that ends at that very moment, which does not answer when it is asked a second time.
 */
export async function dialAndUpgrade<V>(
  identity: Identity,
  device: TrustedDevice,
  hints: readonly string[],
  upgrade: (socket: TLSSocket) => Promise<V>,
  signal: AbortSignal,
): Promise<V> {
  for (let silences = 0; ; ) {
    const socket = await dialDevice(identity, device, hints, signal);
    let ended = false;
    socket.once('end', () => {
      ended = true;
    });
    try {
      return await upgrade(socket);
    } catch (error) {
      const silent = ended && DockError.from(error).kind === 'peer-gone';
      if (!silent || signal.aborted) throw error;
      silences++;
      if (silences < 2) continue;
      throw new DockError(
        'untrusted',
        `"${device.name}" does not know this device; pair the two with \`wdock pair\`, or run \`wdock devices add\` there with this device's certificate (\`wdock devices certificate\`)`,
        { cause: error, detail: { stranger: true } },
      );
    }
  }
}
