/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/size_rules.h"

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/values.h"

struct size_rule {
	struct list node;
	int64_t bytes;
	struct acl_condition *condition;
};

struct size_rules {
	struct list rules; /* in the order of the file */
};

struct size_rules *size_rules_create(void)
{
	struct size_rules *rules = mem_zalloc(sizeof(*rules));

	list_init(&rules->rules);
	return rules;
}

bool size_rules_is_empty(const struct size_rules *rules)
{
	return list_is_empty(&rules->rules);
}

void size_rules_destroy(struct size_rules *rules)
{
	if (!rules)
		return;
	LIST_EACH_SAFE(node, &rules->rules) {
		struct size_rule *rule = CONTAINER(node, struct size_rule, node);

		acl_condition_destroy(rule->condition);
		mem_free(rule);
	}
	mem_free(rules);
}

void size_rules_parse(struct size_rules *rules, struct acl_set *set, const struct words *words,
                      struct report *report)
{
	struct size_rule *rule;
	int64_t bytes;
	size_t i = 1;

	if (!value_size(words, &i, report, "bytes", &bytes))
		return;
	rule = mem_zalloc(sizeof(*rule));
	rule->bytes = bytes;
	rule->condition = acl_condition_create(set, words, i, report);
	list_push_back(&rules->rules, &rule->node);
}

int64_t size_rules_find(const struct size_rules *rules, struct acl_facts *facts, int64_t otherwise)
{
	LIST_EACH(node, &rules->rules) {
		const struct size_rule *rule = CONTAINER(node, struct size_rule, node);

		if (acl_condition_holds(rule->condition, facts))
			return rule->bytes;
	}
	return otherwise;
}
