import type { DeviceStatus } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { PresenceStatus } from '../../protocol/presence.ts';
import type { ControlCalls } from '../daemon/control-calls.ts';
import { type DbusInterface, implement } from '../system/dbus/dbus-interface.ts';
import type { Guard } from './guard.ts';
import { deviceShape } from './host-shapes.ts';
import { trusted } from './wish.ts';

export interface DeviceParts {
  /** As it is known now. */
  readonly read: () => DeviceStatus;
  /** How near it is now, for each workspace that this is about, what says most first. */
  readonly presences: () => readonly PresenceStatus[];
  readonly calls: ControlCalls;
  readonly guard: Guard;
}

/** A trusted device. */
export function deviceObject({ read, presences, calls, guard }: DeviceParts): DbusInterface {
  const asked = () => ({ action: 'manage', details: { device: read().name } }) as const;
  return implement(
    deviceShape,
    {
      SetTrust: guard(asked, async ([argument]) => {
        const { trust } = trusted(argument);
        if (trust === undefined) throw new DockError('usage', 'say owned, known or kiosk');
        await calls.run('devices.trust', { name: read().id, trust });
        return [];
      }),
      Forget: guard(asked, async () => {
        await calls.run('devices.forget', { name: read().id });
        return [];
      }),
      Answer: guard(
        ([workspace]) => ({
          action: 'dock',
          details: { workspace: String(workspace), device: read().name },
        }),
        async ([workspace, trip, yes]) => {
          // Who had to find a password first may have been asked something else meanwhile.
          if (!questionsIn(presences()).some(([about, what]) => about === workspace && what === trip)) {
            throw new DockError(
              'conflict',
              `it is not asked whether to ${String(trip)} "${String(workspace)}"; the question was answered, or its reason has ended`,
            );
          }
          const about = { workspace: String(workspace), device: read().name };
          await calls.run('presence.answer', { answer: yes === true ? 'yes' : 'no', ...about });
          return [];
        },
      ),
    },
    {
      Name: () => read().name,
      Class: () => read().deviceClass ?? '',
      Fingerprint: () => read().fingerprint,
      Address: () => read().address ?? '',
      Trust: () => read().trust ?? '',
      Reachable: () => read().reachable,
      Simulated: () => read().simulated ?? false,
      Nearness: () => presences()[0]?.state ?? '',
      NearnessReason: () => presences()[0]?.why ?? '',
      Next: () => nextIn(presences()),
      Questions: () => questionsIn(presences()),
    },
  );
}

type Question = readonly [workspace: string, trip: string, reason: string, until: number];

function questionsIn(presences: readonly PresenceStatus[]): Question[] {
  return presences.flatMap(({ workspace, question }) =>
    workspace === undefined || question === undefined
      ? []
      : [[workspace, question.trip, question.why, question.until] as const],
  );
}

/** Of which workspace, too; nothing where none could go there or come home from there. */
function nextIn([first]: readonly PresenceStatus[]): string {
  return first?.workspace === undefined ? '' : `${first.workspace}: ${first.next}`;
}
