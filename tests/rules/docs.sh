#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each link from one page of the documentation to a file leads somewhere.
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
[ -z "$complaints" ] || {
	echo "$complaints"
	exit 1
}
