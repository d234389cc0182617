import { describe, expect, it } from 'vitest';
import { keepHere } from '../../../host-plugins/pipeline/workspace-places.ts';
import type { Activity } from '../../../host-plugins/workspace/workspace.ts';
import { DockError } from '../../../protocol/dock-error.ts';

const reason = new DockError('timeout', 'not in time');

/** A workspace of which a trip takes the VM away. `isOwner`: as it is when that has ended. */
function leaving(isOwner: boolean) {
  const { promise: idle, resolve } = Promise.withResolvers<void>();
  const cancelled: DockError[] = [];
  const workspace = { activity: { kind: 'idle' } as Activity, idle, isOwner: true };
  workspace.activity = {
    kind: 'trip',
    what: 'undock to "pad"',
    cancel: (why) => {
      cancelled.push(why);
      workspace.isOwner = isOwner;
      resolve();
    },
  };
  return { workspace, cancelled };
}

describe('a workspace that shall stay', () => {
  it('does not when its hand-over is past', async () => {
    expect(await keepHere(leaving(false).workspace, reason)).toBe(false);
  });

  it('is not touched when nothing takes it away', async () => {
    const starting = { activity: { kind: 'starting' as const }, idle: Promise.resolve(), isOwner: true };
    expect(await keepHere(starting, reason)).toBe(false);
  });

  it('does when its trip is undone, with the reason', async () => {
    const { workspace, cancelled } = leaving(true);
    expect(await keepHere(workspace, reason)).toBe(true);
    expect(cancelled).toEqual([reason]);
  });
});
