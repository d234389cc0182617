import { DockError } from '../../../protocol/dock-error.ts';
import { readGateways, resolveNeighbour } from '../host-inventory/gateways.ts';
import type { Gateway } from '../host-inventory/parse-routes.ts';
import { readKernelState } from './kernel-state.ts';

const attempts = 3;

/** What answered the host before a change, and has to answer after it. */
export class Reachability {
  readonly #addresses: readonly string[];
  readonly #gateway: Gateway | undefined;

  private constructor(addresses: readonly string[], gateway: Gateway | undefined) {
    this.#addresses = addresses;
    this.#gateway = gateway;
  }

  /** A gateway that does not answer now is not asked for afterwards. */
  static async of(device: string, signal: AbortSignal): Promise<Reachability> {
    const [state, gateways] = await Promise.all([readKernelState(device, signal), readGateways(signal)]);
    const gateway = gateways.find((each) => each.device === device);
    const answers = gateway !== undefined && (await resolveNeighbour(gateway, true, signal)) !== undefined;
    // IPv6 addresses come back with the next router advertisement where nobody has carried them over.
    const lasting = state?.addresses.filter(({ ipv6 }) => !ipv6) ?? [];
    return new Reachability(
      lasting.map(({ address }) => address),
      answers ? gateway : undefined,
    );
  }

  /** Throws `io` when the device lacks an address, or the gateway is silent there for some seconds. */
  async require(device: string, signal: AbortSignal): Promise<void> {
    const state = await readKernelState(device, signal);
    const missing = this.#addresses.filter(
      (address) => state?.addresses.some((each) => each.address === address) !== true,
    );
    if (missing.length > 0) {
      throw new DockError('io', `${device} did not get the address ${missing.join(', ')}`);
    }
    if (this.#gateway === undefined) return;
    const { address } = this.#gateway;
    for (let attempt = 0; attempt < attempts; attempt++) {
      if ((await resolveNeighbour({ address, device }, true, signal)) !== undefined) return;
    }
    throw new DockError('io', `the gateway ${address} does not answer on ${device}`);
  }
}
