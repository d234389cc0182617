import { readFile } from 'node:fs/promises';
import { parseYaml } from '../../../policies/positioned-yaml/parse-yaml.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { HostProfile } from '../../../protocol/host-profile.ts';

/** Of a link in a file: its addresses are those that the interface has, so the file need not know them. */
export const ProfileDocument = HostProfile.extend({
  links: HostProfile.shape.links.element
    .extend({
      addresses: HostProfile.shape.links.element.shape.addresses.default([]),
    })
    .array(),
});

/**
 * The profile of another computer, which this one pretends to be: always `simulated`. Throws `not-found`, or
 * `config-invalid` with file, line and column of every mistake.
 */
export async function loadProfile(file: string, signal: AbortSignal): Promise<HostProfile> {
  let text: string;
  try {
    text = await readFile(file, { encoding: 'utf8', signal });
  } catch (error) {
    signal.throwIfAborted();
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new DockError(
      missing ? 'not-found' : 'io',
      `the profile ${file} cannot be read: ${DockError.from(error).message}`,
      { cause: error },
    );
  }
  return parseProfile(text, file);
}

export function parseProfile(text: string, file: string): HostProfile {
  return { ...parseYaml(text, file, ProfileDocument, 'the profile').value, simulated: true };
}
