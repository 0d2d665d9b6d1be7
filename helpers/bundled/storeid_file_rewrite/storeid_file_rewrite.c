/* SPDX-License-Identifier: BSD-2-Clause */
/* storeid_file_rewrite FILE: what URLs are known by in the cache. In and out as Squid's program of
 * that name:
 *     FILE: REGEX TAB REPLACEMENT LF      $1 ... $9 are the groups; the first rule that fits counts
 *     [ID SP] URL [SP extras] LF → OK store-id=REPLACEMENT | ERR
 * A rule looks at all of the line, as Squid's program does: "$" means the end of the extras. */
#include <string.h>

#include "helpers/bundled/common/rule_program.h"

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

static bool parse(char *line, struct rule *rule, struct err_text *why)
{
	char *regex = trim(line), *replacement = regex + strcspn(regex, "\t");

	if (*regex == '\0' || (*regex == '#' && *replacement == '\0'))
		return false;
	if (*replacement) {
		*replacement++ = '\0';
		replacement = trim(replacement);
		regex = trim(regex);
	}
	if (*replacement == '\0' || strchr(replacement, '\t')) {
		err_say(why, "not REGEX TAB REPLACEMENT");
		return false;
	}
	rule->replacement = replacement;
	rule->pattern = pattern_create(regex, why);
	return rule->pattern != NULL;
}

static struct str subject(const char *question)
{
	return str_of(question);
}

static void answer(struct helper_lines *lines, const struct rule *rule, struct str subject)
{
	struct buf id;

	buf_init(&id, HELPER_LINE_BYTES);
	pattern_expand(rule->pattern, subject, rule->replacement, &id);
	if (id.is_full)
		helper_answer_broken(lines, "StoreID too long");
	else
		helper_answer(lines, "OK store-id=%.*s", STR_ARG(buf_str(&id)));
	buf_fini(&id);
}

int main(int argc, char **argv)
{
	return rule_program_run(
		&(struct rule_program){"storeid_file_rewrite", parse, subject, answer}, argc, argv);
}
