/* SPDX-License-Identifier: BSD-2-Clause */
/* Rule lists and their evaluation. */
#include "squid-compat/acl/acl_internal.h"

#include <stdatomic.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"

enum { CONTEXT_SAID_EVERY_MS = 60 * 1000 };

/* ---- one ACL ---- */

enum acl_match acl_check_need(struct acl_check *check, enum acl_need need)
{
	if (check->is_fast)
		return ACL_MISMATCH;
	check->result->need = need;
	return ACL_STOP;
}

enum acl_match acl_check_undecided(struct acl_check *check)
{
	check->result->is_undecided = true;
	return ACL_STOP;
}

/* Without good credentials there is no answer but "who are you?". */
enum acl_match acl_check_user(struct acl_check *check)
{
	switch (check->facts->auth) {
	case ACL_AUTH_OK:
		return ACL_MATCH;
	case ACL_AUTH_UNKNOWN:
		return acl_check_need(check, ACL_NEED_AUTH);
	case ACL_AUTH_NONE:
	case ACL_AUTH_FAILED:
		break;
	}
	check->result->is_auth_required = true;
	return acl_check_undecided(check);
}

static void say_without_context(const struct acl *acl, const char *what)
{
	static _Atomic int64_t said_at_ms;
	int64_t now_ms = clock_mono_ms();
	int64_t last_ms = atomic_load_explicit(&said_at_ms, memory_order_relaxed);

	if (last_ms != 0 && now_ms - last_ms < CONTEXT_SAID_EVERY_MS)
		return;
	/* relaxed: whoever wins the exchange says it, nothing else hangs on the value */
	if (atomic_compare_exchange_strong_explicit(&said_at_ms, &last_ms, now_ms,
	                                            memory_order_relaxed, memory_order_relaxed))
		log_say(1,
		        "WARNING: %s ACL is used in context without an HTTP %s. "
		        "Assuming mismatch.",
		        acl->name, what);
}

static bool has_context(const struct acl *acl, const struct acl_facts *facts)
{
	if ((acl->type->flags & ACL_WANTS_REQUEST) && !acl_facts_has_request(facts)) {
		say_without_context(acl, "request");
		return false;
	}
	if ((acl->type->flags & ACL_WANTS_REPLY) && !acl_facts_has_reply(facts)) {
		say_without_context(acl, "response");
		return false;
	}
	return true;
}

static enum acl_match match_one(const struct acl *acl, struct acl_check *check)
{
	check->last = acl;
	if (!has_context(acl, check->facts))
		return ACL_MISMATCH;
	return acl->type->match(acl, check);
}

static enum acl_match term_match(const struct acl_term *term, struct acl_check *check)
{
	bool match_favours = check->match_favours;
	enum acl_match match;

	check->match_favours = match_favours != term->is_negated;
	match = match_one(term->acl, check);
	check->match_favours = match_favours;
	return match;
}

enum acl_match acl_terms_match(const struct acl_term *terms, size_t n, struct acl_check *check)
{
	for (size_t i = 0; i < n; i++) {
		enum acl_match match = term_match(&terms[i], check);

		if (match == ACL_STOP)
			return ACL_STOP;
		if ((match == ACL_MATCH) == terms[i].is_negated)
			return ACL_MISMATCH;
	}
	return ACL_MATCH;
}

/* ---- lists ---- */

struct access_rule {
	enum acl_verdict verdict;
	struct acl_term *terms;
	size_t nterms;
	char *text; /* "FILE:LINE: TEXT" */
};

struct access_list {
	const struct acl_set *set;
	struct access_rule *rules;
	size_t n, cap;
	bool is_fast;
};

struct access_list *access_list_create(void)
{
	return mem_zalloc(sizeof(struct access_list));
}

void access_list_destroy(struct access_list *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->n; i++) {
		mem_free(list->rules[i].terms);
		mem_free(list->rules[i].text);
	}
	mem_free(list->rules);
	mem_free(list);
}

bool access_list_is_empty(const struct access_list *list)
{
	return list == NULL || list->n == 0;
}

bool access_list_names(const struct access_list *list, struct str acl)
{
	for (size_t i = 0; list != NULL && i < list->n; i++)
		for (size_t j = 0; j < list->rules[i].nterms; j++)
			if (str_eq_nocase(str_of(list->rules[i].terms[j].acl->name), acl))
				return true;
	return false;
}

