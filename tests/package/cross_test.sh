#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Builds for the processors of small boards without a warning, and runs the unit tests with qemu: cross_test.sh
# ARCHITECTURE... (armhf, arm64). As root, with debootstrap, on amd64; the system with the compilers is made once and
# kept in CROSS_CHROOT.
set -eu
work=${CROSS_WORK:-$PWD/cross-work}
root=${CROSS_CHROOT:-$work/bookworm}
source=$(cd "${srcdir:-.}" && pwd)
libraries='libc-ares-dev libcmocka-dev libcrypt-dev libgnutls28-dev libnghttp2-dev libpcre2-dev libsqlite3-dev
libxxhash-dev zlib1g-dev libbrotli-dev'
binfmt=/proc/sys/fs/binfmt_misc

inside() {
	chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

install() {
	inside apt-get -qq -y --no-install-recommends install "$@" >"$work/apt.log" 2>&1 || { tail "$work/apt.log"; exit 1; }
}

triplet_of() {
	case $1 in
	armhf) echo arm-linux-gnueabihf ;;
	arm64) echo aarch64-linux-gnu ;;
	*) echo "cross_test.sh: unknown architecture $1" >&2; exit 1 ;;
	esac
}

make_system() {
	mkdir -p "$work"
	[ -d "$root/var/lib/dpkg" ] || debootstrap --variant=minbase bookworm "$root" >"$work/debootstrap.log"
	mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
	mountpoint -q "$binfmt" || mount -t binfmt_misc none "$binfmt"
	grep -qw localhost "$root/etc/hosts" 2>/dev/null || echo '127.0.0.1 localhost' >>"$root/etc/hosts"
	for architecture; do
		inside dpkg --add-architecture "$architecture"
	done
	inside apt-get -qq update
	install make pkgconf python3 qemu-user-static sqlite3
}

# Programs of this architecture run as any other, those in the system too (flag F).
emulate() {
	name=$(case $1 in armhf) echo qemu-arm ;; arm64) echo qemu-aarch64 ;; esac)
	[ ! -e "$binfmt/$name" ] || return 0
	sed "s|/usr/libexec/qemu-binfmt/[^:]*|$root/usr/bin/$name-static|" "$root/usr/lib/binfmt.d/$name.conf" >"$binfmt/register"
}

check() {
	architecture=$1 triplet=$(triplet_of "$1") packages=
	for library in $libraries; do
		packages="$packages $library:$architecture"
	done
	# shellcheck disable=SC2086
	install "crossbuild-essential-$architecture" $packages
	rm -rf "$root/source-$architecture"
	git -C "$source" archive --prefix="source-$architecture/" HEAD | tar -x -C "$root"
	(cd "$root/source-$architecture" && autoreconf -fi >/dev/null 2>&1)
	echo "== $architecture: build"
	inside sh -c "cd /source-$architecture && ./configure -q --host=$triplet PKG_CONFIG=$triplet-pkg-config --enable-werror &&
		make -j2 && make -j2 check TESTS=" >"$work/$architecture-build.log" 2>&1 ||
		{ tail -30 "$work/$architecture-build.log"; exit 1; }
	emulate "$architecture"
	echo "== $architecture: unit tests"
	inside sh -c "cd /source-$architecture && make check-unit" >"$work/$architecture.log" 2>&1 ||
		{ grep -E '^(FAIL|ERROR):' "$work/$architecture.log"; exit 1; }
	grep -E '^# (PASS|FAIL)' "$work/$architecture.log"
}

make_system "$@"
trap 'umount "$root/proc"' EXIT
for architecture; do
	check "$architecture"
done
