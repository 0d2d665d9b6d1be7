#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs each fuzzer that was built here for FUZZ_SECONDS, from its corpus on: `make fuzz`.
# New inputs go to found/NAME; a finding ends the run, with its input in the current folder.
set -eu
srcdir=${srcdir:-.}

for fuzzer in tests/fuzz/*_fuzz; do
	name=$(basename "$fuzzer" _fuzz)
	dictionary=$srcdir/tests/fuzz/$name.dict
	[ -f "$dictionary" ] || dictionary=$srcdir/tests/fuzz/http.dict
	echo "== $name, ${FUZZ_SECONDS:-60} s"
	mkdir -p "found/$name"
	"$fuzzer" -dict="$dictionary" -max_total_time="${FUZZ_SECONDS:-60}" -print_final_stats=1 \
		"found/$name" "$srcdir/tests/fuzz/corpus/$name" 2>"found/$name.log" || {
		tail -n 40 "found/$name.log"
		exit 1
	}
	grep -E '^stat::number_of_executed_units' "found/$name.log"
done
