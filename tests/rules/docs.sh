#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each link from one page of the documentation to a file leads somewhere, what a page names of the sources is there,
# each page is in the list of them, and each program has a manual page.
set -u
cd "${srcdir:-.}" || exit 1

links() {
	find . -name '*.md' ! -path '*/.*/*' ! -path './build*' ! -path './_*' \
		-exec grep -oHE '\]\([^)]+\)' {} + | sed 's/](\(.*\))$/\1/'
}

complaints=$(links | while IFS=: read -r page target; do
	case $target in
	http://* | https://* | mailto:* | '#'*) continue ;;
	esac
	[ -e "$(dirname "$page")/${target%%#*}" ] || echo "$page: no $target"
done)
# What a page names of the sources is there; `broker*.c` by how it begins.
complaints="$complaints$(
	grep -ohE '`(cache|helpers|lib|proxy|share|squid-compat|tests|tools)/[a-z0-9_./-]+' docs/*.md ./*.md tests/*/README.md |
		tr -d '`' | sort -u | while read -r name; do
		ls -d "$name"* >/dev/null 2>&1 || echo "a page names $name, which is not there"
	done
)"
for page in docs/*.md; do
	page=${page#docs/}
	[ "$page" = README.md ] || grep -qF "]($page)" docs/README.md || complaints="$complaints
docs/README.md: no $page"
done
for program in helpers/bundled/*/; do
	program=$(basename "$program")
	[ "$program" = common ] || [ -e "docs/$program.8" ] || complaints="$complaints
$program: no manual page"
done
[ -z "$complaints" ] || {
	echo "$complaints"
	exit 1
}
