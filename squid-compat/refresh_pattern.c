/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/refresh_pattern.h"

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/regex.h"

enum {
	MINUTES_OF_YEAR = 60 * 24 * 365,
	SECONDS_OF_DAY = 24 * 60 * 60,
};

struct pattern {
	struct regex *regex;
	struct refresh_rule rule;
};

struct refresh_rules {
	struct pattern *patterns;
	size_t n, cap;
	unsigned options; /* of all of them */
};

static const struct refresh_rule otherwise = {
	.percent = 20,
	.max_s = 3 * SECONDS_OF_DAY,
	.max_stale_s = -1,
	.text = "no line matches: 0 20% 4320",
};

struct refresh_rules *refresh_rules_create(void)
{
	return mem_zalloc(sizeof(struct refresh_rules));
}

void refresh_rules_destroy(struct refresh_rules *rules)
{
	if (rules == NULL)
		return;
	for (size_t i = 0; i < rules->n; i++) {
		regex_destroy(rules->patterns[i].regex);
		mem_free((char *)rules->patterns[i].rule.text);
	}
	mem_free(rules->patterns);
	mem_free(rules);
}

/* ---- one line ---- */

static const struct {
	const char *name;
	unsigned option; /* 0: obsolete */
} options[] = {
	{"override-expire", REFRESH_OPTION_OVERRIDE_EXPIRE},
	{"override-lastmod", REFRESH_OPTION_OVERRIDE_LASTMOD},
	{"reload-into-ims", REFRESH_OPTION_RELOAD_INTO_IMS},
	{"ignore-reload", REFRESH_OPTION_IGNORE_RELOAD},
	{"ignore-no-store", REFRESH_OPTION_IGNORE_NO_STORE},
	{"ignore-private", REFRESH_OPTION_IGNORE_PRIVATE},
	{"refresh-ims", REFRESH_OPTION_REFRESH_IMS},
	{"store-stale", REFRESH_OPTION_STORE_STALE},
	{"ignore-no-cache", 0},
	{"ignore-must-revalidate", 0},
	{"ignore-auth", 0},
};

/* Minutes within 0 to a year, as seconds. False, and said, if it is no number. */
static bool parse_minutes(struct str word, const char *what, int64_t *out_s, struct report *report)
{
	int64_t minutes;

	if (!str_to_i64(word, &minutes)) {
		report_say(report, REPORT_FATAL, "refresh_pattern: '%.*s' is no number of minutes",
		           STR_ARG(word));
		return false;
	}
	if (minutes < 0) {
		report_say(report, REPORT_WARNING,
		           "refresh_pattern %s value %lld is negative: 0 is used", what,
		           (long long)minutes);
		minutes = 0;
	}
	if (minutes > MINUTES_OF_YEAR) {
		report_say(report, REPORT_WARNING,
		           "refresh_pattern %s value %lld is more than a year: cut to one year",
		           what, (long long)minutes);
		minutes = MINUTES_OF_YEAR;
	}
	*out_s = minutes * 60;
	return true;
}

static bool parse_percent(struct str word, double *out, struct report *report)
{
	struct str digits = word;
	uint64_t percent;

	if (digits.len > 0 && digits.at[digits.len - 1] == '%')
		digits.len--;
	if (!str_to_u64(digits, &percent) || percent > INT32_MAX) {
		report_say(report, REPORT_FATAL, "refresh_pattern: '%.*s' is no percentage",
		           STR_ARG(word));
		return false;
	}
	*out = (double)percent;
	return true;
}

static void parse_option(struct str word, struct refresh_rule *rule, struct report *report)
{
	static const struct str max_stale = STR("max-stale=");

	if (str_starts_with(word, max_stale)) {
		int64_t max_stale_s;

		if (parse_minutes(str_from(word, max_stale.len), "max-stale", &max_stale_s, report))
			rule->max_stale_s = max_stale_s;
		return;
	}
	for (size_t i = 0; i < COUNT(options); i++) {
		if (!str_eq(word, str_of(options[i].name)))
			continue;
		rule->options |= options[i].option;
		if (options[i].option == 0)
			report_say(report, REPORT_WARNING,
			           "UPGRADE: refresh_pattern option '%s' is obsolete. Remove it.",
			           options[i].name);
		return;
	}
	report_say(report, REPORT_ERROR, "refreshAddToList: Unknown option '%.*s'", STR_ARG(word));
}

static void add_rule(struct refresh_rules *rules, struct regex *regex,
                     const struct refresh_rule *rule)
{
	if (rules->n == rules->cap) {
		rules->cap = rules->cap > 0 ? rules->cap * 2 : 8;
		rules->patterns =
			mem_realloc(rules->patterns, rules->cap * sizeof(*rules->patterns));
	}
	rules->patterns[rules->n++] = (struct pattern){regex, *rule};
	rules->options |= rule->options;
}

/* Steps over -i and +i. */
static size_t parse_flags(const struct words *words, unsigned *flags)
{
	size_t i = 1;

	for (*flags = 0; i < words->n; i++) {
		if (str_eq(words->at[i].text, STR("-i")))
			*flags = REGEX_NOCASE;
		else if (str_eq(words->at[i].text, STR("+i")))
			*flags = 0;
		else
			break;
	}
	return i;
}

void refresh_rules_parse(struct refresh_rules *rules, const struct words *words,
                         struct report *report)
{
	struct refresh_rule rule = {.max_stale_s = -1};
	struct err_text why;
	struct regex *regex;
	unsigned flags;
	size_t at = parse_flags(words, &flags);

	if (words->n < at + 4) {
		report_say(report, REPORT_FATAL,
		           "refresh_pattern needs REGEX MIN PERCENT MAX (MIN, MAX in minutes)");
		return;
	}
	if (!parse_minutes(words->at[at + 1].text, "minimum age", &rule.min_s, report) ||
	    !parse_percent(words->at[at + 2].text, &rule.percent, report) ||
	    !parse_minutes(words->at[at + 3].text, "maximum age", &rule.max_s, report))
		return;
	for (size_t i = at + 4; i < words->n; i++)
		parse_option(words->at[i].text, &rule, report);
	regex = regex_compile(words->at[at].text, flags, &why);
	if (regex == NULL) {
		report_say(report, REPORT_ERROR,
		           "refreshAddToList: Invalid regular expression '%.*s': %s",
		           STR_ARG(words->at[at].text), why.at);
		return;
	}
	rule.text = report_copy_line(report, words->line);
	add_rule(rules, regex, &rule);
}

/* ---- questions ---- */

const struct refresh_rule *refresh_rules_find(const struct refresh_rules *rules, struct str url)
{
	for (size_t i = 0; rules != NULL && i < rules->n; i++)
		if (regex_match(rules->patterns[i].regex, url) == REGEX_YES)
			return &rules->patterns[i].rule;
	return &otherwise;
}

bool refresh_rules_have_reload_option(const struct refresh_rules *rules)
{
	return rules != NULL && (rules->options & (REFRESH_OPTION_RELOAD_INTO_IMS |
	                                           REFRESH_OPTION_IGNORE_RELOAD)) != 0;
}
