/* SPDX-License-Identifier: BSD-2-Clause */
/* First the peer that the client sticks to, or that the configured method prefers, then every other
 * usable one in the order of the file, then backups: what fails is tried elsewhere. */
#include "proxy/fetch/peer_select.h"

#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/http/message.h"
#include "proxy/fetch/balance.h"
#include "proxy/fetch/carp.h"
#include "proxy/fetch/peer_sticky.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"

enum { SLOW_START_PERMILLE = 100 }; /* of its share, at least */

enum verdict {
	UNKNOWN = 0,
	USABLE,
	COMES_BACK, /* usable, though not as the first: slow-start */
	FULL,       /* at its max-conn */
	SUSPECT,    /* down for what the next request may find mended: when there is nobody else */
	DRAINED,    /* for those that stick to it */
	NOT,
};

static const struct peer *first_peer(const struct peer_selection *s)
{
	return snapshot_config(s->snapshot_)->peers->first;
}

static struct peer_state *state_of(const struct peer_selection *s, const struct peer *peer)
{
	return s->snapshot_->peers[peer->index];
}

static int64_t now_ms(const struct peer_selection *s)
{
	return loop_now_ms(s->worker_->loop);
}

/* ---- may it be used? */

static bool is_allowed(const struct peer_selection *s, const struct peer *peer)
{
	return !peer->is_unusable && peer_type_for(peer, s->facts_->host) == PEER_PARENT &&
	       (!peer->access || access_list_allows(peer->access, true, s->facts_));
}

/* What the request asks for would be tried elsewhere if it had no answer. */
static bool may_be_tried_out(const struct peer_selection *s)
{
	const struct http_request *request = s->facts_->request;

	return request && request->body == HTTP_BODY_NONE &&
	       http_method_is_idempotent(request->method);
}

static enum verdict judge_down(struct peer_selection *s, const struct peer *peer,
			       struct peer_state *state)
{
	if (atomic_load_explicit(&state->down, memory_order_relaxed) &
	    ~(unsigned)(PEER_FAULT_ANSWER | PEER_FAULT_REFUSED))
		return NOT;
	if (!peer->check.target.at && may_be_tried_out(s) && peer_state_may_try(state, now_ms(s)))
		return USABLE;
	return SUSPECT;
}

/* A peer that came back gets its share bit by bit. */
static bool lets_pass(struct peer_selection *s, const struct peer *peer,
		      const struct peer_state *state)
{
	int64_t revived_ms = atomic_load_explicit(&state->revived_ms, memory_order_relaxed);
	int64_t age_ms = now_ms(s) - revived_ms, permille;

	if (peer->slow_start_ms == 0 || revived_ms == 0 || age_ms >= peer->slow_start_ms)
		return false;
	permille = age_ms * 1000 / peer->slow_start_ms;
	if (permille < SLOW_START_PERMILLE)
		permille = SLOW_START_PERMILLE;
	return balance_draw_permille(s->balance_) >= permille;
}

static bool is_full(const struct peer *peer, const struct peer_state *state)
{
	return peer->max_conn > 0 && atomic_load_explicit(&state->nactive, memory_order_relaxed) >=
					     (int)peer->max_conn;
}

static enum verdict judge(struct peer_selection *s, const struct peer *peer)
{
	struct peer_state *state = state_of(s, peer);

	if (!is_allowed(s, peer))
		return NOT;
	if (!peer_state_is_up(state))
		return judge_down(s, peer, state);
	if (atomic_load_explicit(&state->is_drained, memory_order_relaxed))
		return DRAINED;
	if (is_full(peer, state))
		return FULL;
	return lets_pass(s, peer, state) ? COMES_BACK : USABLE;
}

/* Asked once for each peer: the answer holds for the whole selection. */
static enum verdict verdict_of(struct peer_selection *s, const struct peer *peer)
{
	if (s->verdicts_[peer->index] == UNKNOWN)
		s->verdicts_[peer->index] = (uint8_t)judge(s, peer);
	return s->verdicts_[peer->index];
}

/* ---- candidates */

static bool add(struct peer_selection *s, const struct peer *peer, enum log_hier hier, bool waits)
{
	if (peer)
		s->verdicts_[peer->index] = NOT; /* any more */
	s->at[s->n++] = (struct peer_candidate){
		.peer = peer,
		.state = peer ? state_of(s, peer) : NULL,
		.hier = hier,
		.waits = waits,
	};
	return true;
}

static bool direct_before(struct peer_selection *s)
{
	return s->may_go_direct_ && snapshot_config(s->snapshot_)->prefer_direct &&
	       add(s, NULL, LOG_HIER_DIRECT, false);
}

static bool direct_behind(struct peer_selection *s)
{
	return s->may_go_direct_ && !snapshot_config(s->snapshot_)->prefer_direct &&
	       add(s, NULL, LOG_HIER_DIRECT, false);
}

