/**
 * The systemd unit of a mount point, as `systemd-escape --path --suffix=mount` names it (systemd.unit(5), "String
 * Escaping for Inclusion in Unit Names"); undefined for the root, which nobody can take away, and for what is no path.
 */
export function mountUnit(path: string): string | undefined {
  const words = path.split('/').filter((word) => word !== '');
  if (!path.startsWith('/') || words.length === 0 || words.includes('..') || words.includes('.')) {
    return undefined;
  }
  const escaped = words.map((word) =>
    [...new TextEncoder().encode(word)].map((byte) => escapeByte(byte)).join(''),
  );
  return `${escaped.join('-').replace(/^\./, '\\x2e')}.mount`;
}

function escapeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[A-Za-z0-9:_.]/.test(character) ? character : `\\x${byte.toString(16).padStart(2, '0')}`;
}
