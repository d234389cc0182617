import {
  type DbusInterface,
  type DbusMethod,
  dbusErrorOf,
  implement,
} from '../system/dbus/dbus-interface.ts';
import type { TripState } from '../trip-book/trip-state.ts';
import { tripShape } from './host-shapes.ts';
import { workspacePath } from './object-path.ts';

const errorNameIn = ({ error }: TripState): string => (error === undefined ? '' : dbusErrorOf(error.kind));

/** @param read the trip as it is now @param cancel the method of the workspace */
export function tripObject(read: () => TripState, cancel: DbusMethod['handle']): DbusInterface {
  return implement(
    tripShape,
    { Cancel: cancel },
    {
      Kind: () => read().kind,
      Workspace: () => workspacePath(read().workspace),
      WorkspaceName: () => read().workspace,
      From: () => read().from,
      To: () => read().to,
      Simulated: () => read().outcome?.simulated ?? read().simulated,
      State: () => read().state,
      StartedAt: () => read().startedAt,
      Stage: () => read().stage ?? '',
      StageFraction: () => read().stageFraction ?? -1,
      Percent: () => read().percent,
      Text: () => read().text,
      ErrorName: () => errorNameIn(read()),
      ErrorMessage: () => read().error?.message ?? '',
      RunsOn: () => read().runsOn ?? '',
      TotalMs: () => Math.round(read().outcome?.totalMs ?? 0),
      DowntimeMs: () => Math.round(read().outcome?.downtimeMs ?? 0),
      SentBytes: () => Math.round(read().outcome?.wireBytes ?? 0),
      Shortfalls: () =>
        (read().outcome?.shortfalls ?? []).map(({ resource, requested, actual, reason }) => [
          resource,
          requested,
          actual,
          reason,
        ]),
    },
  );
}

/** Arguments of `Ended`. */
export const endOf = (trip: TripState): readonly unknown[] => [
  trip.state,
  errorNameIn(trip),
  trip.error?.message ?? '',
];
