/** Debian release of the guest. */
export const guestSuite = 'trixie';

/** What the guest is made of, beyond the packages every Debian system has. */
export const guestPackages = [
  'systemd',
  'systemd-sysv',
  'libpam-systemd',
  'dbus',
  'dbus-user-session',
  'udev',
  'kmod',
  'linux-image-amd64',
  'initramfs-tools',
  'zstd', // packs the initrd
  'network-manager',
  'power-profiles-daemon', // the agent asks it for the host's power profile
  'mutter',
  'mutter-common-bin', // gdctl, a second reader of what the agent sets
  'libgl1-mesa-dri',
  'libegl-mesa0',
  'foot', // something to see on the screen
  'fonts-dejavu-core',
  'nodejs', // the agent's runtime
  'iproute2',
  'iputils-ping',
  'procps',
] as const;

/** Documentation and translations: half of the files, read by nobody. */
export const guestPathExcludes = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/info/*',
  '/usr/share/locale/*',
] as const;

/** Size of the guest's disk. The file grows only as far as it is filled. */
export const guestDiskMiB = 4096;

/** The user whose session the workspace shows. */
export const guestUser = { name: 'user', uid: 1000 } as const;

/** What the guest writes to its serial line when it has booted and has nothing left to do. */
export const settledLine = 'lab: settled';

/**
 * Kernel command line of the guest, for `-append`.
 * - memory_hotplug, memhp_default_state: added memory becomes usable by itself and stays removable
 * - swiotlb: 64 MiB of a small guest would go into bounce buffers, which virtio devices do not need
 * - fsck.mode: the disk is new, or was left clean by a saved machine
 * - mitigations: an emulated processor has nothing to mitigate, and pays for each
 * - tsc: an emulated one counts evenly, but a busy host makes it look as if it did not; every other clock is a device, whose
 *   reading takes QEMU's lock
 * - noreplace-smp: a kernel that boots on one processor rewrites its locks when it gets a second one, which takes an emulated
 *   one a second and more
 * - preempt: what takes a kernel less than a millisecond takes an emulated processor a hundred, as moving a batch of pages out of
 *   memory that is to leave; programs shall not have to wait for that
 */
export const guestKernelArguments = [
  'root=/dev/vda',
  'rw',
  'console=ttyS0',
  'quiet',
  'fsck.mode=skip',
  'mitigations=off',
  'swiotlb=noforce',
  'tsc=reliable',
  'noreplace-smp',
  'preempt=full',
  'memory_hotplug.online_policy=auto-movable',
  'memhp_default_state=online',
] as const;
