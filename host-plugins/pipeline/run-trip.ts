import { DockError } from '../../protocol/dock-error.ts';
import type { Shortfall, TripOutcome } from '../../protocol/outcome.ts';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import type { CpuModels } from '../cpu-model/cpu-models.ts';
import type { Peers } from '../daemon/handlers.ts';
import type { MigrationLimits } from '../qemu/migration-settings.ts';
import { readFilling } from '../qemu/read-filling.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { observeLimitMs } from './adapt-here.ts';
import type { Anchors } from './anchors.ts';
import { awaitAdapted } from './await-adapted.ts';
import { readPolicyText } from './choose.ts';
import { cpuShape } from './cpu-shapes.ts';
import { Departure } from './departure.ts';
import { discoverGuest } from './discover-guest.ts';
import { chooseGuard, guardGuest } from './guard-guest.ts';
import { withoutKept } from './lan-change.ts';
import { planTrip } from './plan-trip.ts';
import { Rollback } from './rollback.ts';
import { runShrinkingSteps } from './run-steps.ts';
import { type Clock, type Emit, StageClock } from './stage-clock.ts';
import { summarizeGuest } from './summarize-guest.ts';

/** What a trip needs besides the workspace. */
export interface TripSurroundings {
  readonly peers: Peers;
  readonly plugins: readonly ResourcePlugin[];
  readonly clock: Clock;
  readonly limits: MigrationLimits;
  readonly anchors: Anchors;
  readonly cpuModels: Pick<CpuModels, 'requireMove'>;
}

export interface TripRequest {
  readonly kind: 'dock' | 'undock';
  readonly target: { readonly id: string; readonly name: string };
  readonly emit: Emit;
}

/** An ordinary question to the other device, ms; it may have to look at its disks. */
const askLimitMs = 20_000;
/** Starting QEMU over there, ms. */
const receiveLimitMs = 60_000;
/** Each undo, ms: memory that was taken away comes back within it on a slow guest. */
const undoLimitMs = 60_000;
/** How long the applications' delay may be exceeded by the agent's own work, ms. */
const agentGraceMs = 5_000;

/** Whether the device shall keep nothing of the VM: its user trusts it as a kiosk, and it is not the VM's home. */
export function leavesNothing({ surroundings, record }: Workspace, deviceId: string): boolean {
  return surroundings.trustOf(deviceId) === 'kiosk' && record.homeDevice !== deviceId;
}

/**
 * Moves the running VM to another device: discover, choose, plan, prepare, shrink, transfer, hand over, then adapt
 * and verify over there, and settle. Up to the hand-over every failure and every abort leaves the VM running here, as it was.
 */
