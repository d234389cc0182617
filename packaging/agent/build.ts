import { execFile } from 'node:child_process';
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { agentShape, sessionShape } from '../../guest-agent/dbus/agent-interface.ts';
import { describeInterfaceFile } from '../../guest-agent/dbus/dbus-interface.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { bundleAgent } from './bundle-agent.ts';

const run = promisify(execFile);
const here = import.meta.dirname;
const project = join(here, '../..');
const name = 'wireless-dock-agent';
/** Of every file in the package, so that the same sources make the same package (reproducible-builds.org). */
const defaultEpochS = 1_735_689_600;

/**
 * Makes the guest agent's Debian package and returns its path and version. The same sources make the same bytes:
 * what is built from it can be cached by its content.
 */
export async function buildAgentPackage(
  outputFolder = join(project, 'dist'),
): Promise<{ path: string; version: string }> {
  const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8')) as {
    version: string;
  };
  const tree = await mkdtemp(join(tmpdir(), `${name}-`));
  try {
    await fillTree(tree, version);
    await normalise(tree);
    await mkdir(outputFolder, { recursive: true });
    const path = join(outputFolder, `${name}_${version}_all.deb`);
    // Another build may be reading the last one.
    const unfinished = `${path}.${process.pid}`;
    await makeDeb(tree, unfinished);
    await rename(unfinished, path);
    return { path, version };
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

async function fillTree(tree: string, version: string): Promise<void> {
  const place = async (source: string, target: string): Promise<void> => {
    await mkdir(join(tree, target, '..'), { recursive: true });
    await cp(join(here, source), join(tree, target));
  };
  const write = async (target: string, text: string): Promise<void> => {
    await mkdir(join(tree, target, '..'), { recursive: true });
    await writeFile(join(tree, target), text);
  };
  await bundleAgent(join(project, 'guest-agent/main.ts'), join(tree, `usr/lib/${name}/agent.cjs`), version);
  await place('wdock-agent', 'usr/bin/wdock-agent');
  await place(`${name}.service`, `usr/lib/systemd/system/${name}.service`);
  await place(`${name}-session.service`, `usr/lib/systemd/user/${name}-session.service`);
  await place('org.wirelessdock.Agent1.conf', 'usr/share/dbus-1/system.d/org.wirelessdock.Agent1.conf');
  for (const shape of [agentShape, sessionShape])
    await write(`usr/share/dbus-1/interfaces/${shape.name}.xml`, describeInterfaceFile(shape));
  await place('copyright', `usr/share/doc/${name}/copyright`);
  for (const script of ['postinst', 'prerm', 'postrm']) await place(script, `DEBIAN/${script}`);
  await write(
    'DEBIAN/control',
    (await readFile(join(here, 'control'), 'utf8')).replace('@VERSION@', version),
  );
}

/** Modes and times by rule instead of by checkout. */
async function normalise(tree: string): Promise<void> {
  const epochS = Number(process.env['SOURCE_DATE_EPOCH'] ?? defaultEpochS);
  for (const entry of ['', ...(await readdir(tree, { recursive: true }))]) {
    const path = join(tree, entry);
    const isProgram = /^(usr\/bin\/|DEBIAN\/(postinst|prerm|postrm)$)/.test(entry);
    await chmod(path, (await stat(path)).isDirectory() || isProgram ? 0o755 : 0o644);
    await utimes(path, epochS, epochS);
  }
}

async function makeDeb(tree: string, path: string): Promise<void> {
  const env = {
    ...process.env,
    SOURCE_DATE_EPOCH: process.env['SOURCE_DATE_EPOCH'] ?? String(defaultEpochS),
  };
  try {
    await run('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, path], { env });
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw missing
      ? new DockError(
          'missing-dependency',
          'dpkg-deb is not there; the agent is packaged on Debian (apt install dpkg)',
        )
      : new DockError('io', `dpkg-deb could not make ${path}`, { cause: error });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { path } = await buildAgentPackage(process.argv[2]);
  process.stdout.write(`${path}\n`);
}