/* The ACLs from word first on. False, and said, if one is unknown; then there are none. */
static bool parse_terms(const struct acl_set *set, const struct words *words, size_t first,
                        struct report *report, struct acl_term **terms, size_t *nterms)
{
	size_t n = words->n > first ? words->n - first : 0;

	*terms = mem_array(n > 0 ? n : 1, sizeof(**terms));
	*nterms = n;
	for (size_t i = 0; i < n; i++) {
		if (acl_term_parse(set, words->at[first + i].text, &(*terms)[i], report))
			continue;
		mem_free(*terms);
		*terms = NULL;
		*nterms = 0;
		return false;
	}
	return true;
}

static void warn_of_slow(const struct acl_term *terms, size_t n, const struct words *words,
                         struct report *report)
{
	for (size_t i = 0; i < n; i++)
		if (terms[i].acl->is_slow)
			report_say(report, REPORT_WARNING,
			           "%.*s can't wait for ACL '%s' (type %s): it uses what is known "
			           "already, else assumes a mismatch",
			           STR_ARG(words_text(words, 0)), terms[i].acl->name,
			           terms[i].acl->type->name);
}

static bool parse_action(struct str word, enum acl_verdict *out, struct report *report)
{
	if (str_eq(word, STR("allow"))) {
		*out = ACL_ALLOW;
		return true;
	}
	if (str_eq(word, STR("deny"))) {
		*out = ACL_DENY;
		return true;
	}
	if (word.len == 0)
		report_say(report, REPORT_ERROR, "aclParseAccessLine: missing 'allow' or 'deny'.");
	else
		report_say(report, REPORT_ERROR,
		           "aclParseAccessLine: expecting 'allow' or 'deny', got '%.*s'.",
		           STR_ARG(word));
	return false;
}

void access_list_parse(struct access_list *list, struct acl_set *set, const struct words *words,
                       size_t first_word, bool allows_slow, struct report *report)
{
	struct access_rule rule;

	if (!parse_action(words_text(words, first_word), &rule.verdict, report))
		return;
	if (words->n <= first_word + 1) {
		report_say(report, REPORT_ERROR,
		           "aclParseAccessLine: Access line contains no ACL's, skipping");
		return;
	}
	if (!parse_terms(set, words, first_word + 1, report, &rule.terms, &rule.nterms))
		return;
	for (size_t i = 0; rule.verdict == ACL_DENY && i < rule.nterms; i++)
		rule.terms[i].acl->is_denied |= !rule.terms[i].is_negated;
	if (!allows_slow)
		warn_of_slow(rule.terms, rule.nterms, words, report);
	if (list->n == list->cap) {
		list->cap = list->cap > 0 ? list->cap * 2 : 8;
		list->rules = mem_realloc(list->rules, list->cap * sizeof(*list->rules));
	}
	rule.text = report_copy_line(report, words->line);
	list->set = set;
	list->is_fast = !allows_slow;
	list->rules[list->n++] = rule;
}

void access_list_join(struct access_list *list, struct access_list *behind)
{
	size_t n = list->n + behind->n;

	check(list->set == behind->set || list->n == 0 || behind->n == 0);
	list->rules = mem_realloc(list->rules, (n > 0 ? n : 1) * sizeof(*list->rules));
	list->cap = n > 0 ? n : 1;
	for (size_t i = 0; i < behind->n; i++)
		list->rules[list->n++] = behind->rules[i];
	if (behind->n > 0) {
		list->set = behind->set;
		list->is_fast = behind->is_fast;
	}
	behind->n = 0;
	access_list_destroy(behind);
}

/* Whom access_list_explain tells; tell NULL: nobody. */
struct listener {
	access_list_tell_fn *tell;
	void *user;
};

static enum acl_verdict answer(const struct access_list *list, struct acl_check *check,
                               const struct listener *listener)
{
	struct acl_key key;

	if (list->n > 1)
		acl_filter_key(check->facts, &key);
	for (size_t i = 0; i < list->n; i++) {
		const struct access_rule *rule = &list->rules[i];
		enum acl_match match;

		/* The last one always counts as looked at: deny_info asks for its last ACL. */
		if (!listener->tell && i + 1 < list->n &&
		    !acl_filter_admits(rule->terms, rule->nterms, &key))
			continue;
		check->match_favours = rule->verdict == ACL_ALLOW;
		match = acl_terms_match(rule->terms, rule->nterms, check);
		if (listener->tell)
			listener->tell(listener->user, rule->text, match == ACL_MATCH,
			               check->last ? check->last->name : "none");
		if (match != ACL_MISMATCH)
			check->result->line = rule->text;
		switch (match) {
		case ACL_MATCH:
			return rule->verdict;
		case ACL_MISMATCH:
			break;
		case ACL_STOP:
			return check->result->need != ACL_NEED_NOTHING ? ACL_NEED : ACL_DENY;
		}
	}
	return list->rules[list->n - 1].verdict == ACL_ALLOW ? ACL_DENY : ACL_ALLOW;
}

