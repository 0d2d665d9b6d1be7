#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Calls and words that have no place in the sources, each with what to use instead.
# (Variable-length arrays are the compiler's to refuse: -Wvla.)
set -u
cd "${srcdir:-.}" || exit 1

folders='lib squid-compat cache helpers proxy'

# Prints the calls of a function matching $1; $2 says what is better.
refuse_calls() {
	# shellcheck disable=SC2086 # a list of folders
	grep -rnE --include='*.[ch]' "(^|[^A-Za-z0-9_\"'.>%])($1)\(" $folders |
		grep -Ev '^[^:]*:[0-9]*:[[:space:]]*/?\*' | sed "s|\$|    <- $2|"
}

refuse_words() {
	# shellcheck disable=SC2086 # a list of folders
	grep -rnwE --include='*.[ch]' --include='*.sh' --include='*.am' "$1" $folders tests |
		grep -v '^tests/rules/banned\.sh:' | sed "s|\$|    <- $2|"
}

complaints=$(
	refuse_calls 'strcpy|strcat|stpcpy|strncpy|strncat|v?sprintf|gets|alloca' \
		'says nothing of its bounds: snprintf, memcpy, struct buf'
	refuse_calls 'strtok|localtime|gmtime|asctime|ctime|rand|srand' \
		'shared state: the _r form, lib/base/random.h'
	refuse_calls 'tmpnam|mktemp|tempnam' 'a name that others can guess: mkstemp'
	refuse_calls 'system|popen|wordexp' 'a shell: helpers/spawn_internal.h'
	refuse_calls 'malloc|calloc|realloc|strdup|strndup' 'lib/base/heap.h' |
		grep -v '^lib/base/heap\.c:'
	refuse_calls 'atof' 'a parser that is total'
	refuse_calls 'assert' 'check(), which release builds keep'
	refuse_words 'TODO|FIXME|XXX|HACK' 'an issue, or nothing'
)
[ -z "$complaints" ] || {
	echo "$complaints"
	exit 1
}
