/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/header_rules.h"

#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "squid-compat/log/logformat.h"

enum { MAX_FORMAT_BYTES = 8192 };

/* What the directives say about one name, All or Other. */
struct mangler {
	char *name;                 /* of those that have no id */
	struct access_list *access; /* NULL: no rule */
	char *replacement;          /* NULL: a denied field is left out */
};

struct header_rules {
	struct mangler by_id[FIELD_ID_COUNT];
	struct mangler *by_name;
	size_t nby_name, by_name_cap;
	struct mangler all, other;
	size_t nlists; /* access lists among them */
	struct header_addition *additions;
	size_t nadditions, additions_cap;
};

struct header_rules *header_rules_create(void)
{
	return mem_zalloc(sizeof(struct header_rules));
}

static void mangler_fini(struct mangler *mangler)
{
	mem_free(mangler->name);
	mem_free(mangler->replacement);
	access_list_destroy(mangler->access);
}

void header_rules_destroy(struct header_rules *rules)
{
	if (rules == NULL)
		return;
	for (size_t i = 0; i < FIELD_ID_COUNT; i++)
		mangler_fini(&rules->by_id[i]);
	for (size_t i = 0; i < rules->nby_name; i++)
		mangler_fini(&rules->by_name[i]);
	mangler_fini(&rules->all);
	mangler_fini(&rules->other);
	mem_free(rules->by_name);
	for (size_t i = 0; i < rules->nadditions; i++) {
		mem_free((char *)rules->additions[i].name.at);
		mem_free((char *)rules->additions[i].format.at);
		acl_condition_destroy((struct acl_condition *)rules->additions[i].condition);
	}
	mem_free(rules->additions);
	mem_free(rules);
}

static const struct mangler *find_by_name(const struct header_rules *rules, struct str name)
{
	for (size_t i = 0; i < rules->nby_name; i++)
		if (str_eq_nocase(str_of(rules->by_name[i].name), name))
			return &rules->by_name[i];
	return NULL;
}

/* The mangler that a line names, made if it is new. */
static struct mangler *open_mangler(struct header_rules *rules, struct str name)
{
	enum http_field_id id = http_field_id(name);
	struct mangler *known;

	if (str_eq_nocase(name, STR("All")))
		return &rules->all;
	if (str_eq_nocase(name, STR("Other")))
		return &rules->other;
	if (id != FIELD_OTHER)
		return &rules->by_id[id];
	known = (struct mangler *)find_by_name(rules, name);
	if (known != NULL)
		return known;
	if (rules->nby_name == rules->by_name_cap) {
		rules->by_name_cap = rules->by_name_cap > 0 ? rules->by_name_cap * 2 : 8;
		rules->by_name =
			mem_realloc(rules->by_name, rules->by_name_cap * sizeof(*rules->by_name));
	}
	rules->by_name[rules->nby_name] = (struct mangler){.name = str_dup(name)};
	return &rules->by_name[rules->nby_name++];
}

/* The name that a line is about; STR_NONE, and said, if it has none. */
static struct str parse_name(const struct words *words, size_t min_words, const char *syntax,
                             struct report *report)
{
	if (words->n >= min_words)
		return words->at[1].text;
	report_say(report, REPORT_FATAL, "%.*s needs %s", STR_ARG(words_text(words, 0)), syntax);
	return STR_NONE;
}

void header_rules_parse_access(struct header_rules *rules, struct acl_set *set,
                               const struct words *words, struct report *report)
{
	struct str name = parse_name(words, 2, "HEADER allow|deny ACL...", report);
	struct mangler *mangler;

	if (name.at == NULL)
		return;
	mangler = open_mangler(rules, name);
	if (mangler->access == NULL)
		mangler->access = access_list_create();
	else if (!access_list_is_empty(mangler->access))
		rules->nlists--;
	access_list_parse(mangler->access, set, words, 2, false, report);
	if (!access_list_is_empty(mangler->access))
		rules->nlists++;
}

static bool is_plain_text(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < 0x20 && text.at[i] != '\t')
			return false;
	return true;
}

void header_rules_parse_replace(struct header_rules *rules, const struct words *words,
                                struct report *report)
{
	struct str name = parse_name(words, 3, "HEADER TEXT", report);
	struct str text = words->n == 3 ? words_text(words, 2) : words_rest(words, 2);
	struct mangler *mangler;

