#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The Debian package in a system of its own: it builds, passes lintian, installs beside nothing else, serves, is
# upgraded and removed, and a purge leaves nothing behind. As root, with debootstrap: `make check-package`.
# SUITE chooses the release (bookworm); the system is made once and kept in PACKAGE_CHROOT.
set -eu
suite=${SUITE:-bookworm}
work=${PACKAGE_WORK:-$PWD/package-work}
root=${PACKAGE_CHROOT:-$work/$suite}
source=$(cd "${srcdir:-.}" && pwd)

say() {
	echo "== $*"
}

build() {
	say "build a package"
	rm -rf "$work/build"
	mkdir -p "$work/build/bobtail"
	git -C "$source" archive HEAD | tar -x -C "$work/build/bobtail"
	(cd "$work/build/bobtail" && DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-} dpkg-buildpackage -us -uc -b) \
		>"$work/build.log" 2>&1 || { tail -30 "$work/build.log"; exit 1; }
	complaints=$(lintian --allow-root "$work"/build/*.changes)
	[ -z "$complaints" ] || { echo "$complaints"; exit 1; }
}

make_system() {
	[ -d "$root/var/lib/dpkg" ] || { say "make a system: $suite"; debootstrap --variant=minbase "$suite" "$root" >/dev/null; }
	mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
	trap 'umount "$root/proc"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	mkdir -p "$root/packages"
	cp "$work"/build/*.deb "$root/packages"
	cp -r "$source/debian/tests" "$root/packages"
}

inside() {
	chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# What has our name outside the package's own folder.
left_over() {
	find "$root" -xdev \( -path "$root/packages" -o -path "$root/var/log/apt" -o -path "$root/var/log/dpkg.log" \) -prune \
		-o -name '*bobtail*' -print
}

build
make_system
inside apt-get -qq update
inside apt-get -qq -y --no-install-recommends install curl python3 sqlite3 >/dev/null 2>&1

say "install"
package=/packages/$(cd "$root/packages" && echo bobtail_*.deb)
inside apt-get -qq -y --no-install-recommends install "$package" >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
inside bobtail -k parse
say "serve"
inside sh /packages/tests/serves >"$work/serves.log" 2>&1 || { cat "$work/serves.log"; exit 1; }

say "upgrade: the configuration that was changed stays"
echo '# mine' >>"$root/etc/bobtail/bobtail.conf"
inside dpkg -i --force-confold "$package" >/dev/null 2>&1
tail -1 "$root/etc/bobtail/bobtail.conf" | grep -qx '# mine'
inside sh /packages/tests/serves >"$work/serves.log" 2>&1 || { cat "$work/serves.log"; exit 1; }

say "Squid's names"
inside sh -c 'dpkg -i /packages/bobtail-squid_*.deb' >/dev/null
inside squid -k parse
inside dpkg -r bobtail-squid >/dev/null
[ ! -e "$root/usr/sbin/squid" ]

say "remove, purge: nothing is left"
inside dpkg -r bobtail >/dev/null
[ -e "$root/etc/bobtail/bobtail.conf" ]
inside dpkg -P bobtail >/dev/null
left=$(left_over)
[ -z "$left" ] || { echo "$left"; exit 1; }
say "all is well"
