#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The repository itself: each source names its licence, nothing names the machine that it was
# written on, and the tarball holds all. Needs a clone; runs in the build folder.
set -u
builddir=$PWD
cd "${srcdir:-.}" || exit 1
[ -e .git ] && files=$(git ls-files 2>/dev/null) || exit 77

without_licence() {
	echo "$files" | grep -E '\.([ch]|sh|py)$|^(bootstrap|configure\.ac|Makefile\.am|\.ci/run)$|^tools/demo' |
		while read -r file; do
			[ ! -f "$file" ] || head -n 2 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' ||
				echo "$file: no SPDX line in its first two"
		done
}

machine_paths() {
	echo "$files" | grep -Ev '^tests/(corpus|rules)/|^tests/fuzz/corpus/' |
		xargs grep -nE '(^|[^A-Za-z0-9_.-])/(work|root|home|Users)/' /dev/null 2>/dev/null |
		sed 's/$/    <- a path of one machine/'
}

readme_link() {
	[ "$(readlink README)" = README.md ] || echo 'README should be a link to README.md'
}

# Prints what a tarball would lack. A folder in the list stands for all in it.
not_distributed() {
	listed=$(env -u MAKEFLAGS -u MAKELEVEL make -s -C "$builddir" list-dist) || {
		echo 'make list-dist failed'
		return
	}
	echo "$files" | grep -Ev '^(\.gitignore|\.ci/.*)$' | awk -v listed="$listed" '
		BEGIN { n = split(listed, names, "\n"); for (i = 1; i <= n; i++) has[names[i]] = 1 }
		{
			for (path = $0; path != ""; sub(/\/?[^\/]*$/, "", path))
				if (path in has)
					next
			print $0 ": not in the tarball (a sources.am or EXTRA_DIST should list it)"
		}'
}

complaints=$(
	without_licence
	machine_paths
	readme_link
	not_distributed
)
[ -z "$complaints" ] || {
	echo "$complaints"
	exit 1
}
