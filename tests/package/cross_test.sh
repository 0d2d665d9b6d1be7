#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The Debian packages for the processors of small boards: cross_test.sh ARCHITECTURE... (armhf, arm64). They are built
# here without a warning, the unit tests run with qemu, lintian has nothing to say; then they are installed in a
# system of that architecture, and serve. As root, with debootstrap, on amd64; the systems are made once and kept:
# CROSS_CHROOT, the one with the compilers, and beside it one for each architecture.
set -eu
suite=bookworm
work=${CROSS_WORK:-$PWD/cross-work}
root=${CROSS_CHROOT:-$work/$suite}
source=$(cd "${srcdir:-.}" && pwd)
binfmt=/proc/sys/fs/binfmt_misc

say() {
	echo "== $*"
}

within() {
	system=$1
	shift
	chroot "$system" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

inside() {
	within "$root" "$@"
}

# Runs what follows the name of a log; prints the log's end when that fails.
logged() {
	log=$work/$1
	shift
	"$@" >"$log" 2>&1 || { tail -30 "$log"; exit 1; }
}

install() {
	logged apt.log inside apt-get -qq -y --no-install-recommends install "$@"
}

leave() {
	for system in "$root" "$root"-armhf "$root"-arm64; do
		! mountpoint -q "$system/proc" || umount "$system/proc"
	done
}

make_system() {
	mkdir -p "$work"
	[ -d "$root/var/lib/dpkg" ] || logged debootstrap.log debootstrap --variant=minbase "$suite" "$root"
	mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
	mountpoint -q "$binfmt" || mount -t binfmt_misc none "$binfmt"
	grep -qw localhost "$root/etc/hosts" 2>/dev/null || echo '127.0.0.1 localhost' >>"$root/etc/hosts"
	for architecture; do
		inside dpkg --add-architecture "$architecture"
	done
	inside apt-get -qq update
	install dpkg-dev fakeroot lintian qemu-user-static sqlite3
}

# Programs of this architecture run as any other, those in the system too (flag F).
emulate() {
	name=$(case $1 in armhf) echo qemu-arm ;; arm64) echo qemu-aarch64 ;; esac)
	[ ! -e "$binfmt/$name" ] || return 0
	sed "s|/usr/libexec/qemu-binfmt/[^:]*|$root/usr/bin/$name-static|" "$root/usr/lib/binfmt.d/$name.conf" >"$binfmt/register"
}

# dpkg-buildpackage runs the unit tests, as debian/rules has it, with qemu here.
build() {
	architecture=$1 build=/source-$1
	rm -rf "${root:?}$build"
	mkdir "$root$build"
	git -C "$source" archive --prefix=bobtail/ HEAD | tar -x -C "$root$build"
	install "crossbuild-essential-$architecture"
	logged apt.log inside apt-get -qq -y --no-install-recommends -a "$architecture" build-dep "$build/bobtail"
	say "$architecture: build, unit tests"
	logged "$architecture-build.log" inside sh -c "cd $build/bobtail &&
		DEB_BUILD_OPTIONS='${DEB_BUILD_OPTIONS:-parallel=$(nproc)}' dpkg-buildpackage -a$architecture -us -uc -b"
	grep -E '^# (PASS|FAIL)' "$work/$architecture-build.log" || say "without unit tests"
	! grep -E '^[^ ]+\.[ch]:.*warning:' "$work/$architecture-build.log" || exit 1
	complaints=$(inside sh -c "lintian --allow-root $build/*.changes")
	[ -z "$complaints" ] || { echo "$complaints"; exit 1; }
}

serve() {
	architecture=$1 system=$root-$1
	[ -d "$system/var/lib/dpkg" ] ||
		logged "debootstrap-$architecture.log" debootstrap --variant=minbase --arch="$architecture" "$suite" "$system"
	mountpoint -q "$system/proc" || mount -t proc proc "$system/proc"
	printf '#!/bin/sh\nexit 101\n' >"$system/usr/sbin/policy-rc.d"
	chmod +x "$system/usr/sbin/policy-rc.d"
	rm -rf "$system/packages"
	mkdir "$system/packages"
	cp "$root/source-$architecture"/*.deb "$system/packages"
	cp -r "$source/debian/tests" "$system/packages"
	say "$architecture: install, serve, purge"
	logged "$architecture-serve.log" within "$system" sh -ec "apt-get -qq update
		apt-get -qq -y --no-install-recommends install curl python3 sqlite3
		apt-get -qq -y --no-install-recommends install /packages/bobtail_*_$architecture.deb
		sh /packages/tests/serves
		dpkg -P bobtail"
}

for architecture; do
	case $architecture in
	armhf | arm64) ;;
	*) echo "cross_test.sh: unknown architecture $architecture" >&2; exit 1 ;;
	esac
done
trap leave EXIT
make_system "$@"
for architecture; do
	emulate "$architecture"
	build "$architecture"
	serve "$architecture"
done
say "all is well"
