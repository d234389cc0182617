import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const project = join(import.meta.dirname, '../..');

const own = `Wireless Dock+ is copyright 2026 the Wireless Dock+ authors, and licensed under the Apache License, version 2.0.
On Debian systems its text is in /usr/share/common-licenses/Apache-2.0.

/usr/share/wireless-dock/*.mjs are bundled from its sources and from the npm packages that follow.`;

/** The package's copyright file: our licence, Node's, and that of every npm package whose code is in it. */
export async function writeCopyright(packageFolders: readonly string[]): Promise<string> {
  const sections = await Promise.all(packageFolders.map(describePackage));
  return [own, nodeSection(), ...sections].join(`\n\n${'-'.repeat(80)}\n`);
}

function nodeSection(): string {
  const parts = Object.entries(process.versions).filter(([name]) => name !== 'node' && name !== 'modules');
  return `/usr/lib/wireless-dock/node is Node.js ${process.versions.node}, copyright Node.js contributors and Joyent, Inc.
and other Node contributors, under the Expat (MIT) licence, whose text is below with other packages. It contains
${parts.map(([name, version]) => `${name} ${version}`).join(', ')},
each under its own free licence. All of them are in the file LICENSE of the sources of this version of Node.js.`;
}

async function describePackage(folder: string): Promise<string> {
  const path = join(project, folder);
  const { name, version, license } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license?: string;
  };
  const file = (await readdir(path)).find((entry) => /^licen[cs]e(\.(md|txt))?$/i.test(entry));
  const text = file === undefined ? undefined : (await readFile(join(path, file), 'utf8')).trim();
  return `${name} ${version}: ${license ?? 'see below'}\n\n${licenceText(text)}`;
}

/** Debian has the Apache License in one place for all packages. */
function licenceText(text: string | undefined): string {
  if (text === undefined) return 'Its package has no other statement of it.';
  if (!/Apache License\s+Version 2\.0/.test(text)) return text.replaceAll('\r', '');
  const owners = text.split('\n').filter((line) => /^\s*Copyright (\(c\) )?\d{4}/i.test(line));
  return [...owners, 'The text is in /usr/share/common-licenses/Apache-2.0.'].join('\n');
}
