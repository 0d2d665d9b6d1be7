/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/data_file.h: files that lie beside the tests, found from wherever `make check`
 * runs. */
#ifndef TESTS_SUPPORT_DATA_FILE_H
#define TESTS_SUPPORT_DATA_FILE_H
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/heap.h"

/* The path of a file under the project's root; the caller frees it with mem_free. automake sets
 * srcdir. */
static inline char *data_path(const char *name)
{
	const char *root = getenv("srcdir");

	return mem_printf("%s/%s", root ? root : ".", name);
}

static inline FILE *data_open(const char *name)
{
	char *path = data_path(name);
	FILE *file = fopen(path, "re");

	mem_free(path);
	return file;
}

#endif
