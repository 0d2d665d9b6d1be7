/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/socket_rules.h"

#include <stdlib.h>

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/world.h"

enum { TOS_MAX = 255, TOS_MASK = 0xfc /* the other two bits are ECN's, RFC 3168 */ };

struct socket_rule {
	struct list node;
	struct addr address;
	int tos;
	struct acl_condition *condition;
};

struct socket_rules {
	struct list rules; /* in the order of the file */
};

struct socket_rules *socket_rules_create(void)
{
	struct socket_rules *rules = mem_zalloc(sizeof(*rules));

	list_init(&rules->rules);
	return rules;
}

void socket_rules_destroy(struct socket_rules *rules)
{
	if (!rules)
		return;
	LIST_EACH_SAFE(node, &rules->rules) {
		struct socket_rule *rule = CONTAINER(node, struct socket_rule, node);

		acl_condition_destroy(rule->condition);
		mem_free(rule);
	}
	mem_free(rules);
}

static void add(struct socket_rules *rules, const struct socket_rule *values, struct acl_set *set,
                const struct words *words, struct report *report)
{
	struct socket_rule *rule = mem_alloc(sizeof(*rule));

	*rule = *values;
	rule->condition = acl_condition_create(set, words, 2, report);
	list_push_back(&rules->rules, &rule->node);
}

void socket_rules_parse_address(struct socket_rules *rules, struct acl_set *set,
                                const struct words *words, const struct world *world,
                                struct report *report)
{
	struct str text = words_text(words, 1);
	struct socket_rule rule = {0};
	char *name = str_dup(text);

	if (addr_parse(text, 0, &rule.address) ||
	    (text.len > 0 && world->resolve(name, 0, &rule.address, 1) > 0))
		add(rules, &rule, set, words, report);
	else
		report_say(report, REPORT_FATAL, "invalid IP address or domain name '%s'", name);
	mem_free(name);
}

/* Decimal, 0x of base 16, or 0 of base 8; false: it is none, or more than a byte. */
static bool parse_tos(const char *text, int *out)
{
	char *end;
	long value;

	if (ascii_hex(text[0]) < 0)
		return false;
	value = strtol(text, &end, 0);
	*out = (int)value;
	return *end == '\0' && end != text && value >= 0 && value <= TOS_MAX;
}

void socket_rules_parse_tos(struct socket_rules *rules, struct acl_set *set,
                            const struct words *words, struct report *report)
{
	char *text = str_dup(words_text(words, 1));
	struct socket_rule rule = {0};

	if (!parse_tos(text, &rule.tos)) {
		report_say(report, REPORT_FATAL, "'%s' is no TOS: 0 to 255", text);
	} else {
		if (rule.tos & ~TOS_MASK)
			report_say(report, REPORT_WARNING, "Tos value '%d' adjusted to '%d'",
			           rule.tos, rule.tos & TOS_MASK);
		rule.tos &= TOS_MASK;
		add(rules, &rule, set, words, report);
	}
	mem_free(text);
}

const struct addr *socket_rules_address(const struct socket_rules *rules, struct acl_facts *facts,
                                        int family)
{
	LIST_EACH(node, &rules->rules) {
		const struct socket_rule *rule = CONTAINER(node, struct socket_rule, node);

		if (rule->address.as.any.sa_family == family &&
		    acl_condition_holds(rule->condition, facts))
			return &rule->address;
	}
	return NULL;
}

int socket_rules_tos(const struct socket_rules *rules, struct acl_facts *facts)
{
	LIST_EACH(node, &rules->rules) {
		const struct socket_rule *rule = CONTAINER(node, struct socket_rule, node);

		if (acl_condition_holds(rule->condition, facts))
			return rule->tos;
	}
	return 0;
}
