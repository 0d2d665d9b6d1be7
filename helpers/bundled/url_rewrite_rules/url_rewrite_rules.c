/* SPDX-License-Identifier: BSD-2-Clause */
/* url_rewrite_rules FILE: rewrites and redirects URLs.
 *     FILE:  ACTION REGEX [REPLACEMENT] LF, words apart by blanks; # begins a comment line
 *     [ID SP] URL [SP extras] LF → OK rewrite-url="..." | OK status=301 url="..." | ERR
 * The first rule whose REGEX (PCRE2) fits the URL counts. */
#include <string.h>

#include "helpers/bundled/common/rule_program.h"
#include "lib/base/check.h"

static const struct action {
	const char *name;
	const char *result; /* before the URL */
	const char *key;    /* of the URL; NULL: it stays as it is */
} actions[] = {
	{"rewrite", "OK", "rewrite-url"},         {"redirect", "OK status=302", "url"},
	{"redirect=301", "OK status=301", "url"}, {"redirect=302", "OK status=302", "url"},
	{"redirect=303", "OK status=303", "url"}, {"redirect=307", "OK status=307", "url"},
	{"redirect=308", "OK status=308", "url"}, {"keep", "ERR", NULL},
};

static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, " \t\r");

	*rest = word + strcspn(word, " \t\r");
	if (**rest)
		*(*rest)++ = '\0';
	return word;
}

static const struct action *action_named(const char *name)
{
	for (size_t i = 0; i < COUNT(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return NULL;
}

static bool parse(char *line, struct rule *rule, struct err_text *why)
{
	const char *name = next_word(&line), *regex = next_word(&line), *to = next_word(&line);
	const struct action *action = action_named(name);

	if (*name == '\0' || *name == '#')
		return false;
	if (!action)
		err_say(why, "no action \"%s\"", name);
	else if (*regex == '\0')
		err_say(why, "%s needs a pattern", name);
	else if (action->key && *to == '\0')
		err_say(why, "%s needs a pattern and a URL", name);
	else if ((!action->key && *to) || *next_word(&line))
		err_say(why, "%s has too many words", name);
	else
		rule->pattern = pattern_create(regex, why);
	rule->action = action;
	rule->replacement = to;
	return why->at[0] == '\0';
}

/* The URL alone. */
static struct str subject(const char *question)
{
	return (struct str){question, strcspn(question, " ")};
}

static void answer(struct helper_lines *lines, const struct rule *rule, struct str url)
{
	const struct action *action = rule->action;
	struct buf target, pair;

	if (!action->key) {
		helper_answer(lines, "%s", action->result);
		return;
	}
	buf_init(&target, HELPER_LINE_BYTES);
	buf_init(&pair, 2 * HELPER_LINE_BYTES + 64);
	pattern_expand(rule->pattern, url, rule->replacement, &target);
	helper_add_pair(&pair, action->key, buf_str(&target));
	if (target.is_full)
		helper_answer_broken(lines, "URL too long");
	else
		helper_answer(lines, "%s%.*s", action->result, STR_ARG(buf_str(&pair)));
	buf_fini(&pair);
	buf_fini(&target);
}

int main(int argc, char **argv)
{
	return rule_program_run(&(struct rule_program){"url_rewrite_rules", parse, subject, answer},
	                        argc, argv);
}
