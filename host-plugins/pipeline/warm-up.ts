import type { WarmUpOutcome, WarmUpProgress } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { Peers } from '../daemon/handlers.ts';
import { GuestMemory } from '../pages/kept/guest-memory.ts';
import { pageBytes } from '../pages/page-list.ts';
import type { SendingSource } from '../pages/page-source.ts';
import { sendAhead } from '../pages/warm/send-ahead.ts';
import { channelNames } from '../workspace/paths.ts';
import type { Workspace } from '../workspace/workspace.ts';

export interface WarmUpParts {
  readonly peers: Peers;
  readonly maxBytesPerS: number;
}

/** What the other device has; it may have to open an image, ms. */
const askLimitMs = 20_000;

/**
 * Sends pages of a VM that runs here ahead to a device that may get it. The VM is not touched and not asked: its memory is
 * read beside it. An abort, a move of the VM and a lost link end it; what has come over there is of use all the same.
 * Throws `peer-refused` where the other device takes none, `conflict` where there is nothing to send from.
 */
export async function warmUp(
  parts: WarmUpParts,
  workspace: Workspace,
  target: { readonly id: string; readonly name: string },
  progress: (event: WarmUpProgress) => void,
  signal: AbortSignal,
): Promise<WarmUpOutcome> {
  const { name, record, surroundings, keptMemory } = workspace;
  requireWarmable(workspace, target);
  const ending = new AbortController();
  const over = Promise.withResolvers<void>();
  workspace.warmUp = {
    stop: async (why) => {
      ending.abort(why);
      await over.promise;
    },
  };
  const enough = AbortSignal.any([signal, ending.signal]);
  try {
    await using memory = await GuestMemory.open(workspace.keeper.require().qemu.pid);
    const { pages: offered, maxMiB } = await parts.peers.call(
      target.id,
      'warm-up',
      { workspace: name, uuid: record.contract.uuid },
      { signal: AbortSignal.any([enough, AbortSignal.timeout(askLimitMs)]) },
    );
    const recalled = await surroundings.pages.recall(keptMemory, target.id);
    const sources = await surroundings.pages.recognise(recalled, offered);
    await using thread = surroundings.pages.thread();
    const maxPages = Math.floor((maxMiB * 2 ** 20) / pageBytes);
    const scan = async (known: readonly SendingSource[]) =>
      await thread.do({
        job: 'scan',
        files: memory.files,
        hashes: known.map(({ hashes }) => new Uint8Array(hashes)),
        maxPages,
      });
    let sentBefore = sources.find(({ kind }) => kind === 'warm');
    let lacking = await scan(sources);
    // Much of what was sent before is not in memory any more when so much is new.
    if (sentBefore !== undefined && sentBefore.pages + lacking.indices.length > maxPages) {
      lacking = await scan(sources.filter((each) => each !== sentBefore));
      sentBefore = undefined;
    }
    const known = new Uint8Array(sentBefore?.hashes ?? new SharedArrayBuffer(0));
    enough.throwIfAborted();
    const channel = await surroundings.channels.open(target.id, channelNames.warm(name), enough);
    const ofPages = lacking.indices.length;
    const sent = await sendAhead(
      channel.stream,
      thread,
      {
        uuid: record.contract.uuid,
        known,
        lacking,
        memory,
        maxBytesPerS: parts.maxBytesPerS,
        onSent: ({ pages, wireBytes }) => progress({ pages, ofPages, wireBytes }),
      },
      enough,
    );
    await surroundings.pages.noteWarm(keptMemory, target.id, sent.hashes);
    if (sent.broke !== undefined && !enough.aborted) throw sent.broke;
    return {
      pages: (sent.hashes.length - known.length) / 32,
      known: lacking.known,
      wireBytes: sent.wireBytes,
      whole: !enough.aborted,
    };
  } finally {
    workspace.warmUp = undefined;
    over.resolve();
  }
}

function requireWarmable(workspace: Workspace, target: { readonly id: string; readonly name: string }): void {
  const { name } = workspace;
  if (workspace.warmUp !== undefined)
    throw new DockError('conflict', `pages of "${name}" are being sent ahead already`);
  if (workspace.activity.kind !== 'idle')
    throw new DockError(
      'conflict',
      `"${name}" is busy (${workspace.activity.kind}); try again when it is not`,
    );
  if (!workspace.isOwner || workspace.machine === undefined)
    throw new DockError('conflict', `"${name}" does not run on this device`);
  if (!workspace.mayKeepMemory(target.id))
    throw new DockError(
      'untrusted',
      `no memory of "${name}" is left on "${target.name}", which is a kiosk here`,
    );
}
