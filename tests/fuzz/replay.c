/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs one fuzzer over files instead of inventions: those of its corpus, or the directories and
 * files named on the command line. NAME_fuzz reads $srcdir/tests/fuzz/corpus/NAME. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { MAX_FILE = 1 << 20 };

/* The bytes lie in memory of just their size, so that a sanitizer sees each byte too far. */
static void replay_file(const char *path)
{
	char *all = mem_alloc(MAX_FILE), *bytes;
	FILE *file = fopen(path, "rb");
	size_t len;

	check(file);
	len = fread(all, 1, MAX_FILE, file);
	fclose(file);
	bytes = mem_alloc(len > 0 ? len : 1);
	memcpy(bytes, all, len);
	mem_free(all);
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput((const uint8_t *)bytes, len);
	mem_free(bytes);
}

/* Returns how many files it ran. */
static unsigned replay(const char *path)
{
	unsigned nfiles = 0;
	struct dirent *entry;
	struct stat status;
	DIR *directory;

	check(stat(path, &status) == 0);
	if (!S_ISDIR(status.st_mode)) {
		replay_file(path);
		return 1;
	}
	directory = opendir(path);
	check(directory);
	while ((entry = readdir(directory))) {
		char *inner = mem_printf("%s/%s", path, entry->d_name);

		if (entry->d_name[0] != '.')
			nfiles += replay(inner);
		mem_free(inner);
	}
	closedir(directory);
	return nfiles;
}

/* The corpus of the program called self. */
static char *corpus_of(const char *self)
{
	const char *slash = strrchr(self, '/'), *name = slash ? slash + 1 : self;
	const char *end = strstr(name, "_fuzz"), *srcdir = getenv("srcdir");

	check(end);
	return mem_printf("%s/tests/fuzz/corpus/%.*s", srcdir ? srcdir : ".", (int)(end - name),
	                  name);
}

int main(int argc, char **argv)
{
	unsigned nfiles = 0;

	for (int i = 1; i < argc; i++)
		nfiles += replay(argv[i]);
	if (argc == 1) {
		char *corpus = corpus_of(argv[0]);

		nfiles += replay(corpus);
		mem_free(corpus);
	}
	printf("%u files\n", nfiles);
	return nfiles > 0 ? 0 : 1;
}
