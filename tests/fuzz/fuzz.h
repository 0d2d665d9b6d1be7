/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/fuzz/fuzz.h: what each fuzzer defines, for libFuzzer and for replay.c alike. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H
#include <stddef.h>
#include <stdint.h>

/* Any bytes; returns 0, and aborts where a promise is broken. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#endif
