import { join } from 'node:path';
import { z } from 'zod';
import { generateIdentity, type Identity } from '../../../host-plugins/pairing/identity.ts';
import { PairingDesk } from '../../../host-plugins/pairing/pairing-desk.ts';
import { type PeerCaller, PeerConnections } from '../../../host-plugins/pairing/peer-connections.ts';
import { SecureServer } from '../../../host-plugins/pairing/secure-server.ts';
import { type TrustedDevice, TrustStore } from '../../../host-plugins/pairing/trust-store.ts';
import type { HeartbeatTimes } from '../../../host-plugins/rpc/heartbeat.ts';
import type { RpcHandlerPart } from '../../../host-plugins/rpc/rpc-types.ts';
import { Channels } from '../../../host-plugins/tunnel/channels.ts';
import { temporaryFolder } from '../../unit/pairing/temporary-folder.ts';

export const testTable = {
  whoAmI: { params: z.strictObject({}), result: z.string() },
  wait: { params: z.strictObject({}), result: z.string() },
} as const;
export type TestHandlers = RpcHandlerPart<typeof testTable, PeerCaller>;

export const whoAmI: TestHandlers = { whoAmI: async (_params, { caller }) => caller.name };

export interface TestDevice {
  readonly name: string;
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly server: SecureServer;
  readonly peers: PeerConnections<typeof testTable>;
  readonly channels: Channels;
  readonly desk: PairingDesk;
  readonly port: number;
  readonly folder: string;
  /** Connections that were turned away, and why. */
  readonly refused: string[];
}

export interface DeviceOptions {
  /** `later`: it does not answer calls yet, as a wdockd that starts. */
  readonly handlers?: TestHandlers | 'later';
  readonly heartbeat?: HeartbeatTimes;
  readonly address?: string;
  /** Of a pairing code. */
  readonly lifetimeMs?: number;
  /** Default: a new one, for this life only. */
  readonly trustFile?: string;
  /** Default: a new one, and a free port. */
  readonly identity?: Identity;
  readonly port?: number;
  /** Of the tunnel, for a link. */
  readonly patienceMs?: number;
}

/** Everything a device has between its trust store and its port, on a free port of the loopback. */
export async function testDevice(
  name: string,
  options: DeviceOptions = {},
): Promise<TestDevice & AsyncDisposable> {
  const folder = await temporaryFolder();
  const identity = options.identity ?? (await generateIdentity(name));
  const trust = await TrustStore.load(options.trustFile ?? join(folder.path, 'devices.json'), identity.id);
  const refused: string[] = [];
  const server = new SecureServer(identity, trust, { onRefused: (_address, why) => refused.push(why) });
  const { heartbeat, lifetimeMs } = options;
  const lifetime = lifetimeMs === undefined ? {} : { lifetimeMs };
  const desk = new PairingDesk({ identity, name, trust, server, ...lifetime });
  const peers = new PeerConnections({
    identity,
    trust,
    server,
    table: testTable,
    ...(heartbeat === undefined ? {} : { heartbeat }),
  });
  const { patienceMs } = options;
  const channels = new Channels({
    identity,
    trust,
    server,
    ...(patienceMs === undefined ? {} : { patienceMs }),
  });
  const { handlers = whoAmI } = options;
  if (handlers !== 'later') peers.serve({ handlers });
  const { port } = await server.listen(options.address ?? '127.0.0.1', options.port ?? 0);
  return {
    name,
    identity,
    trust,
    server,
    peers,
    channels,
    desk,
    port,
    folder: folder.path,
    refused,
    async [Symbol.asyncDispose]() {
      await peers.close();
      channels.close();
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Makes `device` trust `other`, as its user would. */
export async function trust(device: TestDevice, other: TestDevice, address?: string): Promise<TrustedDevice> {
  return await device.trust.add({
    name: other.name,
    certificatePem: other.identity.certificatePem,
    fingerprint: other.identity.id,
    address: address ?? `127.0.0.1:${other.port}`,
  });
}

/** Two devices that trust each other. */
export async function pairedDevices(options: { mid?: DeviceOptions; pc?: DeviceOptions } = {}) {
  const mid = await testDevice('mid', options.mid);
  const pc = await testDevice('pc', options.pc);
  await trust(mid, pc);
  await trust(pc, mid);
  return {
    mid,
    pc,
    async [Symbol.asyncDispose]() {
      await mid[Symbol.asyncDispose]();
      await pc[Symbol.asyncDispose]();
    },
  };
}
