import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { buildAgentPackage } from '../../packaging/agent/build.ts';
import type { Progress } from './cache/cached-build.ts';
import { describeEmulator, type EmulatorChoice } from './emulator/lab-emulator.ts';
import { type LabGuest, provideLabGuest } from './lab-guest.ts';
import { LabHost, type LabProfile } from './lab-host.ts';
import {
  type LabLayout,
  labAddresses,
  labAddresses6,
  lanA,
  lanPrefixLength,
  lanPrefixLength6,
  slaacAddress,
} from './network/address-plan.ts';
import { LabNetwork } from './network/lab-network.ts';
import type { LinkShapeName } from './network/link-shape.ts';
import { keepBlockLists, lendBlockLists } from './state/block-lists.ts';
import { createOverlay } from './state/lab-machine.ts';
import { backgroundService } from './verify/background-service.ts';

/** The name of the workspace that the lab's MID has. */
export const labWorkspace = 'work';

/** What the workspace itself asks for: a service of the guest sleeps, but at the desk. */
const workspacePolicy = `version: 1
services:
  sleep: [${backgroundService}]
when:
  - if: { class: desktop }
    services:
      awake: [${backgroundService}]
`;

export interface LabOptions {
  readonly link: LinkShapeName;
  /** Of the MID alone; default: `link`. */
  readonly midLink?: LinkShapeName;
  /** Default: `lan`. */
  readonly layout?: LabLayout;
  /** The devices are joined by a cable of their own, too, with the shape of `link`; default: `false`. */
  readonly cable?: boolean;
  /** Default: `pc`. A small one is reached and left in half the time. */
  readonly pc?: Exclude<LabProfile, 'mid'>;
  /** Addresses of buses that the devices have as their systems'; default: none, never that of this machine. */
  readonly systemBuses?: Partial<Record<'mid' | 'pc', string>>;
  /** Policies of the devices themselves, before those of their classes; see docs/policies.md. */
  readonly policies?: Partial<Record<'mid' | 'pc', string>>;
  /** Of a move of which nothing goes through, on both devices, ms; default: as wdockd has it. */
  readonly stallLimitMs?: number;
  /** Folders with images that the PC has, and knows pages by; default: none. */
  readonly pcBaseImages?: readonly string[];
  readonly progress: Progress;
}

/** The guest for the lab with the present agent in it, from the cache or built now. */
export async function provideGuestWithAgent(
  progress: Progress,
  signal: AbortSignal,
  emulator: EmulatorChoice = 'own',
): Promise<LabGuest> {
  const { path } = await buildAgentPackage();
  return await provideLabGuest(path, progress, signal, emulator);
}

/**
 * Two simulated devices that trust each other, on a LAN with a client, or on two; the MID has a workspace, running from its
 * settled state. Everything is gone after disposal, whatever happened.
 */
