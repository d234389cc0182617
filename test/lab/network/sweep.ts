import { readlinkSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { runCommand } from '../run-command.ts';

/** What a run leaves on disk while it lives, so that a later one can clean up if it was killed. */
const RunRecord = z.strictObject({
  label: z.string(),
  /** The process that owns the run, and when it started, in the kernel's ticks: a number alone may come again. */
  owner: z.int(),
  ownerStarted: z.string(),
  namespaces: z.array(z.int()),
});
export type RunRecord = z.infer<typeof RunRecord>;

/** Of `ip -json link show dev lo`. */
const Loopback = z.tuple([z.object({ ifalias: z.string().optional() })]);

/**
 * One folder for each user and PID namespace, in which alone the numbers of the owners mean anything. A run inside
 * test/lab/as-lab-root.ts has its own; what it leaves dies with its PID namespace.
 */
const recordFolderStart = `wireless-dock-lab-${process.getuid?.() ?? 0}-`;
const recordFolder = join(
  tmpdir(),
  `${recordFolderStart}${/\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0]}`,
);

/** Where a run keeps files while it lives; short, for sockets may be in it. Removed with the run, or by a sweep. */
export function runFolder(label: string): string {
  return join(tmpdir(), label);
}

export async function recordRun(label: string, namespaces: number[]): Promise<void> {
  const ownerStarted = (await processStarted(process.pid)) ?? '';
  const record: RunRecord = { label, owner: process.pid, ownerStarted, namespaces };
  await mkdir(runFolder(label), { mode: 0o700 });
  const writeRecord = async (): Promise<void> => {
    await mkdir(recordFolder, { recursive: true, mode: 0o700 });
    await writeFile(join(recordFolder, `${label}.json`), JSON.stringify(record));
  };
  // Another run may end in between, and find the folder empty; then it is made once more.
  await writeRecord().catch(writeRecord);
}

export async function forgetRun(label: string): Promise<void> {
  await rm(runFolder(label), { recursive: true, force: true });
  await rm(join(recordFolder, `${label}.json`), { force: true });
  await removeEmptyFolders();
}

/** Also those of PID namespaces that are gone: nobody else comes by. One with a record in it stays. */
async function removeEmptyFolders(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(recordFolderStart)))
    await rmdir(join(tmpdir(), name)).catch(() => undefined);
}

/** Ends what runs of dead owners left behind. Returns their labels. */
export async function sweepDeadRuns(): Promise<string[]> {
  const swept: string[] = [];
  for (const name of await readdir(recordFolder).catch(() => [])) {
    const path = join(recordFolder, name);
    const parsed = RunRecord.safeParse(parseJson(await readFile(path, 'utf8').catch(() => '')));
    if (!parsed.success) continue;
    const { label, owner, ownerStarted, namespaces } = parsed.data;
    if ((await processStarted(owner)) === ownerStarted) continue;
    await killNamespaceProcesses(namespaces, label);
    await forgetRun(label);
    swept.push(label);
  }
  return swept;
}

/**
 * Kills every process inside these namespaces, and returns when they are gone. A number of a namespace
 * can come again once it is gone, so each is asked for its label before anything in it is touched.
 */
export async function killNamespaceProcesses(inodes: readonly number[], label: string): Promise<void> {
  const deadline = AbortSignal.timeout(10_000);
  const labels = new Map<number, string>();
  for (;;) {
    const victims: number[] = [];
    let unknown = 0;
    for (const { pid, inode } of await listNamespaceProcesses(inodes)) {
      const found = labels.get(inode) ?? (await labelOf(pid, deadline));
      if (found === undefined) unknown++;
      else labels.set(inode, found);
      if (found === label) victims.push(pid);
    }
    if (victims.length + unknown === 0) return;
    for (const pid of victims) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone by itself since it was listed.
      }
    }
    // There is nothing to wait on for a process that is not our child; the kernel needs a moment to reap it.
    await sleep(20, undefined, { signal: deadline });
  }
}

async function listNamespaceProcesses(inodes: readonly number[]): Promise<{ pid: number; inode: number }[]> {
  const links = new Map(inodes.map((inode) => [`net:[${inode}]`, inode]));
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const found = await Promise.all(
    // A zombie has no namespaces any more, so one whose parent is slow to reap is not waited for.
    pids.map(async (pid) => ({
      pid,
      inode: links.get(await readlink(`/proc/${pid}/ns/net`).catch(() => '')),
    })),
  );
  return found.filter((entry): entry is { pid: number; inode: number } => entry.inode !== undefined);
}

/** What its network namespace is called; undefined where it has ended meanwhile. */
async function labelOf(pid: number, signal: AbortSignal): Promise<string | undefined> {
  const argv = ['nsenter', `--target=${pid}`, '--net', 'ip', '-json', 'link', 'show', 'dev', 'lo'];
  const shown = await runCommand(argv, {}, signal).catch(() => undefined);
  if (shown === undefined) return undefined;
  const [loopback] = Loopback.parse(JSON.parse(shown));
  return loopback.ifalias ?? '';
}

/** When a process started, in the kernel's ticks since boot; undefined when it is not there (or only a zombie). */
async function processStarted(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // The name, in parentheses, may hold spaces; after it come state (field 3) to start time (field 22).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
