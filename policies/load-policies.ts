import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DockError } from '../protocol/dock-error.ts';
import type { DeviceClass } from '../protocol/host-profile.ts';
import { type Policy, parsePolicy } from './language/parse-policy.ts';
import { readText } from './read-text.ts';

declare const WDOCK_SHIPPED_POLICIES: string | undefined;

/** Where the shipped policies are: beside this file in the work tree; in the package where its bundle was told. */
export const shippedPolicies =
  typeof WDOCK_SHIPPED_POLICIES === 'string'
    ? WDOCK_SHIPPED_POLICIES
    : fileURLToPath(new URL('.', import.meta.url));

export interface PolicySources {
  /** Searched in order, then the shipped ones: `<class>.yaml` and `devices/<name>.yaml`, the first found of each. */
  readonly folders: readonly string[];
  readonly deviceClass: DeviceClass;
  readonly deviceName?: string;
  /** The workspace's override; has to exist. */
  readonly workspaceFile?: string;
}

/** The layers for `choose`, weakest first. Throws `config-invalid` for a file with mistakes, `io` for one that cannot be read. */
export async function loadPolicyLayers(sources: PolicySources, signal: AbortSignal): Promise<Policy[]> {
  const { deviceClass, deviceName, workspaceFile } = sources;
  const folders = [...sources.folders, shippedPolicies];
  const layers: Policy[] = [];
  const ofClass = await loadFirst(folders, `${deviceClass}.yaml`, signal);
  if (ofClass === undefined) {
    throw new DockError(
      'not-found',
      `no policy ${deviceClass}.yaml in ${folders.join(', ')}; install the shipped policies again`,
    );
  }
  layers.push(ofClass);
  if (deviceName !== undefined && isFileName(deviceName)) {
    const ofDevice = await loadFirst(folders, join('devices', `${deviceName}.yaml`), signal);
    if (ofDevice !== undefined) layers.push(ofDevice);
  }
  if (workspaceFile !== undefined) layers.push(await loadPolicy(workspaceFile, signal));
  return layers;
}

/** Throws `not-found` where there is no such file, `io` where it cannot be read, `config-invalid` for its mistakes. */
export async function loadPolicy(path: string, signal: AbortSignal): Promise<Policy> {
  const text = await readIfThere(path, signal);
  if (text === undefined) {
    throw new DockError('not-found', `there is no policy file ${path}; create it or remove its name`);
  }
  // The shipped files are known by their names; of every other file the user has to see which one it is.
  return parsePolicy(text, path.startsWith(shippedPolicies) ? basename(path) : path);
}

async function loadFirst(
  folders: readonly string[],
  name: string,
  signal: AbortSignal,
): Promise<Policy | undefined> {
  for (const folder of folders) {
    const path = join(folder, name);
    const text = await readIfThere(path, signal);
    if (text !== undefined) return parsePolicy(text, folder === shippedPolicies ? name : path);
  }
  return undefined;
}

async function readIfThere(path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await readText(path, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof DockError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new DockError('io', `cannot read the policy file ${path}: ${String(cause)}`, { cause });
  }
}

/** A device's name comes from its user; it must not lead out of the folder. */
function isFileName(name: string): boolean {
  return !name.includes('/') && !name.includes('\0') && name !== '..' && name !== '.';
}
