/** A NetworkManager of its own for a test: only the profiles that it is given, and no word to the world outside. */
export const managerConfig = `[main]
plugins=keyfile
no-auto-default=*
dhcp=internal
auth-polkit=false
rc-manager=unmanaged
[connectivity]
enabled=false
`;
