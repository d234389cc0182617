import { DockError } from '../../protocol/dock-error.ts';
import type { Workspace } from '../workspace/workspace.ts';

/** Throws `conflict` for a workspace that is suspended, with what to do. */
export function requireAwake(workspace: Workspace): void {
  if (workspace.image === undefined) return;
  const { name } = workspace;
  const directory = workspace.record.suspended?.directory ?? 'DIRECTORY';
  throw new DockError(
    'conflict',
    `"${name}" is ${workspace.status().detail}; wdock resume ${directory} lets it go on. When that image is lost for good: ` +
      `wdock workspace force-owner ${name} starts it from its disk, without what was in memory`,
  );
}
