#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each link from one page of the documentation to a file leads somewhere, each page is in the list of them, and each
# program has a manual page.
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
