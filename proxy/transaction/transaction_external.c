/* SPDX-License-Identifier: BSD-2-Clause */
/* External ACLs: what their helpers are asked on behalf of a transaction, and what their answers do
 * to it. An answer stays as it is for the transaction, however long it is kept elsewhere; it is
 * asked for again when the URL was rewritten, or the reply has come and the question speaks of
 * it. */
#include "proxy/server.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/transaction/transaction_log.h"
#include "proxy/transaction/user_ips.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/external_acl_config.h"
#include "squid-compat/log/logformat.h"

enum { DATA_MAX_BYTES = 65536, VALUE_MAX_BYTES = 8192 };

/* What a helper said about one ACL. In the transaction's arena. */
struct external_fact {
	struct external_fact *next;
	const struct acl_external *acl;
	enum acl_external_state state;
	struct external_acl_answer *answer; /* a reference; NULL: none */
	bool is_old;                        /* its question has changed since */
};

static const struct external_acl_type *type_of(const struct transaction *t,
					       const struct acl_external *acl)
{
	return t->snapshot->external_types[acl->type];
}

/* ---- the question */

static void render_question(struct transaction *t, const struct acl_external *acl, struct buf *out)
{
	const struct external_acl_type *type = type_of(t, acl);
	struct log_facts *facts = transaction_log_facts(t);
	struct buf data;

	buf_init(&data, DATA_MAX_BYTES);
	external_acl_write_data(type, acl, &data);
	facts->acl_name = str_of(acl->name);
	facts->acl_data = buf_str(&data);
	if (type->wants_reply && t->facts.reply)
		facts->reply_head = &t->facts.reply->head;
	logformat_render(type->format, facts, out);
	buf_fini(&data);
}

/* ---- the answer */

/* A value of the helper's that goes into logs, headers and ACLs; at NULL: none that is good. */
static struct str good_value(const struct external_acl_answer *answer, struct str key)
{
	struct str value = external_acl_answer_value(answer, key);

	return value.len > 0 && value.len <= VALUE_MAX_BYTES && helper_value_is_clean(value)
	               ? value
	               : STR_NONE;
}

static void take_value(const struct external_acl_answer *answer, struct str key, struct str *out)
{
	struct str value = good_value(answer, key);

	if (value.at)
		*out = value;
}

/* The values lie in the answer, to which the transaction has a reference. */
static void apply(struct transaction *t, const struct external_acl_answer *answer)
{
	struct str message = external_acl_answer_value(answer, STR("message"));

	take_value(answer, STR("user"), &t->facts.external_user);
	take_value(answer, STR("password"), &t->external_password);
	take_value(answer, STR("log"), &t->external_log);
	if (t->facts.external_tag.len == 0) /* the first one stays */
		take_value(answer, STR("tag"), &t->facts.external_tag);
	if (message.len > 0)
		t->external_message = message;
	transaction_add_notes(t, answer->pairs, answer->npairs);
}

static struct external_fact *find_fact(const struct transaction *t, const struct acl_external *acl)
{
	struct external_fact *fact = t->externals;

	while (fact && (fact->acl != acl || fact->is_old))
		fact = fact->next;
	return fact;
}

/* No helper answered: what on-error= makes of that. */
static enum acl_external_state state_without_answer(struct transaction *t,
						    const struct acl_external *acl)
{
	switch (type_of(t, acl)->children.on_error) {
	case HELPER_ON_ERROR_ALLOW:
		return ACL_EXTERNAL_FAVOURS;
	case HELPER_ON_ERROR_503:
		t->lacks_helper = true;
		break;
	case HELPER_ON_ERROR_USUAL:
		t->lacks_helper |= helper_pool_is_down(t->snapshot->external_pools[acl->type]);
		break;
	case HELPER_ON_ERROR_DENY:
	case HELPER_ON_ERROR_BYPASS: /* refused by the configuration */
	case HELPER_ON_ERROR_STALE:
		break;
	}
	return ACL_EXTERNAL_UNDECIDED;
}

