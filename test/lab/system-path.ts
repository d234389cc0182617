/** Where Debian has ip, nft, dnsmasq and mkfs.ext4; the PATH of an ordinary user does not lead there. */
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin'] as const;

/** A PATH that leads to the system's programs as well, after all that it led to before. */
export function withSystemFolders(path = ''): string {
  const folders = path.split(':').filter((folder) => folder !== '');
  return [...folders, ...systemFolders.filter((folder) => !folders.includes(folder))].join(':');
}