export async function runTrip(
  workspace: Workspace,
  request: TripRequest,
  surroundings: TripSurroundings,
  signal: AbortSignal,
): Promise<TripOutcome> {
  const { peers, plugins, clock, anchors, cpuModels } = surroundings;
  const { target, kind, emit } = request;
  const { self } = workspace.surroundings;
  const machine = workspace.keeper.require();
  const shape = cpuShape(workspace.name, workspace.record.contract);
  const stages = new StageClock(emit, clock);
  const rollback = new Rollback(undoLimitMs);
  const begin = clock.monotonic();
  const ask = { signal: AbortSignal.any([signal, AbortSignal.timeout(askLimitMs)]) };
  const epoch = workspace.handOver.nextEpoch;
  const shortfalls: Shortfall[] = [];
  const visit: { keepNothing?: true } = leavesNothing(workspace, target.id) ? { keepNothing: true } : {};
  using _held = peers.hold(target.id);

  try {
    const { guest, peer } = await stages.run('discover', async () => {
      const [peer, seen] = await Promise.all([
        peers.call(target.id, 'describe', {}, ask),
        discoverGuest(machine.agent, AbortSignal.any([signal, AbortSignal.timeout(observeLimitMs)])),
        cpuModels.requireMove(shape, machine.qmp, target.id, ask.signal),
      ]);
      signal.throwIfAborted();
      if (seen.guest === undefined) {
        emit({ kind: 'note', at: clock.wall(), text: `moving without the guest's help: ${seen.why}` });
      } else {
        const addresses = withoutKept(seen.guest.network.addresses, workspace.record.lanChange);
        await workspace.save({ guestAddresses: addresses });
        machine.guestAddresses = addresses;
      }
      return { guest: seen.guest, peer };
    });
    const simulated = self.host.simulated || peer.profile.simulated;
    const policy = await readPolicyText(workspace.record.policy);
    const choice = await stages.run('choose', async () =>
      peers.call(
        target.id,
        'choose',
        {
          workspace: workspace.name,
          contract: workspace.record.contract,
          ...(policy === undefined ? {} : { policy }),
          ...visit,
        },
        ask,
      ),
    );

    const steps = await stages.run('plan', async () =>
      planTrip(plugins, {
        contract: workspace.record.contract,
        filling: await readFilling(machine.qmp, signal),
        guest,
        from: workspace.record.allocation,
        to: choice.allocation,
        target: choice.profile,
        headroomMiB: choice.move.headroomMiB,
      }),
    );

    const lan = await stages.run('prepare', async (say) => {
      rollback.defer('keep no addresses for a guest that stays', async () => anchors.cancel(workspace));
      const end = {
        ...target,
        profile: choice.profile,
        network: choice.allocation.network,
      };
      const decided = await anchors.propose(workspace, end, workspace.record.guestAddresses, signal);
      shortfalls.push(...decided.shortfalls);
      // Deferred first: an answer that is lost on the way may be a reservation all the same.
      rollback.defer(`release what "${target.name}" reserved`, async (undo) => {
        await peers.call(
          target.id,
          'abandon',
          { workspace: workspace.name, epoch, reason: 'the move was given up' },
          { signal: undo },
        );
      });
      await peers.call(
        target.id,
        'prepare',
        {
          workspace: workspace.name,
          homeDevice: workspace.record.homeDevice,
          epoch,
          contract: workspace.record.contract,
          allocation: choice.allocation,
          move: choice.move,
          guestAddresses: decided.guestAddresses,
          ...(policy === undefined ? {} : { policy }),
          ...visit,
        },
        ask,
      );
      workspace.expected = target.id;
      rollback.defer('close the disk to the other device', async () => {
        workspace.expected = undefined;
      });
      if (machine.agent !== undefined && guest !== undefined) {
        const { agent } = machine;
        rollback.defer('tell the guest that it stays', async (undo) => {
          await agent.call('cancel-move', {}, undo);
        });
        say('applications in the guest are told');
        const { maxDelayMs } = choice.move;
        const limit = AbortSignal.any([signal, AbortSignal.timeout(maxDelayMs + agentGraceMs)]);
        const host = {
          name: target.name,
          deviceClass: choice.profile.deviceClass,
          simulated: choice.profile.simulated,
        };
        try {
          const delay = await agent.call('prepare-move', { target: host, maxDelayMs }, limit);
          if (delay.expired) {
            emit({
              kind: 'note',
              at: clock.wall(),
              text: `not waiting any longer for: ${delay.delayedBy.join(', ')}`,
            });
          }
        } catch (error) {
          signal.throwIfAborted();
          emit({
            kind: 'note',
            at: clock.wall(),
            text: `applications were not told: ${DockError.from(error).message}`,
          });
        }
      }
      if (visit.keepNothing === true) {
        say('the guest is locked, for it goes to a kiosk');
        const guard = chooseGuard(policy, choice.profile, target.name);
        shortfalls.push(...(await guardGuest(machine, guard, target.name, rollback, signal)));
      }
      return decided;
    });

    const resized = await stages.run('shrink', async (say) => {
      shortfalls.push(...(await runShrinkingSteps({ plugins, machine, say }, steps, rollback, signal)));
      if (!steps.some((step) => step.when === 'before-move') || guest === undefined) return guest;
      const seen = await discoverGuest(
        machine.agent,
        AbortSignal.any([signal, AbortSignal.timeout(observeLimitMs)]),
      );
      return seen.guest ?? guest;
    });

    await using departure = new Departure(workspace, target);
    await stages.run('transfer', async (say) => {
      await peers.call(
        target.id,
        'receive',
        {
          workspace: workspace.name,
          epoch,
          filling: await readFilling(machine.qmp, signal),
          guestAddresses: lan.guestAddresses,
          ...(lan.lanChange === undefined ? {} : { lanChange: lan.lanChange }),
          ...(resized === undefined ? {} : { guest: resized }),
        },
        { signal: AbortSignal.any([signal, AbortSignal.timeout(receiveLimitMs)]) },
      );
      await departure.transfer(epoch, surroundings.limits, say, signal);
    });

    const statistics = await stages.run('hand-over', async () => departure.leave(signal));
    // The VM is the target's now, and what was taken from the guest stays taken.
    rollback.commit();
    workspace.expected = undefined;

    const adapted = await awaitAdapted(peers, target, { workspace: workspace.name, epoch }, emit);
    stages.times.push(...adapted.stages);
    await stages.run('settle', async () => workspace.settle(AbortSignal.timeout(askLimitMs)));
    return {
      kind,
      workspace: workspace.name,
      from: self.host.name,
      to: target.name,
      simulated,
      epoch,
      totalMs: Math.round(clock.monotonic() - begin),
      downtimeMs: statistics.downtimeMs,
      adaptMs: adapted.adaptMs,
      wireBytes: statistics.transferredBytes,
      stages: stages.times,
      guest: { before: guest === undefined ? null : summarizeGuest(guest), after: adapted.after },
      shortfalls: [...shortfalls, ...adapted.shortfalls],
    };
  } catch (error) {
    const failure = signal.aborted ? DockError.from(signal.reason, 'cancelled') : DockError.from(error);
    for (const problem of await rollback.unwind()) {
      emit({ kind: 'note', at: clock.wall(), text: `could not be undone: ${problem}` });
    }
    emit({
      kind: 'trip-failed',
      at: clock.wall(),
      error: failure.toData(),
      ...(stages.current === undefined ? {} : { stage: stages.current }),
      ...(workspace.isOwner && workspace.machine !== undefined ? { runsOn: self.host.name } : {}),
    });
    throw failure;
  }
}
