#!/bin/sh
# Makes a Debian 12 or 13 machine ready to build, test and demonstrate: Node packages, then Debian packages.
# May run any number of times; when nothing is missing it takes a moment and needs no network.
#
#   packaging/setup.sh [--check]     --check changes nothing: exit status 0 when everything is there, 1 when not
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
check=false
case "${1-}" in
  '') ;;
  --check) check=true ;;
  *) echo "usage: $0 [--check]" >&2; exit 2 ;;
esac

# What each package is for. QEMU has a least version, below.
packages='
qemu-system-x86              the machine emulator itself
qemu-utils                   qemu-img and qemu-storage-daemon
qemu-system-modules-opengl   the D-Bus display, ui-dbus.so
mmdebstrap                   the tree of the test guest
patchelf                     the newest QEMU for the test hosts, with the libraries of its own release
e2fsprogs                    the disk of the test guest, mkfs.ext4 -d
uidmap                       building that tree as an ordinary user
iproute2                     namespaces, taps, bridges, traffic shaping
nftables                     NAT and proxy rules of routed networks
dnsmasq-base                 DHCP on the test LAN
fping                        how long the network was silent
iputils-ping                 tests: whether a host answers
swtpm                        contract tests of the private key, with a TPM of their own
tpm2-tools                   those tests: clearing and locking it
openssl                      tests: what a stranger gets of the port for devices
iperf3                       how fast a shaped link really is
util-linux                   unshare, nsenter, flock
dbus-daemon                  the private bus of the display, and buses in tests
dbus-user-session            the bus of a user session
network-manager              contract tests of the network adapter; installed without being started
avahi-daemon                 contract tests of announcements; installed without being started
python3-dbusmock             contract tests of logind
mutter                       contract tests of the display adapter; run headless
socat                        tests: one TCP connection from the LAN to the guest
binutils                     strip, for the package of the host side
lintian                      contract tests of the packages
polkitd                      contract tests of who may do what on the bus
dunst                        contract tests of notifications: a real server of them
xvfb                         the screen it shows them on
udev                         contract tests of the packages: what becomes of a tap
shellcheck                   the shell scripts of this repository
'
# Below 10 a machine with a virtio-mem device loses memory pages when it is moved.
least_qemu=1:10.0

fail() {
  echo "setup: $*" >&2
  exit 1
}

say() {
  echo "setup: $*"
}

work=$(mktemp -d)
blocker=''
clean_up() {
  rm -rf "$work"
  if [ -n "$blocker" ]; then rm -f "$blocker"; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_node_packages() {
  [ -f "$here/package-lock.json" ] || fail "no package-lock.json in $here; run this from a complete checkout"
  installed=$here/node_modules/.package-lock.json
  if [ -f "$installed" ] && [ -z "$(find "$here/package-lock.json" -newer "$installed")" ]; then return; fi
  if $check; then fail 'the Node packages are missing or old; run packaging/setup.sh'; fi
  command -v npm >/dev/null || fail 'npm is missing; install Node.js 20 or later with npm, any way you like'
  say 'installing the Node packages of package-lock.json (about half a minute)'
  (cd "$here" && npm ci --no-audit --no-fund --loglevel=error) || fail 'npm ci failed; its messages are above'
  # npm leaves the old date where nothing changed, and then every run would install again.
  touch "$installed"
}

# Succeeds when the package is installed, QEMU's in a new enough version.
is_installed() {
  version=$(dpkg-query --show --showformat='${db:Status-Abbrev} ${Version}' "$1" 2>/dev/null) || return 1
  case "$version" in
    'ii '*) version=${version##* } ;;
    *) return 1 ;;
  esac
  case "$1" in
    qemu-*) dpkg --compare-versions "$version" ge "$least_qemu" ;;
  esac
}

