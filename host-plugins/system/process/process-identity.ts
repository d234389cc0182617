import { readdir, readFile } from 'node:fs/promises';
import { z } from 'zod';

/**
 * Which process is meant, also after its pid was given to another: a process is ours only when pid, start
 * time and boot are the same *and* its command line is the expected one.
 */
export const ProcessIdentity = z.strictObject({
  format: z.literal(1),
  pid: z.int().min(2),
  /** Field 22 of /proc/PID/stat, clock ticks since boot. */
  startTicks: z.string().regex(/^\d+$/),
  /** /proc/sys/kernel/random/boot_id: start ticks of another boot mean nothing. */
  bootId: z.string(),
});
export type ProcessIdentity = z.infer<typeof ProcessIdentity>;

/** What the command line of a process must look like to be the one that we started. */
export interface CommandMark {
  /** Name of the program without folder. */
  readonly program: string;
  /** Part of one of its arguments, of this process alone: usually a socket's path. */
  readonly marker: string;
}

/** State letter and start time in /proc/PID/stat; the second field may contain spaces and parentheses. */
export function parseStat(stat: string): { state: string; startTicks: string } | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const startTicks = fields[19];
  return state === undefined || startTicks === undefined ? undefined : { state, startTicks };
}

export function matchesMark(commandLine: string, mark: CommandMark): boolean {
  const [program = '', ...args] = commandLine.split('\0');
  const name = program.slice(program.lastIndexOf('/') + 1);
  return name === mark.program && args.some((argument) => argument.includes(mark.marker));
}

/** Identity of a live process with that command line; undefined when there is none with this pid. */
export async function identify(pid: number, mark: CommandMark): Promise<ProcessIdentity | undefined> {
  const stat = parseStat((await readProc(`${pid}/stat`)) ?? '');
  // Z and X are dead: only their parent has not looked yet.
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
  if (!matchesMark((await readProc(`${pid}/cmdline`)) ?? '', mark)) return undefined;
  return { format: 1, pid, startTicks: stat.startTicks, bootId: await readBootId() };
}

/** The process with that command line, if there is one: for when its pid file was never written. */
export async function findByMark(mark: CommandMark): Promise<ProcessIdentity | undefined> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const found = await identify(Number(entry), mark);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function sameProcess(a: ProcessIdentity, b: ProcessIdentity | undefined): boolean {
  return b !== undefined && a.pid === b.pid && a.startTicks === b.startTicks && a.bootId === b.bootId;
}

async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${path}`, 'utf8');
  } catch {
    return undefined; // gone, or another user's: either way not ours
  }
}
