import { DockError } from '../../../protocol/dock-error.ts';
import { run } from '../process/run.ts';
import type { KernelBridgeRecord } from './bridge-record.ts';
import { buildMaking, buildRemoval, buildRepair } from './kernel-batch.ts';
import { readKernelState } from './kernel-state.ts';
import type { Reachability } from './reachability.ts';

const limitMs = 10_000;

/** How the interface is now, for the record that is written before it is changed. */
export async function recordKernelLink(
  link: string,
  bridge: string,
  signal: AbortSignal,
): Promise<KernelBridgeRecord> {
  const state = await readKernelState(link, signal);
  if (state === undefined) throw new DockError('not-found', `there is no interface ${link}`);
  const addresses = state.addresses.filter(({ temporary }) => !temporary);
  return { by: 'kernel', link, bridge, state: 'changing', addresses, routes: [...state.routes] };
}

/** Where nobody manages the network: one run of ip(8), which is not ended by what ends this process. */
export async function makeKernelBridge(
  record: KernelBridgeRecord,
  reachability: Reachability,
  signal: AbortSignal,
): Promise<void> {
  const { link, bridge } = record;
  const state = await readKernelState(link, signal);
  if (state === undefined) throw new DockError('not-found', `there is no interface ${link}`);
  await batch(buildMaking(link, bridge, { ...state, ...record }), []);
  await reachability.require(bridge, signal);
}

export async function removeKernelBridge(
  record: KernelBridgeRecord,
  reachability: Reachability,
  signal: AbortSignal,
): Promise<void> {
  const { link, bridge } = record;
  const now = await readKernelState(bridge, signal);
  if (now === undefined || (await readKernelState(link, signal))?.master !== bridge) {
    await repairKernelLink(record);
    return;
  }
  // What was made by a router's advertisements or by hand on the bridge meanwhile is the interface's, too.
  const addresses = now.addresses.filter(({ temporary }) => !temporary);
  await batch(buildRemoval(link, bridge, { addresses, routes: now.routes }), []);
  await reachability.require(link, signal);
}

/** Puts the interface back as the record says, from wherever it is. Throws when it has not its addresses afterwards. */
export async function repairKernelLink(record: KernelBridgeRecord): Promise<void> {
  const { link, bridge } = record;
  await batch(buildRepair(link, bridge, record), ['-force']).catch(() => {});
  const now = await readKernelState(link, AbortSignal.timeout(limitMs));
  if (now === undefined) return; // the interface itself is gone, and with it all there is to put back
  const missing = record.addresses.filter(
    ({ address }) => !now.addresses.some((each) => each.address === address),
  );
  if (missing.length > 0 || now.master === bridge) {
    throw new DockError(
      'io',
      `${link} could not be put back${missing.map(({ address, prefix }) => `; it lacks ${address}/${prefix}`).join('')}`,
    );
  }
}

/** Never aborted in the middle: half a change is what takes a host offline. */
async function batch(input: string, options: readonly string[]): Promise<void> {
  const signal = AbortSignal.timeout(limitMs);
  await run(['ip', ...options, '-batch', '-'], { input, timeoutMs: limitMs, signal });
}
