#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Folders are layers: includes point down only, never sideways; each header compiles alone.
# docs/ARCHITECTURE.md has the picture. Runs in the build folder; $srcdir is the source's.
set -u
builddir=$PWD
cd "${srcdir:-.}" || exit 1
folders='lib/base lib/net lib/http squid-compat cache helpers helpers/bundled proxy'

# What the files of a folder may include, as a pattern.
may_include() {
	case $1 in
	lib/base) echo 'lib/base' ;;
	lib/net | lib/http) echo "lib/base|$1" ;;
	helpers/bundled) echo 'lib/base|lib/http|helpers/bundled' ;;
	squid-compat | cache | helpers) echo "lib/base|lib/net|lib/http|$1" ;;
	proxy) echo 'lib/base|lib/net|lib/http|squid-compat|cache|helpers|proxy' ;;
	esac
}

sources_in() {
	if [ "$1" = helpers ]; then
		find helpers -path helpers/bundled -prune -o -name '*.[ch]' -print
	else
		find "$1" -name '*.[ch]'
	fi
}

# Prints each include that points up or sideways.
wrong_arrows() {
	for folder in $folders; do
		sources_in "$folder" | xargs grep -Hn '^#include "' /dev/null |
			grep -Ev "#include \"($(may_include "$folder"))/"
	done
}

# Prints each include of a NAME_internal.h from another folder.
wrong_internals() {
	grep -rn --include='*.[ch]' '^#include ".*_internal\.h"' lib squid-compat cache helpers proxy |
		while IFS= read -r line; do
			file=${line%%:*} header=${line#*\"}
			[ "$(dirname "$file")" = "$(dirname "${header%\"*}")" ] || echo "$line"
		done
}

# The build has compiled it alone: its source includes it first.
is_first_in_its_source() {
	[ -f "${1%.h}.c" ] && [ "$(grep -m1 '^#include' "${1%.h}.c")" = "#include \"$1\"" ]
}

compiles_alone() {
	echo "#include \"$1\"" | ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
		-I. -I"$builddir" -fsyntax-only -Wall -Wextra -Werror -x c - 2>&1
}

# Prints the names and errors of headers that want others before them.
wrong_headers() {
	find lib squid-compat cache helpers proxy tests -name '*.h' | while read -r header; do
		is_first_in_its_source "$header" || compiles_alone "$header" ||
			echo "$header does not compile alone"
	done
}

complaints=$(wrong_arrows; wrong_internals; wrong_headers)
[ -z "$complaints" ] || {
	echo "$complaints"
	exit 1
}
