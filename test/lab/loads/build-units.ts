import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadFolder, type Pace } from './load-names.ts';

/** Text in many files, which every Debian system has. */
const sourceFolder = '/usr/share';
const objectFolder = join(loadFolder, 'lab-build');
const smallest = 2 * 1024;
const largest = 64 * 1024;
const unitsPerProgram = 100;
const restMs = 100;

/** Reads a source, takes it to pieces, writes an object: each unit a few short-lived processes, as a compiler's is. */
const compile = 'mawk \'{ for (at = 1; at <= NF; at++) print $at }\' "$1" | sort -u | gzip -1 >"$2"';
/** All objects into one file, and from it a smaller one. */
const link = 'cat "$1"/*.o >"$1/program" && gzip -1 <"$1/program" >"$1/package"';

/** Builds one unit after the other, and a program of each hundred, over and over. */
export async function buildUnits(pace: Pace, onUnit: () => void): Promise<void> {
  const sources = readdirSync(sourceFolder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => isBetween(statSync(path).size));
  mkdirSync(objectFolder, { recursive: true });
  for (let unit = 0; sources.length > 0; unit++) {
    const source = sources[unit % sources.length] as string;
    await shell(compile, source, `${objectFolder}/${unit % unitsPerProgram}.o`);
    onUnit();
    if (unit % unitsPerProgram === unitsPerProgram - 1) await shell(link, objectFolder);
    await sleep(restMs / pace.speed);
  }
}

function isBetween(bytes: number): boolean {
  return bytes >= smallest && bytes <= largest;
}

async function shell(script: string, ...args: string[]): Promise<void> {
  await once(spawn('sh', ['-c', script, 'sh', ...args], { stdio: 'ignore' }), 'close');
}
