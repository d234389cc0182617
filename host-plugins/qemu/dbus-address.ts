/**
 * The address of a bus on a unix socket; bytes that the D-Bus specification does not take plain are escaped.
 */
export function dbusUnixAddress(path: string): string {
  const escaped = encodeURIComponent(path)
    .replaceAll('%2F', '/')
    .replace(/[!~'()]/g, hexEscape);
  return `unix:path=${escaped}`;
}

function hexEscape(character: string): string {
  return `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
