/**
 * The Debian package that brings a program, for the remedy in an error; programs are named without folder.
 */
const packages: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86 (10.0 or newer; on Debian 12 from bookworm-backports)',
  'qemu-storage-daemon': 'qemu-utils (10.0 or newer; on Debian 12 from bookworm-backports)',
  'qemu-img': 'qemu-utils',
  'dbus-daemon': 'dbus-daemon',
  busctl: 'systemd',
  'systemd-creds': 'systemd',
  'systemd-notify': 'systemd',
  'systemd-inhibit': 'systemd',
  ip: 'iproute2',
  tc: 'iproute2',
  bridge: 'iproute2',
  nft: 'nftables',
  socat: 'socat',
  sysctl: 'procps',
  dnsmasq: 'dnsmasq-base',
};

export function packageOfProgram(program: string): string | undefined {
  const name = program.slice(program.lastIndexOf('/') + 1);
  return Object.hasOwn(packages, name) ? packages[name] : undefined;
}
