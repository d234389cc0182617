import { DbusConnection } from '../../../host-plugins/system/dbus/dbus-connection.ts';
import { dbusErrorName, plainDbusValue } from '../../../host-plugins/system/dbus/dbus-value.ts';
import { hostName, hostRoot } from './busctl.ts';

/** Resolves when somebody owns the name. */
export async function nameTaken(address: string, name: string, signal: AbortSignal): Promise<void> {
  await using bus = new DbusConnection(address);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => undefined); // awaited below, where it is needed
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  bus.listenToOwner(name, (owner) => {
    if (owner !== undefined) resolve();
  });
  if ((await bus.ownerOf(name, signal)) === undefined) await promise;
}

interface Heard {
  /** From then on. */
  readonly listening: Promise<void>;
  readonly body: Promise<readonly unknown[]>;
}

export function listenToEnd(address: string, signal: AbortSignal): Heard {
  return hearOne(address, `${hostName}.Trip`, 'Ended', signal);
}

export function listenForPairingEnd(address: string, signal: AbortSignal): Heard {
  return hearOne(address, hostName, 'PairingEnded', signal);
}

function hearOne(address: string, face: string, member: string, signal: AbortSignal): Heard {
  const bus = new DbusConnection(address);
  const { promise, resolve, reject } = Promise.withResolvers<readonly unknown[]>();
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  bus.listen({ sender: hostName, interface: face, member }, ({ body }) => resolve(body));
  // The bus answers in order: after this it knows what is listened to.
  const listening = bus.ownerOf(hostName, signal).then(() => undefined);
  const body = promise.finally(() => bus[Symbol.asyncDispose]());
  return { listening, body };
}

/** The name of the error that a call is answered with. */
export async function errorOf(
  address: string,
  path: string,
  face: string,
  member: string,
  signature: string,
  body: readonly unknown[],
): Promise<string | undefined> {
  await using bus = new DbusConnection(address);
  try {
    await bus.call(
      { destination: hostName, path, interface: face, member, signature, body },
      AbortSignal.timeout(20_000),
    );
    return undefined;
  } catch (error) {
    return dbusErrorName(error);
  }
}

export interface OpenOffer extends AsyncDisposable {
  readonly code: string;
  /** Where the device that shows the code is reached from this machine. */
  readonly address: string;
  readonly ended: Promise<readonly unknown[]>;
}

/** A caller that is shown a pairing code, and stays until it is disposed of. */
export async function offerPairing(address: string): Promise<OpenOffer> {
  const bus = new DbusConnection(address);
  const ended = Promise.withResolvers<readonly unknown[]>();
  bus.listen({ sender: hostName, member: 'PairingEnded' }, ({ body }) => ended.resolve(body));
  const answer = await bus.call(
    {
      destination: hostName,
      path: hostRoot,
      interface: hostName,
      member: 'OfferPairing',
      signature: 'ss',
      body: ['', ''],
    },
    AbortSignal.timeout(20_000),
  );
  const [code, , addresses] = plainDbusValue(answer) as [string, number, string[]];
  const port = /:(\d+)$/.exec(addresses[0] ?? '')?.[1];
  return {
    code,
    address: `127.0.0.1:${port}`,
    ended: ended.promise,
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}
