#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs each fuzzer that was built here, from its corpus on, one for each processor: `make fuzz`.
# FUZZ_SECONDS: for how long; or FUZZ_RUNS: how many inputs beyond the corpus, the same each time.
# New inputs go to found/NAME; a finding ends the run, with its input in the current folder.
set -eu
export srcdir="${srcdir:-.}"

if [ $# = 0 ]; then
	printf '%s\n' tests/fuzz/*_fuzz | xargs -n 1 -P "$(nproc)" "$0"
	exit
fi

fuzzer=$1
name=$(basename "$fuzzer" _fuzz)
dictionary=$srcdir/tests/fuzz/$name.dict
[ -f "$dictionary" ] || dictionary=$srcdir/tests/fuzz/http.dict
bound=-max_total_time=${FUZZ_SECONDS:-60}
[ -z "${FUZZ_RUNS:-}" ] || bound="-runs=$FUZZ_RUNS -seed=1"
mkdir -p "found/$name"
# shellcheck disable=SC2086 # a list of options
"$fuzzer" -dict="$dictionary" $bound -print_final_stats=1 \
	"found/$name" "$srcdir/tests/fuzz/corpus/$name" 2>"found/$name.log" || {
	echo "== $name"
	tail -n 40 "found/$name.log"
	exit 255 # xargs begins no other
}
echo "== $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "found/$name.log") inputs"
