/** Where things are on the bus. */
export const hostBusName = 'org.wirelessdock.Host1';
export const hostPath = '/org/wirelessdock/Host1';
/** For a property that names an object, and there is none. */
export const noObject = '/';

export const devicePath = (name: string): string => `${hostPath}/devices/${escapeElement(name)}`;
export const workspacePath = (name: string): string => `${hostPath}/workspaces/${escapeElement(name)}`;
export const tripPath = (number: number): string => `${hostPath}/trips/${number}`;

/** Any text as one element of an object path, as sd_bus_path_encode(3) does it: `desk-pc` becomes `desk_2dpc`. */
function escapeElement(text: string): string {
  if (text === '') return '_';
  return [...Buffer.from(text)]
    .map((byte, at) => {
      const character = String.fromCharCode(byte);
      const plain = at === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/;
      return plain.test(character) ? character : `_${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}
