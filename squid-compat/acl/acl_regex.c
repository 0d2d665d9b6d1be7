/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns: `[-i|+i] REGEX...`, each flag for the patterns behind it on the same line. */
#include "squid-compat/acl/acl_internal.h"
#include "squid-compat/regex.h"

struct patterns {
	struct regex_list *list;
};

static void init_patterns(void *values)
{
	((struct patterns *)values)->list = regex_list_create();
}

static void free_patterns(void *values)
{
	regex_list_destroy(((struct patterns *)values)->list);
}

/* A search is unanchored: `.*` and `^.*` in front change nothing. */
static struct str strip_wildcard(struct str pattern, struct report *report)
{
	struct str rest = pattern;

	if (str_starts_with(rest, STR("^")))
		rest = str_from(rest, 1);
	if (!str_starts_with(rest, STR(".*")))
		return pattern;
	rest = str_from(rest, 2);
	if (rest.len == 0 || strchr("*+?{|", rest.at[0]) != NULL)
		return pattern;
	report_say(report, REPORT_WARNING,
	           "regular expression '%.*s' has an unneeded wildcard prefix: using '%.*s' "
	           "instead",
	           STR_ARG(pattern), STR_ARG(rest));
	return rest;
}

static void add_pattern(struct patterns *patterns, struct str pattern,
                        const struct acl_reader *reader)
{
	struct err_text why;

	pattern = strip_wildcard(pattern, reader->report);
	if (!regex_list_add(patterns->list, pattern, reader->nocase ? REGEX_NOCASE : 0, &why)) {
		report_say(reader->report, REPORT_ERROR,
		           "Skipping regular expression. Compile failed: '%.*s': %s",
		           STR_ARG(pattern), why.at);
		return;
	}
	if (regex_has_perl_escape(pattern))
		report_say(reader->report, REPORT_NOTE,
		           "regular expression '%.*s': a backslash before a letter stands for "
		           "that letter alone (say [0-9], not \\d)",
		           STR_ARG(pattern));
}

static void parse_patterns(struct acl *acl, struct acl_reader *reader)
{
	struct str pattern;

	if (reader->words->quoted_values) {
		report_say(reader->report, REPORT_FATAL,
		           "Can not read regex expression while "
		           "configuration_includes_quoted_values is enabled");
		return;
	}
	while (acl_reader_next_pattern(reader, &pattern))
		add_pattern(acl->values, pattern, reader);
}

const struct regex_list *acl_regex_list(const void *values)
{
	return ((const struct patterns *)values)->list;
}

static bool has_no_patterns(const void *values)
{
	return regex_list_count(acl_regex_list(values)) == 0;
}

static void seal_patterns(struct acl *acl, struct report *report)
{
	(void)report;
	regex_list_seal(((struct patterns *)acl->values)->list);
}

static enum acl_match test_patterns(const void *values, struct str text)
{
	static const enum acl_match matches[] = {
		[REGEX_NO] = ACL_MISMATCH,
		[REGEX_YES] = ACL_MATCH,
		[REGEX_UNDECIDED] = ACL_STOP,
	};

	if (text.len > ACL_MAX_SUBJECT_BYTES)
		return ACL_STOP;
	return matches[regex_list_match(acl_regex_list(values), text)];
}

const struct acl_kind acl_kind_regex = {
	.bytes = sizeof(struct patterns),
	.init = init_patterns,
	.parse = parse_patterns,
	.is_empty = has_no_patterns,
	.seal = seal_patterns,
	.fini = free_patterns,
	.test = test_patterns,
};