export class Lab implements AsyncDisposable {
  readonly network: LabNetwork;
  readonly mid: LabHost;
  readonly pc: LabHost;
  readonly folder: string;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    network: LabNetwork,
    mid: LabHost,
    pc: LabHost,
    folder: string,
    resources: AsyncDisposableStack,
  ) {
    this.network = network;
    this.mid = mid;
    this.pc = pc;
    this.folder = folder;
    this.#resources = resources;
  }

  /** The hosts and their workspace, which does not run yet. */
  static async create(guest: LabGuest, options: LabOptions, signal: AbortSignal): Promise<Lab> {
    await using resources = new AsyncDisposableStack();
    const network = resources.use(
      await LabNetwork.create(
        {
          layout: options.layout ?? 'lan',
          midLink: options.midLink ?? options.link,
          pcLink: options.link,
          cable: options.cable ?? false,
          emulator: guest.settled.emulator,
        },
        signal,
      ),
    );
    const { folder } = network;
    const state = join(folder, 'mid', 'state');
    resources.defer(() => keepBlockLists(state));
    const start = async (name: 'mid' | 'pc', profile: LabProfile) =>
      resources.use(
        await LabHost.start({
          name,
          namespace: network[name],
          address: network.addresses[name],
          folder: join(folder, name),
          profile,
          systemBus: options.systemBuses?.[name],
          baseImages: name === 'pc' ? options.pcBaseImages : undefined,
          stallLimitMs: options.stallLimitMs,
        }),
      );
    options.progress(`starting wdockd on both devices, with ${describeEmulator(guest.settled.emulator)}`);
    const [mid, pc] = await Promise.all([start('mid', 'mid'), start('pc', options.pc ?? 'pc')]);
    const lab = new Lab(network, mid, pc, folder, resources.move());
    try {
      await Promise.all([lab.#trust(mid, pc, pc.address, signal), lab.#trust(pc, mid, mid.address, signal)]);
      for (const device of [mid, pc]) {
        const policy = options.policies?.[device.name];
        if (policy !== undefined) await lab.setDevicePolicy(device, policy);
      }
      // Now: with no workspace yet, the wdockd that has just started has thrown away what it does not need.
      await lendBlockLists(state);
      await lab.#createWorkspace(guest, signal);
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
    return lab;
  }

  /** The same with the workspace running on the MID. */
  static async start(guest: LabGuest, options: LabOptions, signal: AbortSignal): Promise<Lab> {
    const lab = await Lab.create(guest, options, signal);
    try {
      options.progress('starting the workspace on the MID from its settled state');
      await lab.mid.wdock(['workspace', 'start', labWorkspace], signal);
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The guest's address on the MID's LAN, by DHCP. */
  get guestAddress(): string {
    return labAddresses.workspace;
  }

  /** The same by DHCPv6; besides it the guest has one that it made itself. */
  get guestAddress6(): string {
    return labAddresses6.workspace;
  }

  /** From now on a device decides by this policy, before that of its class; see docs/policies.md. */
  async setDevicePolicy(device: LabHost, policy: string): Promise<void> {
    const folder = join(device.folder, 'policies', 'devices');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${device.name}.yaml`), policy);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  /** From now on the two look for each other at an address that nobody has, as after both have got new ones. */
  async loseAddresses(signal: AbortSignal): Promise<void> {
    await this.#trust(this.mid, this.pc, labAddresses.nobody, signal);
    await this.#trust(this.pc, this.mid, labAddresses.nobody, signal);
  }

  /** `from` imports the certificate of `of`, as a user does who does not pair them. */
  async #trust(from: LabHost, of: LabHost, address: string, signal: AbortSignal): Promise<void> {
    const Certificate = z.object({ certificatePem: z.string(), fingerprint: z.string() });
    const { certificatePem, fingerprint } = Certificate.parse(
      await of.wdock(['devices', 'certificate'], signal),
    );
    const file = join(from.folder, `${of.name}.pem`);
    await writeFile(file, certificatePem);
    await from.wdock(
      ['devices', 'add', file, '--name', of.name, '--fingerprint', fingerprint, '--address', address],
      signal,
    );
  }

  async #createWorkspace({ settled }: LabGuest, signal: AbortSignal): Promise<void> {
    const folder = join(this.mid.folder, 'disks');
    await mkdir(folder);
    const disk = join(folder, 'work.qcow2');
    await createOverlay(settled.disk, disk, signal);
    const policy = join(folder, 'policy.yaml');
    await writeFile(policy, workspacePolicy);
    const { contract } = settled;
    const { kernel } = contract;
    if (kernel === undefined) throw new Error("the lab's guest boots its kernel directly");
    await this.mid.wdock(
      [
        ...['workspace', 'create', labWorkspace, '--disk', disk],
        ...['--backing-file', settled.disk, ...settled.backing],
        ...['--saved-state', settled.stateFile],
        ...['--base-memory', String(contract.baseMemoryMiB)],
        ...['--max-plugged-memory', String(contract.maxPluggedMemoryMiB)],
        ...['--max-vcpus', String(contract.maxVcpus), '--mac', contract.macAddress, '--uuid', contract.uuid],
        ...['--kernel', kernel.image, '--initrd', kernel.initrd, '--append', kernel.commandLine],
        ...['--policy', policy, '--cpu-model', contract.cpuModel],
        ...guestAddresses(contract.macAddress).flatMap((address) => ['--address', address]),
      ],
      signal,
    );
  }
}

/** What the guest has had since it settled. */
function guestAddresses(mac: string): string[] {
  return [
    `${labAddresses.workspace}/${lanPrefixLength}`,
    `${labAddresses6.workspace}/128`,
    `${slaacAddress(lanA.prefix6, mac)}/${lanPrefixLength6}`,
  ];
}
