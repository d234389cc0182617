import { readFile } from 'node:fs/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import { runCommand } from '../run-command.ts';

export interface AptSource {
  /** As the sources write it: a code name, or a suite such as `stable`. */
  release: string;
  codename: string;
  uri: string;
}

/** Reads lines of `release codename uri`. A name that apt does not know yet stays unreplaced, and is dropped. */
export function parseAptSources(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const [release, codename, uri] = line.split(' ');
    if (!release || !codename || !uri?.includes(':')) return [];
    return [{ release, codename: codename.startsWith('$') ? '' : codename, uri }];
  });
}

/** The archive that serves a release, by name or by suite. */
export function findArchive(sources: readonly AptSource[], codename: string): string | undefined {
  return sources.find((source) => source.release === codename || source.codename === codename)?.uri;
}

/** The archive this machine gets its own Debian from; it has the guest's release as well. */
export async function readOwnArchive(signal: AbortSignal): Promise<string> {
  const format = '$(RELEASE) $(CODENAME) $(REPO_URI)';
  const list = (form: string) =>
    runCommand(['apt-get', 'indextargets', form, '--format', format, 'Created-By: Packages'], {}, signal);
  // The second form also knows sources whose lists were never read, but of these no code name.
  const sources = parseAptSources((await list('--release-info')) + (await list('--no-release-info')));
  const own = /^VERSION_CODENAME=(\w+)/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? '';
  const archive =
    findArchive(sources, own) ?? findArchive(sources, 'trixie') ?? findArchive(sources, 'bookworm');
  if (archive !== undefined) return archive;
  throw new DockError(
    'missing-dependency',
    'no Debian archive among the package sources in /etc/apt; add one',
  );
}

/** apt's proxy settings, as options for mmdebstrap, which does not read the machine's own. */
export async function readProxyOptions(signal: AbortSignal): Promise<string[]> {
  const argv = [
    'apt-config',
    'dump',
    '--format',
    '%F "%v";%n',
    'Acquire::http::Proxy',
    'Acquire::https::Proxy',
  ];
  const dump = await runCommand(argv, {}, signal);
  return dump.split('\n').flatMap((line) => (/"[^"]+";$/.test(line) ? [`--aptopt=${line}`] : []));
}
