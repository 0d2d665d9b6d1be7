/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/auth_schemes.h"

#include "lib/base/heap.h"
#include "lib/base/list.h"

struct rule {
	struct list node;
	enum auth_kind kinds[AUTH_KINDS];
	size_t n;
	bool is_all;
	struct acl_condition *condition;
};

struct auth_schemes {
	struct list rules; /* in the order of the file */
};

struct auth_schemes *auth_schemes_create(void)
{
	struct auth_schemes *schemes = mem_zalloc(sizeof(*schemes));

	list_init(&schemes->rules);
	return schemes;
}

void auth_schemes_destroy(struct auth_schemes *schemes)
{
	if (!schemes)
		return;
	LIST_EACH_SAFE(node, &schemes->rules) {
		struct rule *rule = CONTAINER(node, struct rule, node);

		acl_condition_destroy(rule->condition);
		mem_free(rule);
	}
	mem_free(schemes);
}

static bool has_kind(const struct rule *rule, enum auth_kind kind)
{
	for (size_t i = 0; i < rule->n; i++)
		if (rule->kinds[i] == kind)
			return true;
	return false;
}

static bool read_list(struct rule *rule, struct str text, struct report *report)
{
	struct str name;
	enum auth_kind kind;

	rule->is_all = str_eq(text, STR("ALL"));
	while (!rule->is_all && str_split(&text, ',', &name)) {
		name = str_trim(name);
		if (!auth_kind_find(name, &kind)) {
			report_say(report, REPORT_FATAL,
			           "auth_schemes: unknown authentication scheme '%.*s'",
			           STR_ARG(name));
			return false;
		}
		if (has_kind(rule, kind)) {
			report_say(report, REPORT_FATAL, "auth_schemes: '%.*s' comes twice",
			           STR_ARG(name));
			return false;
		}
		rule->kinds[rule->n++] = kind;
	}
	return true;
}

static struct str unquoted(struct str text)
{
	bool is_quoted = text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"';

	return is_quoted ? (struct str){text.at + 1, text.len - 2} : text;
}

void auth_schemes_parse(struct auth_schemes *schemes, struct acl_set *set,
                        const struct words *words, struct report *report)
{
	struct rule *rule;

	if (words->n < 3) {
		report_say(report, REPORT_FATAL, "auth_schemes needs SCHEME,... ACL...");
		return;
	}
	rule = mem_zalloc(sizeof(*rule));
	if (!read_list(rule, unquoted(words_text(words, 1)), report)) {
		mem_free(rule);
		return;
	}
	rule->condition = acl_condition_create(set, words, 2, report);
	list_push_back(&schemes->rules, &rule->node);
}

static const struct rule *find_rule(const struct auth_schemes *schemes, struct acl_facts *facts)
{
	LIST_EACH(node, &schemes->rules) {
		const struct rule *rule = CONTAINER(node, struct rule, node);

		if (acl_condition_holds(rule->condition, facts))
			return rule;
	}
	return NULL;
}

static size_t all_usable(const struct auth_config *config, enum auth_kind out[AUTH_KINDS])
{
	size_t n = 0;

	for (unsigned order = 0; order < config->nmentioned; order++)
		for (unsigned i = 0; i < AUTH_KINDS; i++)
			if (auth_is_usable(&config->schemes[i]) &&
			    config->schemes[i].order == order)
				out[n++] = (enum auth_kind)i;
	return n;
}

size_t auth_schemes_offered(const struct auth_schemes *schemes, const struct auth_config *config,
                            struct acl_facts *facts, enum auth_kind out[AUTH_KINDS])
{
	const struct rule *rule = find_rule(schemes, facts);
	size_t n = 0;

	if (!rule || rule->is_all)
		return all_usable(config, out);
	for (size_t i = 0; i < rule->n; i++)
		if (auth_is_usable(&config->schemes[rule->kinds[i]]))
			out[n++] = rule->kinds[i];
	return n;
}
