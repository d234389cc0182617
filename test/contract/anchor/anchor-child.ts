// A device of its own: identity, channels, HostNetwork and the ends of anchors, in a process whose network namespace
// is the device's. Requests come as JSON lines on standard input, one answer a line goes back.
import { AnchoringEnd } from '../../../host-plugins/anchor/anchoring-end.ts';
import { CarryingEnd, removeCarrying } from '../../../host-plugins/anchor/carrying-end.ts';
import { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import { HostNetwork } from '../../../host-plugins/system/network/host-network.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { testDevice, trust } from '../pairing/two-devices.ts';
import { answerLines } from '../plugins/answer-lines.ts';

const [name = '', address = '', runtimeFolder = ''] = process.argv.slice(2);
const device = await testDevice(name, { address });
const network = new HostNetwork({ runtimeFolder, closedPorts: [7440] });
let anchoring: AnchoringEnd | undefined;
let carrying: CarryingEnd | undefined;
let mayCarry = true;
const told: string[] = [];

interface EndParams {
  addresses: string[];
  mac: string;
  uplink?: string;
  guestTap?: string;
  anchorTap: string;
  deviceId?: string;
}

const common = (params: EndParams) => ({
  channels: device.channels,
  network,
  channelName: 'anchor/work',
  guest: { addresses: params.addresses, mac: params.mac },
  anchorTap: params.anchorTap,
  pidFile: `${runtimeFolder}/${params.anchorTap}.pid.json`,
  logFile: `${runtimeFolder}/${params.anchorTap}.log`,
});

const methods: Record<string, (...params: never[]) => unknown> = {
  self: () => ({
    name,
    id: device.identity.id,
    certificatePem: device.identity.certificatePem,
    address: `${address}:${device.port}`,
  }),
  trust: (other: { name: string; id: string; certificatePem: string; address: string }) =>
    trust(
      device,
      { name: other.name, identity: { certificatePem: other.certificatePem, id: other.id } } as never,
      other.address,
    ).then(() => undefined),
  createTap: (tap: string, mac: string) => network.createTap(tap, mac, undefined, soon()),
  removeTap: (tap: string) => network.removeTap(tap, soon()),
  bind: (binding: unknown) => network.bind(NetworkBinding.parse(binding), soon()),
  announce: (binding: unknown, mac: string, addresses: string[]) =>
    network.announce(NetworkBinding.parse(binding), mac, addresses, soon()),
  withdraw: (tap: string) => network.withdraw(tap, soon()),
  offerAnchor: (params: EndParams) => {
    anchoring = new AnchoringEnd({
      ...common(params),
      uplink: params.uplink ?? '',
      mayCarry: () => mayCarry,
      onLink: (connected, why) => told.push(connected ? 'connected' : `lost: ${why?.message ?? 'closed'}`),
      onOver: () => told.push('over'),
    });
  },
  prepareAnchor: () => anchoring?.prepare(soon()),
  pauseAnchor: () => anchoring?.pause(soon()),
  beginAnchor: () => anchoring?.begin(soon()),
  endAnchor: () => anchoring?.end(soon()),
  setMayCarry: (may: boolean) => {
    mayCarry = may;
  },
  carry: async (params: EndParams) => {
    await carrying?.[Symbol.asyncDispose]();
    carrying = await CarryingEnd.lay(
      {
        ...common(params),
        deviceId: params.deviceId ?? '',
        guestTap: params.guestTap ?? '',
        answerAtOnce: false,
        onLink: (link) =>
          told.push(link.state === 'connected' ? 'connected' : `connecting: ${link.why ?? ''}`),
        onOver: () => told.push('over'),
      },
      soon(),
    );
  },
  finishCarrying: () => carrying?.finish(soon()),
  removeCarrying: (anchorTap: string) => removeCarrying({ network, anchorTap }, soon()),
  told: () => told.splice(0),
  /** Opens a channel as a device that means no good, and sends these bytes, in hexadecimal. */
  sendRaw: async (deviceId: string, bytes: string) => {
    const { stream } = await device.channels.open(deviceId, 'anchor/work', soon());
    stream
      .on('error', () => undefined)
      .on('end', () => stream.end())
      .resume();
    stream.write(Buffer.from(bytes, 'hex'));
    await new Promise<void>((resolve) => stream.once('close', () => resolve()));
  },
};

function soon(): AbortSignal {
  return AbortSignal.timeout(20_000);
}

process.stdout.write('{"result":"ready"}\n');
await answerLines(async (line) => {
  const { method, params } = JSON.parse(line) as { method: string; params: never[] };
  const found = methods[method];
  if (found === undefined) throw new DockError('usage', `no method ${method}`);
  return await found(...params);
});