	if (name.at == NULL)
		return;
	if (!is_plain_text(text)) {
		report_say(report, REPORT_FATAL, "the replacement for %.*s has control characters",
		           STR_ARG(name));
		return;
	}
	mangler = open_mangler(rules, name);
	mem_free(mangler->replacement);
	mangler->replacement = str_dup(text);
}

/* ---- additions ---- */

/* "..." with \ before a byte that stands for itself; *end is behind the closing quote. */
static bool parse_quoted(struct str line, size_t start, struct buf *out, size_t *end)
{
	for (size_t i = start + 1; i < line.len; i++) {
		if (line.at[i] == line.at[start]) {
			*end = i + 1;
			return !out->is_full;
		}
		if (line.at[i] == '\\' && i + 1 < line.len)
			i++;
		buf_add_char(out, line.at[i]);
	}
	return false;
}

bool header_format_parse(const struct words *words, struct buf *out, size_t *next)
{
	const struct word *word = &words->at[2];
	size_t end = word->raw_at;
	char first = end < words->line.len ? words->line.at[end] : '\0';

	*next = 3;
	if (word->is_quoted || (first != '"' && first != '\''))
		return buf_add_str(out, word->text);
	if (!parse_quoted(words->line, end, out, &end))
		return false;
	while (*next < words->n && words->at[*next].raw_at < end)
		++*next;
	return true;
}

static void add_addition(struct header_rules *rules, struct str name, struct str format,
                         const struct acl_condition *condition)
{
	if (rules->nadditions == rules->additions_cap) {
		rules->additions_cap = rules->additions_cap > 0 ? rules->additions_cap * 2 : 4;
		rules->additions = mem_realloc(rules->additions,
		                               rules->additions_cap * sizeof(*rules->additions));
	}
	rules->additions[rules->nadditions++] = (struct header_addition){
		.name = {str_dup(name), name.len},
		.format = {str_dup(format), format.len},
		.condition = condition,
	};
}

/* Said, if it is none. */
static bool is_format(struct str text, struct report *report)
{
	struct arena arena;
	bool is_one;

	arena_init(&arena, NULL, 0);
	is_one = logformat_compile(text, &arena, report) != NULL;
	arena_fini(&arena);
	return is_one;
}

void header_rules_parse_add(struct header_rules *rules, struct acl_set *set,
                            const struct words *words, struct report *report)
{
	struct str name = parse_name(words, 3, "HEADER \"FORMAT\" [ACL...]", report);
	struct buf format;
	size_t next;

	if (name.at == NULL)
		return;
	buf_init(&format, MAX_FORMAT_BYTES);
	if (!header_format_parse(words, &format, &next) || !is_plain_text(buf_str(&format)))
		report_say(
			report, REPORT_FATAL,
			"the format for %.*s lacks its closing quote, is too long or has control "
			"characters",
			STR_ARG(name));
	else if (is_format(buf_str(&format), report))
		add_addition(rules, name, buf_str(&format),
		             acl_condition_create(set, words, next, report));
	buf_fini(&format);
}

/* ---- questions ---- */

bool header_rules_is_empty(const struct header_rules *rules)
{
	return rules == NULL || rules->nlists == 0;
}

static bool has_rule(const struct mangler *mangler)
{
	return mangler != NULL && !access_list_is_empty(mangler->access);
}

/* Whose rules a field follows; NULL: nobody's. */
static const struct mangler *mangler_of(const struct header_rules *rules, enum http_field_id id,
                                        struct str name)
{
	const struct mangler *own =
		id != FIELD_OTHER ? &rules->by_id[id] : find_by_name(rules, name);

	if (has_rule(own))
		return own;
	if (id == FIELD_OTHER && has_rule(&rules->other))
		return &rules->other;
	return has_rule(&rules->all) ? &rules->all : NULL;
}

bool header_rules_allows(const struct header_rules *rules, enum http_field_id id, struct str name,
                         struct acl_facts *facts, struct str *replacement)
{
	const struct mangler *mangler;

	*replacement = STR_NONE;
	if (header_rules_is_empty(rules))
		return true;
	mangler = mangler_of(rules, id, name);
	if (mangler == NULL || access_list_allows(mangler->access, true, facts))
		return true;
	*replacement = str_of(mangler->replacement);
	return false;
}

size_t header_rules_nadditions(const struct header_rules *rules)
{
	return rules != NULL ? rules->nadditions : 0;
}

const struct header_addition *header_rules_addition(const struct header_rules *rules, size_t i)
{
	return &rules->additions[i];
}
