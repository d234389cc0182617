import { TunnelDevice } from '../../test/contract/tunnel/tunnel-device.ts';

const address = '127.0.0.1';

/** Two processes with a TLS connection between them, and nothing else to do. */
export class BareTls implements AsyncDisposable {
  readonly #near: TunnelDevice;
  readonly #far: TunnelDevice;
  readonly #port: number;

  private constructor(near: TunnelDevice, far: TunnelDevice, port: number) {
    this.#near = near;
    this.#far = far;
    this.#port = port;
  }

  static async start(): Promise<BareTls> {
    const near = await TunnelDevice.start({ name: 'near', address });
    const far = await TunnelDevice.start({ name: 'far', address });
    return new BareTls(near, far, await far.call<number>('bareListen'));
  }

  async bytesPerS(bytes: number): Promise<number> {
    const { ms } = await this.#near.call<{ ms: number }>('bareSend', address, this.#port, bytes);
    return bytes / (ms / 1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#near[Symbol.asyncDispose]();
    await this.#far[Symbol.asyncDispose]();
  }
}