/* Also one that is drained. */
static bool stick_to(void *owner, const struct peer *peer)
{
	struct peer_selection *s = owner;
	enum verdict verdict = verdict_of(s, peer);

	if (verdict == USABLE || verdict == COMES_BACK || verdict == DRAINED)
		return add(s, peer, LOG_HIER_ROUNDROBIN_PARENT, false);
	return verdict == FULL && peer->max_queue > 0 &&
	       add(s, peer, LOG_HIER_ROUNDROBIN_PARENT, true);
}

static bool sticky(struct peer_selection *s)
{
	const struct peer_sticky *all = balance_sticky(s->balance_);
	const struct http_request *request = s->facts_->request;

	return all && request && peer_sticky_offer(all, &request->head, stick_to, s);
}

/* ---- the methods */

static enum balance_verdict may_be_first(void *owner, const struct peer *peer)
{
	struct peer_selection *s = owner;
	enum verdict verdict = peer->is_backup ? NOT : verdict_of(s, peer);

	if (verdict == COMES_BACK)
		return BALANCE_PASSES;
	return verdict == (s->takes_suspects_ ? SUSPECT : USABLE) ? BALANCE_YES : BALANCE_NO;
}

static struct str client_key(void *owner, const struct peer *peer)
{
	struct peer_selection *s = owner;
	char *text = arena_alloc(s->facts_->arena, ADDR_TEXT_BYTES);

	(void)peer;
	return str_of(addr_ip_text(s->facts_->client, text));
}

static struct str user_key(void *owner, const struct peer *peer)
{
	struct peer_selection *s = owner;

	(void)peer;
	return s->facts_->user;
}

/* Squid: the whole URL, or those parts of it that carp-key names, joined. */
static struct str url_key(void *owner, const struct peer *peer)
{
	struct peer_selection *s = owner;
	const struct acl_facts *facts = s->facts_;
	size_t query = str_find_char(facts->path, '?');
	char port[16] = "";
	const struct {
		enum peer_carp_key key;
		struct str text, behind;
	} parts[] = {
		{PEER_CARP_SCHEME, facts->scheme, STR("://")},
		{PEER_CARP_HOST, facts->host, STR("")},
		{PEER_CARP_PORT, str_of(port), STR("")},
		{PEER_CARP_PATH, str_first(facts->path, query), STR("")},
		{PEER_CARP_PARAMS, str_from(facts->path, query), STR("")},
	};
	struct str key = STR("");

	if (!peer->carp_key)
		return facts->url;
	snprintf(port, sizeof(port), ":%u", facts->port);
	for (size_t i = 0; i < COUNT(parts); i++) {
		struct str text = parts[i].key == PEER_CARP_PORT ? str_of(port) : parts[i].text;

		if (peer->carp_key & parts[i].key)
			key = arena_printf(facts->arena, "%.*s%.*s%.*s", STR_ARG(key),
					   STR_ARG(text), STR_ARG(parts[i].behind));
	}
	return key;
}

/* In Squid's order, then ours. key: hashed; NULL: by turns, or drawn. */
static const struct method {
	unsigned select;
	enum log_hier hier;
	struct str (*key)(void *owner, const struct peer *peer);
	bool is_drawn;
} methods[] = {
	{PEER_SELECT_SOURCEHASH, LOG_HIER_SOURCEHASH_PARENT, client_key, false},
	{PEER_SELECT_USERHASH, LOG_HIER_USERHASH_PARENT, user_key, false},
	{PEER_SELECT_CARP, LOG_HIER_CARP, url_key, false},
	{PEER_SELECT_ROUND_ROBIN, LOG_HIER_ROUNDROBIN_PARENT, NULL, false},
	{PEER_SELECT_WEIGHTED, LOG_HIER_ROUNDROBIN_PARENT, NULL, false},
	{PEER_SELECT_LEAST_CONN, LOG_HIER_ROUNDROBIN_PARENT, NULL, true},
	{PEER_SELECT_PEAK_EWMA, LOG_HIER_ROUNDROBIN_PARENT, NULL, true},
};

static bool has_key(const struct peer_selection *s, unsigned select)
{
	if (select == PEER_SELECT_SOURCEHASH)
		return s->facts_->client;
	return select != PEER_SELECT_USERHASH || s->facts_->user.len > 0;
}

static const struct peer *choose(struct peer_selection *s, const struct method *method)
{
	const struct balance_judge judge = {may_be_first, s, now_ms(s)};

	if (!balance_has(s->balance_, method->select) || !has_key(s, method->select))
		return NULL;
	if (method->key)
		return balance_hashed(s->balance_, method->select,
				      &(struct carp_key){method->key, s}, &judge);
	if (method->is_drawn)
		return balance_drawn(s->balance_, method->select, &judge);
	return balance_turn(s->balance_, method->select, &judge);
}

static bool by_method(struct peer_selection *s)
{
	for (size_t i = 0; i < COUNT(methods); i++) {
		const struct peer *peer = choose(s, &methods[i]);

		if (peer)
			return add(s, peer, methods[i].hier, false);
	}
	return false;
}

