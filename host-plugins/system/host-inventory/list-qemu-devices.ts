import { DockError } from '../../../protocol/dock-error.ts';
import { run } from '../process/run.ts';

export type QemuDevices =
  | { readonly found: true; readonly names: ReadonlySet<string> }
  | { readonly found: false; readonly why: string };

const limitMs = 15_000;

/** The device models that the installed QEMU has; modules that are packaged apart can be missing from it. */
export async function listQemuDevices(signal: AbortSignal): Promise<QemuDevices> {
  try {
    const argv = ['qemu-system-x86_64', '-device', 'help'];
    const { stdout } = await run(argv, { timeoutMs: limitMs, signal });
    return { found: true, names: parseDeviceHelp(stdout) };
  } catch (error) {
    signal.throwIfAborted();
    return { found: false, why: DockError.from(error).message };
  }
}

/** Lines are of the form `name "virtio-mem-pci", bus PCI`. */
export function parseDeviceHelp(text: string): Set<string> {
  return new Set([...text.matchAll(/^name "([^"]+)"/gm)].flatMap((match) => match[1] ?? []));
}
