/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/upgrade_rules.h"

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "squid-compat/acl/acl.h"

struct upgrade_rule {
	struct list node;
	char *protocol; /* what name and version are spans of */
	struct str name, version; /* version at NULL: any */
	bool is_allow;
	struct acl_condition *condition;
};

struct upgrade_rules {
	struct list rules; /* in the order of the file */
};

struct upgrade_rules *upgrade_rules_create(void)
{
	struct upgrade_rules *rules = mem_zalloc(sizeof(*rules));

	list_init(&rules->rules);
	return rules;
}

void upgrade_rules_destroy(struct upgrade_rules *rules)
{
	if (!rules)
		return;
	LIST_EACH_SAFE(node, &rules->rules) {
		struct upgrade_rule *rule = CONTAINER(node, struct upgrade_rule, node);

		acl_condition_destroy(rule->condition);
		mem_free(rule->protocol);
		mem_free(rule);
	}
	mem_free(rules);
}

bool upgrade_rules_is_empty(const struct upgrade_rules *rules)
{
	return list_is_empty(&rules->rules);
}

/* NAME ["/" VERSION] */
static void cut_protocol(struct str protocol, struct str *name, struct str *version)
{
	size_t slash = str_find_char(protocol, '/');

	*name = str_first(protocol, slash);
	*version = slash < protocol.len ? str_from(protocol, slash + 1) : STR_NONE;
}

static bool is_protocol(struct str protocol)
{
	struct str name, version;

	cut_protocol(protocol, &name, &version);
	return name.len > 0 && (!version.at || version.len > 0);
}

/* Words 1 and 2; false: they were found wanting. */
static bool is_good(const struct words *words, bool *is_allow, struct report *report)
{
	struct str protocol = words_text(words, 1), action = words_text(words, 2);

	*is_allow = str_eq(action, STR("allow"));
	if (!is_protocol(protocol)) {
		report_say(report, REPORT_FATAL,
		           "http_upgrade_request_protocols: not a protocol: '%.*s'",
		           STR_ARG(protocol));
		return false;
	}
	if (!*is_allow && !str_eq(action, STR("deny"))) {
		report_say(report, REPORT_ERROR,
		           "aclParseAccessLine: expecting 'allow' or 'deny', got '%.*s'.",
		           STR_ARG(action));
		return false;
	}
	if (words->n > 3)
		return true;
	report_say(report, REPORT_ERROR,
	           "aclParseAccessLine: Access line contains no ACL's, skipping");
	return false;
}

void upgrade_rules_parse(struct upgrade_rules *rules, struct acl_set *set,
                         const struct words *words, struct report *report)
{
	struct upgrade_rule *rule;
	bool is_allow;

	if (!is_good(words, &is_allow, report))
		return;
	rule = mem_zalloc(sizeof(*rule));
	rule->protocol = str_dup(words_text(words, 1));
	cut_protocol(str_of(rule->protocol), &rule->name, &rule->version);
	rule->is_allow = is_allow;
	rule->condition = acl_condition_create(set, words, 3, report);
	list_push_back(&rules->rules, &rule->node);
}

static bool names(const struct upgrade_rule *rule, struct str name)
{
	return !str_eq(rule->name, STR("OTHER")) && str_eq_nocase(rule->name, name);
}

static bool is_named(const struct upgrade_rules *rules, struct str name)
{
	LIST_EACH(node, &rules->rules)
		if (names(CONTAINER(node, struct upgrade_rule, node), name))
			return true;
	return false;
}

bool upgrade_rules_allow(const struct upgrade_rules *rules, struct str offer,
                         struct acl_facts *facts)
{
	struct str name, version;
	bool by_name;

	cut_protocol(offer, &name, &version);
	by_name = is_named(rules, name);
	LIST_EACH(node, &rules->rules) {
		const struct upgrade_rule *rule = CONTAINER(node, struct upgrade_rule, node);

		if (by_name ? !names(rule, name) : !str_eq(rule->name, STR("OTHER")))
			continue;
		if (rule->version.at && !(version.at && str_eq(rule->version, version)))
			continue;
		if (acl_condition_holds(rule->condition, facts))
			return rule->is_allow;
	}
	return false;
}
