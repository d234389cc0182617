import { resolve } from 'node:path';
import type { z } from 'zod';
import type { controlMethods, WarmUpProgress } from '../../../protocol/control-methods.ts';
import { type CommandRun, done } from '../command-context.ts';
import { formatBytes, formatMiB } from '../render/quantities.ts';
import { renderGuestLine, renderWorkspace, renderWorkspaces } from '../render/render-status.ts';

export interface CreateOptions {
  readonly disk: string;
  readonly diskFormat?: 'raw' | 'qcow2';
  readonly backingFile?: readonly string[];
  readonly baseMemory?: number;
  readonly maxPluggedMemory?: number;
  readonly maxVcpus?: number;
  readonly mac?: string;
  readonly uuid?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly savedState?: string;
  readonly address?: readonly string[];
  readonly policy?: string;
  readonly cpuModel?: string;
}

export async function createWorkspace(
  run: CommandRun,
  name: string,
  options: CreateOptions,
): Promise<number> {
  const { kernel, initrd, append } = options;
  const params = withoutUndefined({
    name,
    // wdockd has another working directory
    disk: resolve(options.disk),
    diskFormat: options.diskFormat,
    backingFiles: options.backingFile?.map((file) => resolve(file)),
    baseMemoryMiB: options.baseMemory,
    maxPluggedMemoryMiB: options.maxPluggedMemory,
    maxVcpus: options.maxVcpus,
    macAddress: options.mac,
    uuid: options.uuid,
    kernel:
      kernel === undefined || initrd === undefined
        ? undefined
        : { image: resolve(kernel), initrd: resolve(initrd), commandLine: append ?? '' },
    savedState: options.savedState === undefined ? undefined : resolve(options.savedState),
    guestAddresses: options.address === undefined ? undefined : [...options.address],
    policy: options.policy === undefined ? undefined : resolve(options.policy),
    cpuModel: options.cpuModel,
  });
  const {
    status: workspace,
    disk,
    cpuModel,
  } = await run.withDaemon((daemon) => daemon.call('workspace.create', params, { signal: run.signal }));
  run.print(
    { workspace, disk, cpuModel },
    [
      ...renderDisk(disk, options.diskFormat !== undefined),
      cpuModel.detail,
      `${name} is made; start it with \`wdock workspace start ${name}\`.`,
    ].join('\n'),
  );
  return done;
}

export async function listWorkspaces(run: CommandRun): Promise<number> {
  const workspaces = await run.withDaemon((daemon) =>
    daemon.call('workspace.list', {}, { signal: run.signal }),
  );
  run.print({ workspaces }, renderWorkspaces(workspaces, run.terminal.columns));
  return done;
}

export async function showWorkspace(run: CommandRun, name: string): Promise<number> {
  const shown = await run.withDaemon((daemon) =>
    daemon.call('workspace.show', { name }, { signal: run.signal }),
  );
  run.print(shown, renderWorkspace(shown, run.terminal.columns));
  return done;
}

export async function startWorkspace(
  run: CommandRun,
  name: string,
  options: { readonly cpuModel?: string },
): Promise<number> {
  const params = withoutUndefined({ name, cpuModel: options.cpuModel });
  const workspace = await run.withDaemon((daemon) =>
    daemon.call('workspace.start', params, { signal: run.signal }),
  );
  const guest = workspace.guest === undefined ? '' : `: ${renderGuestLine(workspace.guest)}`;
  run.print({ workspace }, `${name} runs${guest}`);
  return done;
}

export async function stopWorkspace(
  run: CommandRun,
  name: string,
  options: { readonly force?: boolean },
): Promise<number> {
  const params = { name, force: options.force === true };
  const workspace = await run.withDaemon((daemon) =>
    daemon.call('workspace.stop', params, { signal: run.signal }),
  );
  run.print({ workspace }, `${name} is stopped.`);
  return done;
}

export async function warmUpWorkspace(run: CommandRun, name: string, device: string): Promise<number> {
  const onProgress = ({ pages, ofPages, wireBytes }: WarmUpProgress) => {
    if (run.json || pages % 4096 !== 0) return;
    run.terminal.err(`  ${pages} of ${ofPages} pages, ${formatBytes(wireBytes)}`);
  };
  const warmUp = await run.withDaemon((daemon) =>
    daemon.call('workspace.warm-up', { name, device }, { signal: run.signal, onProgress }),
  );
  const rest = warmUp.whole ? '' : '; the rest goes with the next dock';
  run.print(
    { warmUp },
    `${warmUp.pages} pages were sent ahead in ${formatBytes(warmUp.wireBytes)}, ${warmUp.known} were there${rest}.`,
  );
  return done;
}

export async function forgetMemory(run: CommandRun, name: string): Promise<number> {
  const { removed } = await run.withDaemon((daemon) =>
    daemon.call('workspace.forget-memory', { name }, { signal: run.signal }),
  );
  run.print(
    { removed: removed ?? null },
    removed === undefined
      ? `Nothing of the memory of ${name} is kept on this device.`
      : `${formatBytes(removed.bytes)} of the memory of ${name} are removed from this device; its next way is a longer one.`,
  );
  return done;
}

export async function forceOwner(run: CommandRun, name: string): Promise<number> {
  const params = { name, iKnowTheOtherCopyIsGone: true } as const;
  const workspace = await run.withDaemon((daemon) =>
    daemon.call('workspace.force-owner', params, { signal: run.signal }),
  );
  run.print(
    { workspace },
    `${name} belongs to this device again (epoch ${workspace.epoch}): ${workspace.state}.`,
  );
  return done;
}

type CreatedDisk = z.output<(typeof controlMethods)['workspace.create']['result']>['disk'];

function renderDisk({ path, format, bytes, backingFiles }: CreatedDisk, formatSaid: boolean): string[] {
  const lines = [`disk: ${path}, ${format}, ${formatMiB(bytes / 2 ** 20)}`];
  if (format === 'raw' && !formatSaid) {
    lines.push(
      '  Its content has no format that QEMU knows: the guest gets the file as it is.',
      '  `--disk-format raw` says that this is meant.',
    );
  }
  return [...lines, ...backingFiles.map((file) => `  backing file: ${file}, which has to stay as it is`)];
}

type WithoutUndefined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Parameters that were not given are left out, not sent as undefined. */
function withoutUndefined<T extends object>(value: T): WithoutUndefined<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, part]) => part !== undefined),
  ) as WithoutUndefined<T>;
}
