import { DockError } from '../../protocol/dock-error.ts';
import type { PresenceStatus } from '../../protocol/presence.ts';
import type { ControlHandlers } from '../daemon/handlers.ts';
import type { PresenceUnit } from './presence-unit.ts';

export interface PresenceHandlersParts {
  readonly units: () => readonly PresenceUnit[];
  readonly statusOf: (unit: PresenceUnit) => PresenceStatus;
  /** Reads the policy files again; resolves with what is wrong with them. */
  readonly reread: () => Promise<DockError | undefined>;
}

interface About {
  readonly workspace?: string | undefined;
  readonly device?: string | undefined;
}

export function presenceHandlers({ units, statusOf, reread }: PresenceHandlersParts): ControlHandlers {
  const about = ({ workspace, device }: About): PresenceUnit[] =>
    units().filter(
      (unit) =>
        (workspace === undefined || unit.workspace === workspace) &&
        (device === undefined || statusOf(unit).device === device),
    );
  return {
    'presence.rules': async (params) => {
      const mistake = await reread();
      if (mistake !== undefined) throw mistake;
      const ofWorkspaces = new Set(
        units().flatMap((unit) => (unit.workspace === undefined ? [] : unit.deviceId)),
      );
      return about(params)
        .filter(({ workspace, deviceId }) => workspace !== undefined || !ofWorkspaces.has(deviceId))
        .map((unit) => ({ status: statusOf(unit), decisions: [...unit.sourced.decisions] }));
    },
    'presence.answer': async ({ answer, ...params }) => {
      const asking = about(params).filter(({ state }) => state.question !== undefined);
      const [unit] = asking;
      if (unit === undefined) {
        throw new DockError(
          'conflict',
          'nothing is asked; the question was answered, or its reason has ended',
        );
      }
      if (asking.length > 1) {
        const questions = asking.map((each) => questionText(statusOf(each))).join('; ');
        throw new DockError(
          'usage',
          `there are ${asking.length} questions (${questions}); say which with --workspace and --device`,
        );
      }
      const answered = statusOf(unit);
      unit.feed({ in: 'answered', yes: answer === 'yes' });
      return answered;
    },
  };
}

function questionText({ workspace, device, question }: PresenceStatus): string {
  return `${question?.trip} ${workspace}, ${device}`;
}
