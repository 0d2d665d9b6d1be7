/* SPDX-License-Identifier: BSD-2-Clause */
/* Public configurations of accelerators, read as `squid -k parse` reads them where none of the
 * files that they name exists: the same exit status, and each of Squid 5.7's sentences, but for
 * what is listed here. docs/DIFFERENCES.md tells administrators the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "squid-compat/config.h"
#include "tests/support/config_files.h"
#include "tests/support/data_file.h"

#define CORPUS "tests/corpus/squid-conf/"

/* Exit statuses that are not Squid's. */
static const struct {
	const char *file;
	int status;
	const char *why;
} other_statuses[] = {
	{"18-squid-tor-icap.conf", 1,
         "icap_enable on is refused: what it filters would pass unseen"},
	{"20-pear-components-26.conf", 0, "defaultsite without accel is honoured as in Squid 2.6"},
	{"21-vnix-wiki.conf", 0, "defaultsite without accel is honoured as in Squid 2.6"},
	{"24-liquidgalaxy.conf", 0, "defaultsite without accel is honoured as in Squid 2.6"},
};

/* Sentences of Squid that are said in other words: how Squid's begins, and a part of ours. */
static const struct {
	const char *squid, *ours;
	const char *why;
} other_sentences[] = {
	{"Bungled 20-pear", "As in Squid 2.6", "honoured"},
	{"Bungled 21-vnix", "As in Squid 2.6", "honoured"},
	{"Bungled 24-liquid", "As in Squid 2.6", "honoured"},
	{"Bungled ", "FATAL: Bungled ",
         "the place is where the directive begins; paths are as given"},
	{"14-cn-cdn-ignorecc.conf, line 8: ", "ERROR: No cache_peer 'all'",
         "the place is at the end"},
	{"(B) '", "' is a subnetwork of ", "once for each pair, with the ACL's name"},
	{"because of this '", "' is a subnetwork of ", "one sentence says it all"},
	{"You should probably remove '",
         "you should probably remove one of them from the ACL named '", "one sentence says it all"},
	{"You need to remove '", "you need to remove '", "one sentence says it all"},
};

static int other_status(const char *file, int status)
{
	for (size_t i = 0; i < COUNT(other_statuses); i++)
		if (strcmp(other_statuses[i].file, file) == 0)
			return other_statuses[i].status;
	return status;
}

/* "CLASS: SENTENCE" without its class, and without what OpenSSL says of files. */
static char *sentence_of(const char *message)
{
	const char *colon = strstr(message, ": ");
	bool has_class = colon && message[0] >= 'A' && message[0] <= 'Z';
	char *sentence = mem_strdup(has_class ? colon + 2 : message);
	char *detail = strstr(sentence, ": error:");

	if (detail)
		*detail = '\0';
	return sentence;
}

static bool is_said(const char *sentence, const char *printed)
{
	if (strstr(printed, sentence))
		return true;
	for (size_t i = 0; i < COUNT(other_sentences); i++)
		if (strncmp(sentence, other_sentences[i].squid, strlen(other_sentences[i].squid)) ==
		    0)
			return strstr(printed, other_sentences[i].ours) != NULL;
	return false;
}

/* Each message of Squid's, apart by " || ", is among ours. */
static size_t count_missing(const char *file, char *messages, const char *printed)
{
	size_t nmissing = 0;
	char *end;

	for (char *message = messages; message && *message; message = end) {
		char *sentence;

		end = strstr(message, " || ");
		if (end) {
			*end = '\0';
			end += 4;
		}
		sentence = sentence_of(message);
		if (!is_said(sentence, printed)) {
			print_message("%s: not said: %s\n", file, message);
			nmissing++;
		}
		mem_free(sentence);
	}
	return nmissing;
}

static size_t check_file(const char *file, int status, char *messages)
{
	struct config_options options = {.is_parse_only = true, .memory_bytes = 1 << 30};
	char *path = mem_printf(CORPUS "%s", file), *full_path = data_path(path);
	struct report *report = report_create();
	struct config *config = config_read(full_path, &options, report);
	char *printed = config_files_printed(report);
	int got = report_exit_status(report, false);
	size_t nfaults = count_missing(file, messages, printed);

	if (got != other_status(file, status)) {
		print_message("%s: status %d, not %d\n", file, got, status);
		nfaults++;
	}
	if ((got == 0) != (config != NULL))
		nfaults++;
	if (nfaults)
		fprintf(stderr, "%s says:\n%s\n", file, printed);
	config_unref(config);
	report_destroy(report);
	mem_free(printed);
	mem_free(full_path);
	mem_free(path);
	return nfaults;
}

static void public_configurations_read_as_with_squid(void **state)
{
	FILE *expected = data_open(CORPUS "EXPECTED-5.7.tsv");
	size_t nfiles = 0, nfaults = 0;
	char *line = NULL;
	size_t room = 0;

	(void)state;
	assert_non_null(expected);
	while (getline(&line, &room, expected) > 0) {
		char *rest = line, *file = strsep(&rest, "\t"), *status = strsep(&rest, "\t");

		if (!status || strcmp(file, "file") == 0)
			continue;
		if (rest)
			rest[strcspn(rest, "\n")] = '\0';
		nfaults += check_file(file, atoi(status), rest);
		nfiles++;
	}
	free(line);
	fclose(expected);
	assert_int_equal(nfiles, 35);
	assert_int_equal(nfaults, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_configurations_read_as_with_squid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
