/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/note_rules.h"

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "squid-compat/header_rules.h"
#include "squid-compat/log/logformat.h"

enum { MAX_VALUE_BYTES = 65536 };

struct note_rule {
	struct list node;
	struct str key, value; /* in the arena */
	const struct logformat *format; /* NULL: value as it is */
	struct acl_condition *condition;
};

struct note_rules {
	struct list rules; /* in the order of the file */
	struct arena arena;
};

struct note_rules *note_rules_create(void)
{
	struct note_rules *rules = mem_zalloc(sizeof(*rules));

	list_init(&rules->rules);
	arena_init(&rules->arena, NULL, 0);
	return rules;
}

void note_rules_destroy(struct note_rules *rules)
{
	if (!rules)
		return;
	LIST_EACH_SAFE(node, &rules->rules) {
		struct note_rule *rule = CONTAINER(node, struct note_rule, node);

		acl_condition_destroy(rule->condition);
		mem_free(rule);
	}
	arena_fini(&rules->arena);
	mem_free(rules);
}

static bool is_quoted(const struct words *words, size_t i)
{
	size_t at = words->at[i].raw_at;

	return at < words->line.len && strchr("\"'", words->line.at[at]);
}

void note_rules_parse(struct note_rules *rules, struct acl_set *set, const struct words *words,
		      struct report *report)
{
	struct note_rule *rule;
	struct buf value;
	size_t next;

	buf_init(&value, MAX_VALUE_BYTES);
	if (words->n < 3 || !header_format_parse(words, &value, &next)) {
		report_say(report, REPORT_FATAL, "note needs KEY \"VALUE\" [ACL...]");
		buf_fini(&value);
		return;
	}
	rule = mem_zalloc(sizeof(*rule));
	rule->key = arena_str(&rules->arena, words_text(words, 1));
	rule->value = arena_str(&rules->arena, buf_str(&value));
	if (is_quoted(words, 2))
		rule->format = logformat_compile(rule->value, &rules->arena, report);
	rule->condition = acl_condition_create(set, words, next, report);
	list_push_back(&rules->rules, &rule->node);
	buf_fini(&value);
}

bool note_rules_is_empty(const struct note_rules *rules)
{
	return list_is_empty(&rules->rules);
}

void note_rules_apply(const struct note_rules *rules, struct acl_facts *facts,
		      const struct log_facts *log_facts)
{
	LIST_EACH(node, &rules->rules) {
		const struct note_rule *rule = CONTAINER(node, struct note_rule, node);
		struct buf text;

		if (!acl_condition_holds(rule->condition, facts))
			continue;
		buf_init(&text, MAX_VALUE_BYTES);
		if (rule->format)
			logformat_render(rule->format, log_facts, &text);
		else
			buf_add_str(&text, rule->value);
		notes_add(facts->notes, facts->arena, rule->key, buf_str(&text));
		buf_fini(&text);
	}
}
