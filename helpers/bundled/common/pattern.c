/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/bundled/common/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/heap.h"

/* Steps of one search: some milliseconds. */
enum { MATCH_LIMIT = 200000, NAME_BYTES = 64 };

struct pattern {
	pcre2_code *code;
	pcre2_match_data *groups;
	pcre2_match_context *limits;
	uint32_t ngroups; /* that it has */
	uint32_t nset;    /* up to the last that the last fit set */
};

struct pattern *pattern_create(const char *regex, struct err_text *why)
{
	struct pattern *pattern = mem_zalloc(sizeof(*pattern));
	int fault;
	PCRE2_SIZE at;

	pattern->code =
		pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, 0, &fault, &at, NULL);
	if (!pattern->code) {
		PCRE2_UCHAR text[128];

		pcre2_get_error_message(fault, text, sizeof(text));
		err_say(why, "bad pattern \"%s\": %s", regex, (const char *)text);
		mem_free(pattern);
		return NULL;
	}
	pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE); /* without it, it is only slower */
	pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &pattern->ngroups);
	pattern->groups = pcre2_match_data_create_from_pattern(pattern->code, NULL);
	pattern->limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(pattern->limits, MATCH_LIMIT);
	return pattern;
}

void pattern_destroy(struct pattern *pattern)
{
	if (!pattern)
		return;
	pcre2_match_context_free(pattern->limits);
	pcre2_match_data_free(pattern->groups);
	pcre2_code_free(pattern->code);
	mem_free(pattern);
}

bool pattern_fits(struct pattern *pattern, struct str text)
{
	int n = pcre2_match(pattern->code, (PCRE2_SPTR)text.at, text.len, 0, 0, pattern->groups,
	                    pattern->limits);

	if (n <= 0)
		return false;
	pattern->nset = (uint32_t)n;
	return true;
}

static void add_group(const struct pattern *pattern, struct str text, uint32_t group,
                      struct buf *out)
{
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(pattern->groups);

	if (group >= pattern->nset || ends[2 * group] == PCRE2_UNSET ||
	    ends[2 * group + 1] < ends[2 * group])
		return;
	buf_add_str(out, str_first(str_from(text, ends[2 * group]),
	                           ends[2 * group + 1] - ends[2 * group]));
}

/* Which group "$1" or "${NAME}" at the front of from means, and how long that text is; 0: none. */
static uint32_t group_named(const struct pattern *pattern, const char *from, size_t *len)
{
	char name[NAME_BYTES];
	size_t name_len;
	int group;

	if (from[1] >= '1' && from[1] <= '9') {
		*len = 2;
		return (uint32_t)(from[1] - '0') <= pattern->ngroups ? (uint32_t)(from[1] - '0')
		                                                     : 0;
	}
	if (from[1] != '{')
		return 0;
	name_len = strcspn(from + 2, "}");
	if (name_len >= sizeof(name) || from[2 + name_len] != '}')
		return 0;
	str_copy((struct str){from + 2, name_len}, name, sizeof(name));
	group = pcre2_substring_number_from_name(pattern->code, (PCRE2_SPTR)name);
	*len = name_len + 3;
	return group > 0 ? (uint32_t)group : 0;
}

void pattern_expand(const struct pattern *pattern, struct str text, const char *replacement,
                    struct buf *out)
{
	while (*replacement) {
		size_t len = 0;
		uint32_t group = *replacement == '$' ? group_named(pattern, replacement, &len) : 0;

		if (group > 0) {
			add_group(pattern, text, group, out);
			replacement += len;
		} else {
			buf_add_char(out, *replacement++);
		}
	}
}
