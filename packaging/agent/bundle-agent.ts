import { build, type Plugin } from 'esbuild';
import { DockError } from '../../protocol/dock-error.ts';

/** Larger than this something has come in that does not belong: all of zod's languages, say, are 350 KB. */
const maxBundleBytes = 320 * 1024;

/**
 * What dbus-next requires for things that the agent does not do: reading introspection data, and buses that are
 * reached through a child process. Left out, they save 100 KB and a megabyte of memory.
 */
const leftOut: Plugin = {
  name: 'left-out',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(xml2js|event-stream)$/ }, ({ path }) => ({ path, namespace: 'left-out' }));
    onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
      // The bus constructs a Builder, whether or not it is ever asked to build.
      contents: path === 'xml2js' ? 'exports.Builder = class {}; exports.Parser = class {};' : '',
    }));
  },
};

/** The agent as one CommonJS file that runs on Node 18 (Debian 12's) and later. */
export async function bundleAgent(entry: string, outfile: string, version: string): Promise<void> {
  const { metafile } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node18',
    minify: true,
    // Stack traces in a journal should name functions.
    keepNames: false,
    legalComments: 'none',
    metafile: true,
    external: ['usocket', 'x11'],
    define: { WDOCK_AGENT_VERSION: JSON.stringify(version) },
    plugins: [leftOut],
    logLevel: 'warning',
  });
  const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
  if (bytes > maxBundleBytes) {
    throw new DockError(
      'internal',
      `the agent's bundle has ${bytes} bytes, more than ${maxBundleBytes}; see what came in`,
    );
  }
}
