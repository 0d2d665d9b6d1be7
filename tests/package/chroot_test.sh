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

# All files of the system, but for what installing anything at all changes.
files() {
	(cd "$root" && find etc usr var run -xdev \( -path var/cache/apt -o -path var/lib/apt -o -path var/lib/dpkg -o \
		-path var/log/apt -o -name '*dpkg*' -o -path 'var/cache/ldconfig' -o -name ld.so.cache -o -name '__pycache__' \) -prune -o -print | sort)
}

build
make_system
inside apt-get -qq update
say "what its test needs"
inside apt-get -qq -y --no-install-recommends install curl python3 sqlite3 >/dev/null 2>&1
inside apt-get -qq -y --no-install-recommends -o APT::Install-Recommends=0 install --download-only /packages/bobtail_*.deb >/dev/null 2>&1
inside apt-get -qq -y --no-install-recommends install $(inside dpkg-deb -f "/packages/$(cd "$root/packages" && ls bobtail_*.deb)" Depends |
	tr ',' '\n' | sed 's/[ (|].*//; s/^ *//' | grep -v '^$' | sed 's/^[^a-z]*//' | sort -u) >/dev/null 2>&1 || true
files >"$work/before"

say "install"
inside sh -c 'dpkg -i /packages/bobtail_*.deb' >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
inside bobtail -k parse
inside man -w bobtail >/dev/null 2>&1 || [ -e "$root/usr/share/man/man8/bobtail.8.gz" ] || true
say "serve"
inside sh /packages/tests/serves >"$work/serves.log" 2>&1 || { cat "$work/serves.log"; exit 1; }

say "upgrade: the configuration that was changed stays"
echo '# mine' >>"$root/etc/bobtail/bobtail.conf"
inside sh -c 'dpkg -i --force-confold /packages/bobtail_*.deb' >/dev/null 2>&1
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
files >"$work/after"
diff "$work/before" "$work/after" | grep '^[<>]' && exit 1
say "all is well"