/* A draw lasts for one check, however often it is evaluated until its facts are there. */
static void end_draw(struct acl_facts *facts, enum acl_verdict verdict)
{
	if (verdict != ACL_NEED)
		facts->random_seed = 0;
}

static enum acl_verdict check_list(const struct access_list *list, enum acl_verdict otherwise,
                                   struct acl_facts *facts, struct acl_result *result,
                                   const struct listener *listener)
{
	struct acl_check check = {.facts = facts, .result = result};
	enum acl_verdict verdict = otherwise;

	*result = (struct acl_result){0};
	if (access_list_is_empty(list))
		return otherwise;
	check(acl_set_is_sealed(list->set));
	check.is_fast = facts->is_fast || list->is_fast;
	verdict = answer(list, &check, listener);
	end_draw(facts, verdict);
	if (check.last != NULL) {
		result->last_acl = check.last->name;
		result->is_rechallenge =
			verdict == ACL_DENY && check.last->is_about_user;
	}
	return verdict;
}

enum acl_verdict access_list_check(const struct access_list *list, enum acl_verdict otherwise,
                                   struct acl_facts *facts, struct acl_result *result)
{
	static const struct listener nobody;

	return check_list(list, otherwise, facts, result, &nobody);
}

enum acl_verdict access_list_explain(const struct access_list *list, enum acl_verdict otherwise,
                                     struct acl_facts *facts, struct acl_result *result,
                                     access_list_tell_fn *tell, void *user)
{
	const struct listener listener = {tell, user};

	return check_list(list, otherwise, facts, result, &listener);
}

bool access_list_allows(const struct access_list *list, bool otherwise, struct acl_facts *facts)
{
	bool was_fast = facts->is_fast;
	struct acl_result result;
	enum acl_verdict verdict;

	facts->is_fast = true;
	verdict = access_list_check(list, otherwise ? ACL_ALLOW : ACL_DENY, facts, &result);
	facts->is_fast = was_fast;
	return verdict == ACL_ALLOW;
}

/* ---- conditions ---- */

struct acl_condition {
	const struct acl_set *set;
	struct acl_term *terms;
	size_t nterms;
	bool is_broken; /* names an unknown ACL */
};

struct acl_condition *acl_condition_create(struct acl_set *set, const struct words *words,
                                           size_t first_word, struct report *report)
{
	struct acl_condition *condition = mem_zalloc(sizeof(*condition));

	condition->set = set;
	condition->is_broken =
		!parse_terms(set, words, first_word, report, &condition->terms, &condition->nterms);
	warn_of_slow(condition->terms, condition->nterms, words, report);
	return condition;
}

void acl_condition_destroy(struct acl_condition *condition)
{
	if (condition == NULL)
		return;
	mem_free(condition->terms);
	mem_free(condition);
}

bool acl_condition_holds(const struct acl_condition *condition, struct acl_facts *facts)
{
	struct acl_result result = {0};
	struct acl_check check = {.facts = facts, .result = &result, .is_fast = true};
	bool holds;

	if (condition->is_broken)
		return false;
	check(acl_set_is_sealed(condition->set));
	holds = acl_terms_match(condition->terms, condition->nterms, &check) == ACL_MATCH;
	end_draw(facts, ACL_ALLOW);
	return holds;
}

bool acl_set_holds(const struct acl_set *set, struct str text, struct acl_facts *facts)
{
	bool is_negated = text.len > 0 && *text.at == '!';
	const struct acl_term term = {acl_set_find(set, str_from(text, is_negated)), is_negated};
	struct acl_result result = {0};
	struct acl_check check = {.facts = facts, .result = &result, .is_fast = true};
	bool holds = term.acl && acl_terms_match(&term, 1, &check) == ACL_MATCH;

	end_draw(facts, ACL_ALLOW);
	return holds;
}
