#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The Debian package in a system of its own: it builds, passes lintian, installs beside nothing else, serves, is
# upgraded and removed, and a purge leaves nothing behind. As root, with debootstrap: `make check-package`.
# SUITE chooses the release (bookworm); the systems are made once and kept: PACKAGE_CHROOT, where it is installed, and
# for another release than this machine's PACKAGE_BUILDER, where it is built.
set -eu
here=$(sed -n s/^VERSION_CODENAME=//p /etc/os-release)
suite=${SUITE:-$here}
work=${PACKAGE_WORK:-$PWD/package-work}
root=${PACKAGE_CHROOT:-$work/$suite}
builder=${PACKAGE_BUILDER:-$work/$suite-builder}
source=$(cd "${srcdir:-.}" && pwd)

say() {
	echo "== $*"
}

leave() {
	for system in "$root" "$builder"; do
		! mountpoint -q "$system/proc" || umount "$system/proc"
		! mountpoint -q "$system" || umount "$system"
	done
}

make_system() {
	[ -d "$1/var/lib/dpkg" ] || { say "make a system: $suite"; debootstrap --variant=minbase "$suite" "$1" >/dev/null; }
	mountpoint -q "$1" || mount --bind "$1" "$1" # for unshare(1) in it
	mountpoint -q "$1/proc" || mount -t proc proc "$1/proc"
	chmod 1777 "$1/dev/shm" # Squid 6 needs it
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod +x "$1/usr/sbin/policy-rc.d"
}

within() {
	system=$1
	shift
	chroot "$system" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

inside() {
	within "$root" "$@"
}

# In the folder /build of the builder, with what debian/control names.
build_elsewhere() {
	make_system "$builder"
	within "$builder" apt-get -qq update
	rm -rf "$builder/build"
	cp -r "$work/build" "$builder/build"
	within "$builder" sh -c "apt-get -qq -y --no-install-recommends install lintian fakeroot dpkg-dev &&
		apt-get -qq -y --no-install-recommends build-dep /build/bobtail" >"$work/apt.log" 2>&1 || { tail "$work/apt.log"; exit 1; }
	within "$builder" sh -c "cd /build/bobtail && DEB_BUILD_OPTIONS='${DEB_BUILD_OPTIONS:-}' dpkg-buildpackage -us -uc -b"
	cp "$builder"/build/*.deb "$builder"/build/*.changes "$builder"/build/*.buildinfo "$work/build"
}

build_here() {
	(cd "$work/build/bobtail" && DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-} dpkg-buildpackage -us -uc -b)
}

build() {
	how=build_here
	[ "$suite" = "$here" ] || how=build_elsewhere
	say "build a package for $suite"
	rm -rf "$work/build"
	mkdir -p "$work/build/bobtail"
	git -C "$source" archive HEAD | tar -x -C "$work/build/bobtail"
	$how >"$work/build.log" 2>&1 || { tail -30 "$work/build.log"; exit 1; }
	if [ $how = build_here ]; then
		complaints=$(lintian --allow-root "$work"/build/*.changes)
	else
		complaints=$(within "$builder" sh -c 'lintian --allow-root /build/*.changes')
	fi
	[ -z "$complaints" ] || { echo "$complaints"; exit 1; }
}

put_packages() {
	mkdir -p "$root/packages"
	rm -f "$root"/packages/*.deb
	cp "$work"/build/*.deb "$root/packages"
	cp -r "$source/debian/tests" "$root/packages"
	mkdir -p "$root/packages/tests/e2e/operation" "$root/packages/tests/support"
	cp "$source/tests/e2e/operation/takeover_test.py" "$root/packages/tests/e2e/operation"
	cp "$source/tests/support/bobtail.py" "$source/tests/support/load.py" "$root/packages/tests/support"
}

# What has our name outside the package's own folder.
left_over() {
	find "$root" -xdev \( -path "$root/packages" -o -path "$root/var/log/apt" -o -path "$root/var/log/dpkg.log" \) -prune \
		-o -name '*bobtail*' -print
}

trap leave EXIT
build
make_system "$root"
put_packages
inside apt-get -qq update
inside apt-get -qq -y --no-install-recommends install curl python3 sqlite3 >/dev/null 2>&1

say "install"
package=/packages/$(cd "$root/packages" && echo bobtail_*.deb)
inside apt-get -qq -y --no-install-recommends install "$package" >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
inside bobtail -k parse 2>/dev/null
say "serve"
inside sh /packages/tests/serves >"$work/serves.log" 2>&1 || { cat "$work/serves.log"; exit 1; }

say "in the place of Squid, and back, while clients ask: no request fails"
inside apt-get -qq -y --no-install-recommends install squid >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
inside sh -c 'cd /usr/sbin && BOBTAILCTL=/usr/bin/bobtailctl python3 /packages/tests/e2e/operation/takeover_test.py' >"$work/takeover.log" 2>&1 ||
	{ cat "$work/takeover.log"; exit 1; }
rm -f "$root"/tmp/bobtail-ports.* # the test's own
grep requests: "$work/takeover.log" # skipped is a failure here
inside apt-get -qq -y --auto-remove purge squid >/dev/null 2>&1

say "upgrade: the configuration that was changed stays"
echo '# mine' >>"$root/etc/bobtail/bobtail.conf"
inside dpkg -i --force-confold "$package" >/dev/null 2>&1
tail -1 "$root/etc/bobtail/bobtail.conf" | grep -qx '# mine'
inside sh /packages/tests/serves >"$work/serves.log" 2>&1 || { cat "$work/serves.log"; exit 1; }

say "Squid's names"
inside sh -c 'dpkg -i /packages/bobtail-squid_*.deb' >/dev/null
inside squid -k parse 2>/dev/null
inside dpkg -r bobtail-squid >/dev/null
[ ! -e "$root/usr/sbin/squid" ]

say "remove, purge: nothing is left"
inside dpkg -r bobtail >/dev/null
[ -e "$root/etc/bobtail/bobtail.conf" ]
inside dpkg -P bobtail bobtail-squid >/dev/null
left=$(left_over)
[ -z "$left" ] || { echo "$left"; exit 1; }
say "all is well"