/* Takes over the reference to answer. */
static struct external_fact *remember(struct transaction *t, const struct acl_external *acl,
					enum external_acl_verdict verdict,
					struct external_acl_answer *answer)
{
	static const enum acl_external_state states[] = {
		[EXTERNAL_ACL_MATCH] = ACL_EXTERNAL_MATCH,
		[EXTERNAL_ACL_MISMATCH] = ACL_EXTERNAL_MISMATCH,
		[EXTERNAL_ACL_UNDECIDED] = ACL_EXTERNAL_UNDECIDED,
		[EXTERNAL_ACL_PENDING] = ACL_EXTERNAL_UNKNOWN,
	};
	struct external_fact *fact = arena_zalloc(&t->arena, sizeof(*fact));

	fact->next = t->externals;
	fact->acl = acl;
	fact->state = states[verdict];
	fact->answer = answer;
	t->externals = fact;
	if (answer)
		apply(t, answer);
	return fact;
}

/* The hook of the ACLs. What is not known leaves its question for transaction_ask_external. */
static enum acl_external_state external_state(struct acl_facts *facts,
					      const struct acl_external *acl)
{
	struct transaction *t = facts->hooks_owner;
	struct external_fact *fact = find_fact(t, acl);
	struct external_acl_answer *answer;
	enum external_acl_verdict verdict;
	struct buf question;
	bool is_known;

	if (fact)
		return fact->state;
	buf_init(&question, EXTERNAL_ACL_MAX_ASK_BYTES);
	render_question(t, acl, &question);
	is_known = !question.is_full &&
		   external_acl_known(t->snapshot->externals[acl->type], buf_str(&question),
				      t->worker->loop, &verdict, &answer);
	if (!is_known)
		t->external_question =
			question.is_full ? STR_NONE : arena_str(&t->arena, buf_str(&question));
	buf_fini(&question);
	return is_known ? remember(t, acl, verdict, answer)->state : ACL_EXTERNAL_UNKNOWN;
}

/* ---- asking */

static struct external_fact *take_answer(struct transaction *t)
{
	struct external_acl_query *query = &t->external;
	struct external_fact *fact =
		remember(t, t->external_asked, query->verdict, query->answer);

	query->answer = NULL; /* the fact's now */
	external_acl_query_fini(query);
	return fact;
}

static void external_done(struct external_acl_query *query)
{
	struct transaction *t = CONTAINER(query, struct transaction, external);
	struct external_fact *fact = take_answer(t);

	if (fact->state == ACL_EXTERNAL_UNDECIDED)
		fact->state = state_without_answer(t, fact->acl);
	t->waiting &= ~(unsigned)WAIT_EXTERNAL;
	transaction_resume(t);
}

/* What cannot be asked at all, for the client made the question too long or worse, stays
 * undecided. */
bool transaction_ask_external(struct transaction *t, const struct acl_external *acl)
{
	t->external.loop = t->worker->loop;
	t->external.done = external_done;
	t->external_asked = acl;
	if (!t->external_question.at) { /* too long */
		remember(t, acl, EXTERNAL_ACL_UNDECIDED, NULL);
		return true;
	}
	if (external_acl_ask(t->snapshot->externals[acl->type], t->external_question,
			     &t->external) == EXTERNAL_ACL_PENDING) {
		t->waiting |= WAIT_EXTERNAL;
		return false;
	}
	take_answer(t);
	return true;
}

void transaction_forget_externals(struct transaction *t, bool is_for_reply)
{
	for (struct external_fact *fact = t->externals; fact; fact = fact->next)
		fact->is_old |= !is_for_reply || type_of(t, fact->acl)->wants_reply;
}

void transaction_drop_externals(struct transaction *t)
{
	external_acl_query_fini(&t->external);
	for (struct external_fact *fact = t->externals; fact; fact = fact->next)
		external_acl_answer_unref(fact->answer);
	t->externals = NULL;
}

/* ---- the user's addresses */

static bool has_too_many_ips(struct acl_facts *facts, unsigned max, bool is_strict)
{
	struct transaction *t = facts->hooks_owner;
	struct user_ips *ips = t->worker->server->user_ips;

	if (t->nuser_ips == 0)
		t->nuser_ips = user_ips_note(ips, facts->user, facts->client,
					     loop_now_ms(t->worker->loop),
					     transaction_config(t)->authenticate_ip_ttl_ms);
	if (t->nuser_ips <= max)
		return false;
	user_ips_forget(ips, facts->user, is_strict ? facts->client : NULL);
	return true;
}

const struct acl_hooks transaction_acl_hooks = {
	.external = external_state,
	.has_too_many_ips = has_too_many_ips,
};
