#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The Debian packages in a machine that systemd runs, with a Squid to take over: machine.py is what happens there.
# As root, with debootstrap and systemd-nspawn; a network of its own. `make check-machine` builds the packages first
# (chroot_test.sh leaves them in PACKAGE_WORK/build). SUITE chooses the release; the system is made once and kept in
# MACHINE, each run has a copy.
set -eu
here=$(sed -n s/^VERSION_CODENAME=//p /etc/os-release)
suite=${SUITE:-$here}
work=${PACKAGE_WORK:-$PWD/package-work}
machine=${MACHINE:-$work/$suite-machine}
source=$(cd "${srcdir:-.}" && pwd)
packages=$work/machine

inside() {
	chroot "$machine" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# What is asked for comes now, and so does what the package depends on: the machine has no network.
make_machine() {
	echo "== make a machine: $suite"
	debootstrap --variant=minbase "$suite" "$machine" >/dev/null
	printf '#!/bin/sh\nexit 101\n' >"$machine/usr/sbin/policy-rc.d"
	chmod +x "$machine/usr/sbin/policy-rc.d"
	mkdir "$machine/packages"
	cp "$packages"/bobtail_*.deb "$machine/packages"
	inside sh -ec 'apt-get -qq update
		apt-get -qq -y --no-install-recommends install systemd systemd-sysv dbus squid curl logrotate procps python3
		apt-get -qq -y --no-install-recommends install /packages/*.deb
		dpkg -P bobtail
		rm /packages/*' >"$work/machine.log" 2>&1 || { tail "$work/machine.log"; exit 1; }
	rm "$machine/usr/sbin/policy-rc.d"
	cat >"$machine/etc/systemd/system/package-test.service" <<'UNIT'
[Service]
Type=exec
Environment=DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1
ExecStart=/bin/sh -c "python3 -u /packages/machine.py >/packages/log 2>&1; echo $$? >/packages/status; systemctl poweroff"
UNIT
	inside systemctl disable squid.service >/dev/null 2>&1
	ln -s ../package-test.service "$machine/etc/systemd/system/multi-user.target.wants/"
	touch "$machine/made"
}

# A later version of the same files, in a folder that apt takes for a repository.
put_packages() {
	rm -rf "$packages"
	mkdir -p "$packages/later"
	cp "$work"/build/bobtail_*.deb "$work"/build/bobtail-squid_*.deb "$packages"
	cp "$source/tests/package/machine.py" "$source/tests/support/load.py" "$source/tests/support/bobtail.py" "$packages"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=site.example -addext subjectAltName=DNS:site.example \
		-keyout "$packages/site.key" -out "$packages/site.pem" 2>/dev/null
	dpkg-deb -R "$packages"/bobtail_*.deb "$packages/tree"
	sed -i '/^Version:/s/$/+later/' "$packages/tree/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$packages/tree" "$packages/later/bobtail.deb" >/dev/null
	rm -rf "$packages/tree"
	(cd "$packages/later" && dpkg-scanpackages . 2>/dev/null >Packages)
}

put_packages
[ -e "$machine/made" ] || { rm -rf "$machine"; make_machine; }
echo "== boot"
status=0
# SYSTEMD_SECCOMP: as on a machine without nspawn, root may use pidfd_getfd.
SYSTEMD_SECCOMP=0 timeout "${MACHINE_SECONDS:-900}" systemd-nspawn --quiet --register=no --keep-unit --ephemeral --private-network --boot \
	--console=pipe --directory="$machine" --bind="$packages:/packages" </dev/null >"$work/machine.log" 2>&1 || status=$?
cat "$packages/log" 2>/dev/null || { tail "$work/machine.log"; exit 1; }
[ "$(cat "$packages/status" 2>/dev/null)" = 0 ] || { echo "failed (the machine ended with $status)"; exit 1; }
echo "== all is well"
