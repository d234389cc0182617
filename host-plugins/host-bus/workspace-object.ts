import type { WorkspaceStatus } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { ProgressEvent } from '../../protocol/progress-event.ts';
import type { ControlCalls } from '../daemon/control-calls.ts';
import { type DbusInterface, implement } from '../system/dbus/dbus-interface.ts';
import type { HostAction } from './authority.ts';
import type { Guard } from './guard.ts';
import { workspaceShape } from './host-shapes.ts';

const bytesPerMiB = 1024 * 1024;

export interface WorkspaceParts {
  readonly name: string;
  /** As it is known now. */
  readonly read: () => WorkspaceStatus;
  /** Path of the trip that moves it now, or `/`. */
  readonly trip: () => string;
  readonly calls: ControlCalls;
  readonly guard: Guard;
}

export function workspaceObject({ name, read, trip, calls, guard }: WorkspaceParts): DbusInterface {
  const to =
    (action: HostAction, details: Readonly<Record<string, string>> = {}) =>
    () => ({ action, details: { workspace: name, ...details } });

  /** Resolves with the path of the trip as soon as it is one; how it ends is told by it. */
  const begin = async (
    start: (onProgress: (event: ProgressEvent) => void) => Promise<unknown>,
  ): Promise<readonly unknown[]> => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly unknown[]>();
    start((event) => {
      // Everybody else hears of it right after the one who asked, and then it is an object.
      if (event.kind === 'trip-started') queueMicrotask(() => resolve([trip()]));
    }).then(() => resolve([trip()]), reject);
    return await promise;
  };

  return implement(
    workspaceShape,
    {
      Dock: guard(
        ([target]) => to('dock', { device: String(target) })(),
        async ([target]) =>
          await begin((onProgress) =>
            calls.run('dock', { workspace: name, target: String(target) }, { onProgress }),
          ),
      ),
      Undock: guard(
        to('dock'),
        async () => await begin((onProgress) => calls.run('undock', { workspace: name }, { onProgress })),
      ),
      Cancel: guard(to('dock'), async () => {
        await calls.run('cancel', { workspace: name });
        return [];
      }),
      Start: guard(to('dock'), async () => {
        await calls.run('workspace.start', { name });
        return [];
      }),
      Stop: guard(
        ([force]) => to(force === true ? 'force' : 'dock')(),
        async ([force]) => {
          await calls.run('workspace.stop', { name, force: force === true });
          return [];
        },
      ),
      ForceOwner: guard(to('force'), async ([known]) => {
        if (known !== true)
          throw new DockError(
            'usage',
            'this gives up the other copy; say true when you know that it is gone',
          );
        await calls.run('workspace.force-owner', { name, iKnowTheOtherCopyIsGone: true });
        return [];
      }),
    },
    {
      Name: () => name,
      State: () => read().state,
      Home: () => read().homeDevice,
      RunsOn: () => read().runsOn ?? '',
      Epoch: () => read().epoch,
      Detail: () => read().detail ?? '',
      Trip: trip,
      Vcpus: () => read().guest?.vcpus ?? 0,
      MemoryBytes: () => Math.round((read().guest?.memoryMiB ?? 0) * bytesPerMiB),
    },
  );
}
