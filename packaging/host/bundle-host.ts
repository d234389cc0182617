import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { DockError } from '../../protocol/dock-error.ts';

const project = join(import.meta.dirname, '../..');

/** Programs of the host side: name of the bundle, and source. The last are what wdockd runs as a child and as threads. */
const programs = {
  wdock: 'host-plugins/cli/main.ts',
  wdockd: 'host-plugins/daemon/main.ts',
  'print-system-facts': 'host-plugins/system/host-inventory/print-system-facts.ts',
  'kept-memory-worker': 'host-plugins/pages/kept/kept-memory-worker.ts',
  'disk-index-worker': 'host-plugins/pages/disk/disk-index-worker.ts',
  'page-worker': 'host-plugins/pages/work/page-worker.ts',
};

/**
 * Writes wdock and wdockd as plain JavaScript, with what they share in files of its own, and returns the folders of the
 * npm packages that are in it. A child's source that is not among the programs is an error: it would be missed at run
 * time only.
 */
export async function bundleHost(folder: string, policyFolder: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: project,
    entryPoints: programs,
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    // Names stay: stack traces in the journal shall say where.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    metafile: true,
    // What dbus-next would use if it were there: file descriptors over D-Bus, and the bus of an X11 session.
    external: ['usocket', 'x11'],
    define: { WDOCK_SHIPPED_POLICIES: JSON.stringify(`${policyFolder}/`) },
    // Of CommonJS packages.
    banner: {
      js: "import{createRequire as requireOfNode}from'node:module';const require=requireOfNode(import.meta.url);",
    },
    logLevel: 'warning',
  });
  const inputs = Object.keys(metafile.inputs);
  await checkChildren(inputs);
  for (const program of Object.keys(programs)) await removeInterpreter(join(folder, `${program}.mjs`));
  return [
    ...new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [])),
  ].sort();
}

async function checkChildren(inputs: readonly string[]): Promise<void> {
  const own = inputs.filter((path) => !path.startsWith('node_modules/') && path.endsWith('.ts'));
  for (const path of own) {
    const text = await readFile(join(project, path), 'utf8');
    for (const [, child = ''] of text.matchAll(
      /new URL\(\s*['`]\.\/([\w/-]+)[^'`]*['`],\s*import\.meta\.url/g,
    )) {
      if (child in programs) continue;
      throw new DockError(
        'internal',
        `${path} finds ${child} beside itself, and the package does not have it: name it in packaging/host/bundle-host.ts`,
      );
    }
  }
}

/** They are run by the package's own Node; `env node` would be another. */
async function removeInterpreter(path: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  if (text.startsWith('#!')) await writeFile(path, text.slice(text.indexOf('\n') + 1));
}
