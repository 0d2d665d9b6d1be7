/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "proxy/process/transcript.h"
#include "squid-compat/config.h"
#include "squid-compat/source.h"
#include "squid-compat/world.h"

/* A configuration with an include and a file of ACL values, in a directory of its own. */
struct files {
	char directory[32];
	char *main, *included, *values;
};

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void make_files(struct files *files)
{
	char *text;

	strcpy(files->directory, "/tmp/transcript-XXXXXX");
	assert_non_null(mkdtemp(files->directory));
	files->main = mem_printf("%s/squid.conf", files->directory);
	files->included = mem_printf("%s/more.conf", files->directory);
	files->values = mem_printf("%s/values", files->directory);
	text = mem_printf("http_port 8080 accel\ninclude %s/mo*.conf\n"
	                  "acl sites dstdomain \"%s\"\nhttp_access allow sites\n",
	                  files->directory, files->values);
	write_file(files->main, text);
	write_file(files->included, "visible_hostname from.the.include\n");
	write_file(files->values, "a.example\n");
	mem_free(text);
}

static void remove_files(struct files *files)
{
	unlink(files->main);
	unlink(files->included);
	unlink(files->values);
}

static void free_files(struct files *files)
{
	remove_files(files);
	rmdir(files->directory);
	mem_free(files->main);
	mem_free(files->included);
	mem_free(files->values);
}

static struct config *read_with(const struct files *files, struct config_options *options,
                                size_t *nmessages)
{
	struct report *report = report_create();
	struct config *config = config_read(files->main, options, report);

	*nmessages = report_nmessages(report);
	report_destroy(report);
	return config;
}

/* A transcript of the reading, as another process gets it. */
static struct transcript *pass_on(const struct files *files, size_t *nmessages)
{
	struct transcript *mine = transcript_create(), *theirs;
	struct config_options options = {.is_parse_only = true};
	int fd;

	transcript_record(mine, &options);
	config_unref(read_with(files, &options, nmessages));
	fd = transcript_send(mine);
	assert_true(fd >= 0);
	transcript_destroy(mine);
	theirs = transcript_receive(fd);
	close(fd);
	assert_non_null(theirs);
	return theirs;
}

static void files_that_are_gone_are_read_from_it(void **state)
{
	struct config_options options = {.is_parse_only = true};
	struct transcript *transcript;
	size_t nrecorded, nreplayed;
	struct config *config;
	struct files files;

	(void)state;
	make_files(&files);
	transcript = pass_on(&files, &nrecorded);
	remove_files(&files);
	transcript_replay(transcript, &options);
	config = read_with(&files, &options, &nreplayed);
	assert_non_null(config);
	assert_string_equal(config->visible_hostname, "from.the.include");
	assert_int_equal(nrecorded, nreplayed);
	config_unref(config);
	transcript_destroy(transcript);
	free_files(&files);
}

static void what_nobody_asked_is_not_there(void **state)
{
	struct transcript *transcript = transcript_create();
	struct config_options options = {0};
	struct source_names names;
	struct err_text why;
	struct addr addr;
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	transcript_replay(transcript, &options);
	assert_int_equal(options.source->read(options.source->user, "/etc/passwd", &out, &why),
	                 ERR_IO);
	assert_int_equal(options.source->expand(options.source->user, "/etc/*", &names, &why),
	                 ERR_IO);
	assert_int_not_equal(options.world->may("/etc/passwd", R_OK), 0);
	assert_int_not_equal(options.world->read_file("/etc/passwd", &out), 0);
	assert_int_equal(options.world->resolve("localhost", 1, &addr, 1), 0);
	assert_int_equal(out.len, 0);
	transcript_destroy(transcript);
	buf_fini(&out);
}

/* Lengths that point behind the end must not be believed. */
static void a_cut_transcript_ends_early(void **state)
{
	struct config_options options = {.is_parse_only = true};
	struct transcript *transcript;
	struct files files;
	struct buf out;
	struct err_text why;
	size_t nmessages;
	int fd;

	(void)state;
	make_files(&files);
	transcript = pass_on(&files, &nmessages);
	fd = transcript_send(transcript);
	transcript_destroy(transcript);
	assert_int_equal(ftruncate(fd, 40), 0);
	transcript = transcript_receive(fd);
	close(fd);
	transcript_replay(transcript, &options);
	buf_init(&out, 1000);
	assert_int_equal(options.source->read(options.source->user, files.main, &out, &why),
	                 ERR_IO);
	buf_fini(&out);
	transcript_destroy(transcript);
	free_files(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_that_are_gone_are_read_from_it),
		cmocka_unit_test(what_nobody_asked_is_not_there),
		cmocka_unit_test(a_cut_transcript_ends_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