/* ---- walks in the order of the file */

static const struct peer *walk_to(struct peer_selection *s, bool (*fits)(struct peer_selection *s,
									 const struct peer *peer))
{
	while (s->walk_) {
		const struct peer *peer = s->walk_;

		s->walk_ = peer->next;
		if (fits(s, peer))
			return peer;
	}
	return NULL;
}

static bool is_usable(struct peer_selection *s, const struct peer *peer)
{
	enum verdict verdict = verdict_of(s, peer);

	return verdict == USABLE || verdict == COMES_BACK;
}

static bool is_usable_and_no_backup(struct peer_selection *s, const struct peer *peer)
{
	return !peer->is_backup && is_usable(s, peer);
}

static bool may_be_waited_for(struct peer_selection *s, const struct peer *peer)
{
	if (verdict_of(s, peer) != FULL)
		return false;
	s->is_overloaded = true;
	return atomic_load_explicit(&state_of(s, peer)->nwaiting, memory_order_relaxed) <
	       (int)peer->max_queue;
}

static bool is_suspect(struct peer_selection *s, const struct peer *peer)
{
	return verdict_of(s, peer) == SUSPECT;
}

static bool others(struct peer_selection *s)
{
	const struct peer *peer = walk_to(s, is_usable_and_no_backup);

	return peer && add(s, peer,
			   s->n == 0 || !s->at[s->n - 1].peer ? LOG_HIER_FIRSTUP_PARENT
							      : LOG_HIER_ANY_OLD_PARENT,
			   false);
}

static bool backups(struct peer_selection *s)
{
	const struct peer *peer = walk_to(s, is_usable);

	return peer && add(s, peer, LOG_HIER_ANY_OLD_PARENT, false);
}

/* Only when there is nobody else: what failed elsewhere has waited enough. */
static bool queues(struct peer_selection *s)
{
	const struct peer *peer = s->n == 0 ? walk_to(s, may_be_waited_for) : NULL;

	return peer && add(s, peer, LOG_HIER_ANY_OLD_PARENT, true);
}

/* They share what there is as if they were up. */
static bool suspect_by_method(struct peer_selection *s)
{
	s->takes_suspects_ = true;
	return by_method(s);
}

static bool suspects(struct peer_selection *s)
{
	const struct peer *peer = walk_to(s, is_suspect);

	return peer && add(s, peer, LOG_HIER_ANY_OLD_PARENT, false);
}

/* ---- the order */

static const struct phase {
	bool (*next)(struct peer_selection *s); /* adds one, or there is none */
	bool is_single;                         /* it has one at most */
} phases[] = {
	{direct_before, true},     {sticky, true},    {by_method, true},
	{others, false},           {backups, false},  {queues, false},
	{suspect_by_method, true}, {suspects, false}, {direct_behind, true},
};

bool peer_selection_next(struct peer_selection *s)
{
	while (s->n < s->max_ && s->phase_ < COUNT(phases)) {
		const struct phase *phase = &phases[s->phase_];
		bool has_one = phase->next(s);

		if (!has_one || phase->is_single) {
			s->phase_++;
			s->walk_ = first_peer(s);
		}
		if (has_one)
			return true;
	}
	return false;
}

/* Squid: nonhierarchical_direct: what no parent's cache has does without one, where it may. */
static bool does_without_peers(const struct peer_selection *s)
{
	const struct http_request *request = s->facts_->request;

	return s->may_go_direct_ && snapshot_config(s->snapshot_)->nonhierarchical_direct &&
	       request &&
	       (request->method != HTTP_GET || http_has(&request->head, FIELD_AUTHORIZATION));
}

void peer_selection_begin(struct peer_selection *s, struct worker *worker,
			  const struct snapshot *snapshot, const struct peer_request *request)
{
	const struct config *config = snapshot_config(snapshot);

	s->n = 0;
	s->is_overloaded = false;
	s->worker_ = worker;
	s->snapshot_ = snapshot;
	s->facts_ = request->facts;
	s->balance_ = snapshot->balances[worker->index];
	s->takes_suspects_ = false;
	s->phase_ = 0;
	s->walk_ = config->peers->first;
	s->max_ = config->forward_max_tries < PEER_MAX_CANDIDATES
	                  ? (size_t)config->forward_max_tries
	                  : PEER_MAX_CANDIDATES;
	s->verdicts_ = arena_zalloc(s->facts_->arena, config->peers->n);
	if (config->always_direct && access_list_allows(config->always_direct, false, s->facts_)) {
		add(s, NULL, LOG_HIER_DIRECT, false);
		s->phase_ = COUNT(phases);
		return;
	}
	s->may_go_direct_ = request->may_go_direct &&
			    !access_list_allows(config->never_direct, false, s->facts_);
	if (does_without_peers(s)) {
		add(s, NULL, LOG_HIER_DIRECT, false);
		s->phase_ = COUNT(phases);
	}
}
