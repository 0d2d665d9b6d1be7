/* SPDX-License-Identifier: BSD-2-Clause */
/* A squid.conf, and the files that it includes: the input's parts between lines of "---" are named
 * main, 1, 2 and so on. There is a snapshot exactly when nothing speaks against a start, and a
 * report can always be printed. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "lib/base/check.h"
#include "squid-compat/config.h"
#include "squid-compat/world.h"
#include "tests/support/config_files.h"

enum { MAX_FILES = 4, MAX_FILE_BYTES = 1 << 16 };

static const char separator[] = "\n---\n";

/* Nothing is out there. */
static unsigned resolve_nothing(const char *name, uint16_t port, struct addr *addrs, unsigned max)
{
	(void)name;
	(void)port;
	(void)addrs;
	(void)max;
	return 0;
}

static int may_nothing(const char *path, int mode)
{
	(void)path;
	(void)mode;
	return ENOENT;
}

static int read_nothing(const char *path, struct buf *out)
{
	(void)path;
	(void)out;
	return ENOENT;
}

static int list_nothing(const char *path, struct source_names *out)
{
	(void)path;
	(void)out;
	return ENOENT;
}

static uint16_t know_no_service(const char *name)
{
	(void)name;
	return 0;
}

static int ask_nobody(const char *program, const char *key_path, struct buf *out)
{
	(void)program, (void)key_path, (void)out;
	return ENOENT;
}

static const struct world nowhere = {
	.resolve = resolve_nothing,
	.may = may_nothing,
	.read_file = read_nothing,
	.list = list_nothing,
	.ask_password = ask_nobody,
	.service = know_no_service,
};

static void cut_files(const char *bytes, size_t len, struct config_file *files)
{
	static const char *const names[MAX_FILES] = {"main", "1", "2", "3"};
	const char *end = bytes + len;

	for (unsigned i = 0; i < MAX_FILES && bytes < end; i++) {
		const char *next =
			memmem(bytes, (size_t)(end - bytes), separator, sizeof(separator) - 1);
		const char *stop = next ? next : end;

		/* A len of 0 would mean a text with its NUL. */
		if (stop > bytes)
			files[i] = (struct config_file){names[i], bytes, (size_t)(stop - bytes)};
		else
			files[i] = (struct config_file){names[i], "", 0};
		bytes = next ? next + sizeof(separator) - 1 : end;
	}
}

static void count_line(void *user, const char *line)
{
	size_t *nlines = user;

	check(strchr(line, '\n') == NULL);
	(*nlines)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct config_file files[MAX_FILES + 1] = {{NULL, NULL, 0}};
	struct source source = {files, config_files_read, config_files_expand};
	struct config_options options = {
		.source = &source, .world = &nowhere, .memory_bytes = 1 << 30, .keep_lines = true};
	struct report *report = report_create();
	struct config *config;
	size_t nlines = 0;

	if (len <= MAX_FILE_BYTES)
		cut_files((const char *)bytes, len, files);
	config = config_read("main", &options, report);
	check((config != NULL) == (report_exit_status(report, true) == 0));
	report_print(report, count_line, &nlines);
	check(nlines >= report_nmessages(report));
	config_unref(config);
	report_destroy(report);
	return 0;
}