# The archive this machine uses for its own release, so that nothing here names a mirror.
# Prints the URI of the first source of a release, which the sources may give by name or by suite; nothing if none.
own_archive() {
  # The second form also knows sources whose lists were never read, but of these only what their owner calls the release.
  for form in --release-info --no-release-info; do
    # shellcheck disable=SC2016 # apt replaces these
    apt-get indextargets "$form" --format '$(RELEASE) $(CODENAME) $(REPO_URI)' 'Created-By: Packages'
  done | while read -r release codename uri; do
    if [ "$release" = "$1" ] || [ "$codename" = "$1" ]; then
      echo "$uri"
      break
    fi
  done
}

# Debian 12 has QEMU 7.2; the one needed is in its backports.
add_backports() {
  if [ -n "$(own_archive bookworm-backports)" ]; then return; fi
  archive=$(own_archive bookworm)
  [ -n "$archive" ] || fail 'no source for bookworm in /etc/apt; add bookworm-backports by hand, then run this again'
  say "adding $archive bookworm-backports to the package sources, for QEMU 10"
  cat >/etc/apt/sources.list.d/wireless-dock-backports.sources <<SOURCE
Types: deb
URIs: $archive
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCE
}

# Nothing that is installed here may start, above all not NetworkManager: it would take over this machine's network. Nor at
# the next boot: these two.
forbid_starting() {
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >"$work/policy-rc.d"
    chmod 755 "$work/policy-rc.d"
    blocker=/usr/sbin/policy-rc.d
    cp "$work/policy-rc.d" "$blocker"
  fi
  if ! is_installed network-manager; then mask NetworkManager.service; fi
  if ! is_installed avahi-daemon; then mask avahi-daemon.service avahi-daemon.socket; fi
}

mask() {
  mkdir -p /etc/systemd/system
  for unit in "$@"; do
    if [ ! -e "/etc/systemd/system/$unit" ]; then ln -s /dev/null "/etc/systemd/system/$unit"; fi
  done
}

install_debian_packages() {
  command -v dpkg-query >/dev/null ||
    fail "this is not a Debian system; install by hand:$(echo "$packages" | awk 'NF { printf " %s", $1 }')"
  missing=$(echo "$packages" | while read -r package reason; do
    if [ -n "$package" ] && ! is_installed "$package"; then echo "$package" "$reason"; fi
  done)
  if [ -z "$missing" ]; then return; fi

  say 'these Debian packages are missing or too old:'
  echo "$missing" | while read -r package reason; do printf '  %-28s %s\n' "$package" "$reason"; done
  if $check; then exit 1; fi
  if [ "$(id -u)" -ne 0 ]; then fail "run this once as root:  sudo $here/packaging/setup.sh"; fi

  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
  target=''
  case "$codename" in
    bookworm)
      add_backports
      target=--target-release=bookworm-backports
      ;;
    trixie | forky | sid) ;;
    *) say "this is neither Debian 12 nor 13 but \"$codename\"; going on with its own packages" ;;
  esac

  say 'reading the package lists'
  if ! apt-get update --quiet --quiet 2>"$work/update"; then
    cat "$work/update" >&2
    say 'not every package source could be read; going on with those that could'
  fi

  forbid_starting
  qemu=''
  others=''
  for package in $(echo "$missing" | awk '{ print $1 }'); do
    case "$package" in
      qemu-*) qemu="$qemu $package" ;;
      *) others="$others $package" ;;
    esac
  done
  # QEMU last: where it comes from backports it brings libraries from there, but only such as are not installed yet.
  # The other way round, mutter does not fit the libraries that came with QEMU.
  # shellcheck disable=SC2086
  if [ -n "$others" ]; then install '' $others; fi
  # shellcheck disable=SC2086
  if [ -n "$qemu" ]; then install "$target" $qemu; fi

  for package in $(echo "$missing" | awk '{ print $1 }'); do
    is_installed "$package" || fail "$package is still missing or too old; see apt-cache policy $package"
  done
}

# install <apt option or ''> <package>...
install() {
  option=$1
  shift
  say "installing $*"
  DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 ${option:+"$option"} "$@" >"$work/install" 2>&1 || {
    tail -n 30 "$work/install" >&2
    fail 'apt-get could not install them; its last lines are above'
  }
}

install_node_packages
install_debian_packages
if ! $check; then say 'everything needed is installed'; fi
