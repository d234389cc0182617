#!/bin/sh
# Boots a system tree: systemd as the first process, in namespaces of its own, with its own network and its own devices.
# Ends when the machine is powered off; when it is killed, everything in the machine ends. Needs root.
#
#   boot-machine.sh <tree> <control group, empty, of the unified hierarchy> <socket in the tree that is told when it is up>
set -eu

if [ "$1" != --inside ]; then
  # The machine sees this group as the root of the hierarchy.
  echo $$ >"$2/cgroup.procs"
  exec unshare --mount --pid --fork --kill-child --net --uts --ipc --cgroup -- sh "$0" --inside "$1" "$3"
fi

tree=$2 told=$3

mount --make-rprivate /
# A chroot is no machine: who makes a mount namespace in it gets a root that is not the root of its mounts.
mount --bind "$tree" "$tree"
cd "$tree"
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,nosuid tmpfs dev
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
mkdir dev/pts dev/shm dev/net
mount -t devpts -o mode=620,ptmxmode=666,newinstance devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
# What it prints there is in its journal, too.
mknod -m 666 dev/console c 1 3
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
mknod -m 666 dev/net/tun c 10 200
if [ -e /dev/vhost-net ]; then mknod -m 660 dev/vhost-net c 10 238; fi
if [ -e /dev/kvm ]; then mknod -m 660 dev/kvm c 10 232; fi

# A LAN that nobody answers on.
ip link set lo up
ip link add eth0 type veth peer name cable0
ip link set cable0 up
ip address add 192.0.2.7/24 dev eth0
ip link set eth0 up
ip route add default via 192.0.2.1

pivot_root . .
umount -l .
cd /
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=wireless-dock-test NOTIFY_SOCKET="$told" /sbin/init
