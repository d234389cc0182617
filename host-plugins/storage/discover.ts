import { DockError } from '../../protocol/dock-error.ts';
import type { PluginAbility } from '../contract/resource-plugin.ts';
import { run } from '../system/process/run.ts';

const limitMs = 15_000;

export async function discoverStorage(signal: AbortSignal): Promise<PluginAbility> {
  const can: string[] = [];
  const cannot: string[] = [];
  const attempt = async (argv: readonly string[], understand: (output: string) => void, what: string) => {
    try {
      understand((await run(argv, { timeoutMs: limitMs, signal })).stdout);
    } catch (error) {
      signal.throwIfAborted();
      cannot.push(`${what}: ${DockError.from(error).message}`);
    }
  };
  await attempt(
    ['qemu-storage-daemon', '--version'],
    (output) => can.push(`serve a home disk to other devices (${output.split('\n')[0]?.trim() ?? ''})`),
    'serve a home disk to other devices',
  );
  await attempt(
    ['qemu-img', '--help'],
    (output) => {
      const formats = parseImageFormats(output);
      for (const format of ['qcow2', 'raw']) {
        if (formats.has(format)) can.push(`keep a home disk as ${format}`);
        else cannot.push(`keep a home disk as ${format}: this QEMU was built without it`);
      }
      if (!formats.has('nbd'))
        cannot.push('reach a home disk on another device: this QEMU has no NBD client');
    },
    'create and check disk images',
  );
  return { can, cannot };
}

/** The names after `Supported formats:` (older) or `Supported image formats:`, up to the next paragraph. */
export function parseImageFormats(help: string): Set<string> {
  const list = /^Supported (?:image )?formats:\s*([\s\S]*?)(?:\n\s*\n|$(?![\s\S]))/m.exec(help)?.[1] ?? '';
  return new Set(list.split(/\s+/).filter((name) => name !== ''));
}
