import type { Check, ControlMethod, controlMethods } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { CpuModelChoice, Docking } from '../../protocol/docking.ts';
import type { PeerMethod, peerMethods } from '../../protocol/peer-methods.ts';
import type { PeerCaller, PeerConnections } from '../pairing/peer-connections.ts';
import type { TrustedDevice } from '../pairing/trust-store.ts';
import type { RunningCall } from '../rpc/rpc-server.ts';
import type { RpcHandlerPart } from '../rpc/rpc-types.ts';

/** wdock of this device; whoever may open the socket may do everything. */
export type ControlCaller = 'wdock';
export type ControlHandlers = RpcHandlerPart<typeof controlMethods, ControlCaller>;
export type PeerHandlers = RpcHandlerPart<typeof peerMethods, PeerCaller>;
export type Peers = PeerConnections<typeof peerMethods>;

/** Looks at something that has to be in order on this host, for `wdock doctor`. Quick; throws only when the signal aborts. */
export type HostCheck = (signal: AbortSignal) => Promise<readonly Check[]>;

/** What a device that was just paired is to the workspaces that there are. Takes seconds at most; throws where this device cannot tell. */
export type MeetDevice = (
  device: TrustedDevice,
) => Promise<{ readonly cpuModel: CpuModelChoice; readonly docking: Docking[] }>;

/**
 * What goes on when its caller is gone. A terminal that is closed is not a wish to undo a dock: `wdock cancel` is,
 * and Ctrl-C in `wdock dock`, which cancels before it leaves.
 */
export const controlOutlivesCaller: ReadonlySet<ControlMethod> = new Set([
  'devices.add',
  'devices.trust',
  'devices.forget',
  'workspace.create',
  'workspace.start',
  'workspace.stop',
  'workspace.remove',
  'workspace.force-owner',
  'dock',
  'undock',
  'cancel',
]);

/**
 * Between devices a lost connection is an ordinary thing, and the hand-over decides what becomes of a move; so what
 * changes the state of this device is done to its end, and the caller asks again.
 */
export const peerOutlivesCaller: ReadonlySet<PeerMethod> = new Set([
  'prepare',
  'receive',
  'abandon',
  'hand-over',
  'undock',
  'cancel',
]);

/** Aborts all calls that run here and waits until they have undone what they must. Rejects when the signal aborts. */
export async function endRunningCalls(running: ReadonlySet<RunningCall>, signal: AbortSignal): Promise<void> {
  const calls = [...running];
  for (const call of calls) call.controller.abort(new DockError('cancelled', 'wdockd is stopping'));
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => {
    const late = calls.filter((call) => running.has(call)).map((call) => call.method);
    reject(new DockError('timeout', `still running when wdockd stopped: ${late.join(', ')}`));
  });
  await Promise.race([Promise.all(calls.map((call) => call.done)), promise]);
}
