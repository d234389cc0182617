import { type TestDevice, trust } from '../pairing/two-devices.ts';

/** What every device in a process of its own answers to TunnelDevice. */
export function deviceMethods(device: TestDevice) {
  const { name, identity } = device;
  return {
    self: () => ({ name, id: identity.id, certificatePem: identity.certificatePem, port: device.port }),
    trust: (other: { name: string; id: string; certificatePem: string }, at: string) =>
      trust(
        device,
        { name: other.name, identity: { certificatePem: other.certificatePem, id: other.id } } as never,
        at,
      ).then(() => undefined),
  };
}
