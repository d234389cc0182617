#!/bin/sh
# Makes the guest's disk, kernel and initrd from the base tree, the lab's configuration and the agent's package.
# Runs as root in a mount and PID namespace of its own, so that nothing it mounts or starts outlives it.
#
#   assemble-image.sh <base.tar> <guest folder> <programs folder> <agent .deb, or "none"> <disk MiB> <output folder>
set -eu

base=$1 guest=$2 programs=$3 agent=$4 disk_mib=$5 out=$6
root=$out/root

step() { echo "step: $1"; }

step 'unpacking the base tree'
mkdir -p "$root"
# Without the device nodes, which only the machine's own root may make; the guest's kernel makes them when it boots.
tar --extract --file="$base" --directory="$root" --exclude='./dev/*' --numeric-owner --xattrs --xattrs-include='*'

step 'configuring the guest'
cp --recursive --no-target-directory "$guest" "$root"
cp "$programs"/*.mjs "$root/usr/local/lib/wireless-dock-lab/"
# A checkout has the modes of whoever made it; NetworkManager ignores profiles that others may read.
(cd "$guest" && find . -mindepth 1) | while read -r path; do
  chown --no-dereference 0:0 "$root/$path"
  if [ -d "$root/$path" ] || [ -x "$root/$path" ]; then chmod 755 "$root/$path"; else chmod 644 "$root/$path"; fi
done
chmod 600 "$root"/etc/NetworkManager/system-connections/*

mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
in_guest() { DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin chroot "$root" "$@"; }

in_guest useradd --create-home --shell /bin/bash --uid 1000 --groups video,render,input user
in_guest passwd --quiet --delete user
in_guest passwd --quiet --delete root
printf '127.0.0.1 localhost\n127.0.1.1 workspace\n' >"$root/etc/hosts"
: >"$root/etc/machine-id"
ln --symbolic --force /run/NetworkManager/resolv.conf "$root/etc/resolv.conf"

in_guest systemctl --quiet enable NetworkManager.service lab-desktop.service lab-verify.service lab-background.service \
  lab-peer.socket lab-settled.path
in_guest systemctl --quiet set-default multi-user.target
# What a machine that is never installed on, never updated and never asked for its logs has no use for.
in_guest systemctl --quiet mask \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  man-db.timer NetworkManager-wait-online.service NetworkManager-dispatcher.service getty@tty1.service \
  systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-tpm2-setup.service systemd-tpm2-setup-early.service \
  systemd-firstboot.service ldconfig.service systemd-journal-catalog-update.service systemd-update-done.service \
  systemd-hwdb-update.service systemd-binfmt.service kmod-static-nodes.service systemd-boot-random-seed.service
# One terminal is shown; the server for many is started by every graphical session, and never used.
in_guest systemctl --quiet --global mask foot-server.service foot-server.socket

if [ "$agent" != none ]; then
  step 'installing the guest agent'
  cp "$agent" "$root/tmp/agent.deb"
  in_guest dpkg --install /tmp/agent.deb
fi

step 'making the initrd'
in_guest update-initramfs -u -k all
cp --dereference "$root/vmlinuz" "$out/vmlinuz"
cp --dereference "$root/initrd.img" "$out/initrd"

umount "$root/tmp" "$root/proc"
# As one: in a user namespace the mounts below it may not be undone one by one.
umount --lazy "$root/dev"
rm -rf "${root:?}"/boot/* "$root/vmlinuz" "$root/initrd.img" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*

step 'filling the disk'
# Everything is written now, or the guest's kernel would go on initialising inode tables for minutes.
mkfs.ext4 -q -F -L workspace -d "$root" -E lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0 "$out/disk.raw" "${disk_mib}M"
rm -rf --one-file-system "$root"
qemu-img convert -W -f raw -O qcow2 -o preallocation=off "$out/disk.raw" "$out/disk.qcow2"
rm "$out/disk.raw"
