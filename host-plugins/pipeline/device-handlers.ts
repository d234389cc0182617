import type { Check, PluginReport } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import type { DeviceDirectory } from '../daemon/device-directory.ts';
import type { ControlHandlers, HostCheck, Peers } from '../daemon/handlers.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import { checkQemu } from '../qemu/check-qemu.ts';
import { checkMachineUsers } from '../qemu/read-machine-users.ts';
import { checkHostMemory } from '../visit/read-host-memory.ts';
import { typicalContract } from '../workspace/typical-contract.ts';
import { type ChooserSettings, chooseHere, readPolicyText } from './choose.ts';
import type { Workspaces } from './workspaces.ts';

export interface DeviceHandlersParts {
  readonly workspaces: Workspaces;
  readonly devices: DeviceDirectory;
  readonly trust: TrustStore;
  readonly peers: Peers;
  readonly plugins: readonly ResourcePlugin[];
  readonly chooser: ChooserSettings;
  /** Of other parts of wdockd. */
  readonly checks: readonly HostCheck[];
  readonly version: string;
}

export function deviceStateHandlers(parts: DeviceHandlersParts): ControlHandlers {
  const { workspaces, devices, trust, peers, plugins, chooser } = parts;
  return {
    status: async (_params, { signal }) => ({
      device: devices.self(),
      version: parts.version,
      profile: await chooser.discoverHost(signal),
      workspaces: workspaces.statuses(),
      devices: (await devices.list(signal)).filter((each) => !each.self),
    }),
    'policy.explain': async ({ device, workspace: name }, { signal }) => {
      const [only, ...others] = workspaces.list();
      const workspace = name !== undefined ? workspaces.get(name) : others.length === 0 ? only : undefined;
      const contract = workspace?.record.contract ?? typicalContract;
      const policy = await readPolicyText(workspace?.record.policy);
      const { profile, decisions, allocation } =
        device === undefined || device === devices.self().name
          ? await chooseHere(chooser, contract, policy, signal)
          : await peers.call(
              trust.find(device).id,
              'choose',
              {
                workspace: workspace?.name ?? 'example',
                contract,
                ...(policy === undefined ? {} : { policy }),
              },
              { signal },
            );
      return { profile, decisions: [...decisions], allocation };
    },
    doctor: async (_params, { signal }) => {
      const [checks, others, reports] = await Promise.all([
        checkQemu(signal),
        Promise.all(parts.checks.map((check) => check(signal))),
        Promise.all(plugins.map((plugin) => report(plugin, signal))),
      ]);
      return {
        checks: [
          ...checks,
          await checkPolicies(parts, signal),
          ...checkWorkspaces(workspaces),
          await checkMachineUsers(),
          await checkHostMemory(),
          ...others.flat(),
        ],
        plugins: reports,
      };
    },
  };
}

async function report(plugin: ResourcePlugin, signal: AbortSignal): Promise<PluginReport> {
  const { resource, abilities } = plugin;
  try {
    const { can, cannot } = await plugin.discover(signal);
    return { resource, abilities, can: [...can], cannot: [...cannot] };
  } catch (error) {
    signal.throwIfAborted();
    return { resource, abilities, can: [], cannot: [DockError.from(error).message] };
  }
}

function checkWorkspaces(workspaces: Workspaces): Check[] {
  return workspaces
    .listBroken()
    .map(({ name, why }) => ({ name: `workspace ${name}`, state: 'failed', detail: `broken: ${why}` }));
}

async function checkPolicies({ chooser }: DeviceHandlersParts, signal: AbortSignal): Promise<Check> {
  try {
    const { profile } = await chooseHere(chooser, typicalContract, undefined, signal);
    return { name: 'policy', state: 'ok', detail: `decides for this ${profile.deviceClass}` };
  } catch (error) {
    signal.throwIfAborted();
    return {
      name: 'policy',
      state: 'failed',
      detail: DockError.from(error).message,
      remedy:
        'mend the file that is named; `wdock policy check FILE` says when a policy is good, `wdock policy explain --profile FILE` when a profile is',
    };
  }
}
