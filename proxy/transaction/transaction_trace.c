/* SPDX-License-Identifier: BSD-2-Clause */
/* A row for each state says what it has decided; a state that decided nothing of note says
 * nothing. */
#include "proxy/transaction/transaction_trace.h"

#include <inttypes.h>

#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "proxy/server.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"
#include "squid-compat/regex.h"

/* One transaction's, in its arena. */
struct transaction_trace {
	struct tracer_watch *watches[TRACER_MAX_WATCHES]; /* a reference to each */
	unsigned nwatches;
	bool is_settled; /* who wants it is known */
	bool is_told;    /* to more than those who want summaries */
	uint64_t number;
	int64_t start_us; /* monotonic */
	unsigned waiting; /* what was told of last */
	const char *line; /* that decided the last access list; NULL: none */
};

void transaction_trace_begin(struct transaction *t)
{
	struct tracer *tracer = &t->worker->server->tracer;

	t->trace = arena_zalloc(&t->arena, sizeof(*t->trace));
	t->trace->start_us = clock_mono_us();
	t->trace->nwatches = tracer_take(tracer, t->trace->watches);
	t->trace->number =
		1 + atomic_fetch_add_explicit(&tracer->nrequests, 1, memory_order_relaxed);
}

static void let_go(struct transaction *t)
{
	while (t->trace->nwatches > 0)
		tracer_watch_unref(t->trace->watches[--t->trace->nwatches]);
	t->trace = NULL;
}

/* ---- lines */

static void add_escaped(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (c < 0x20 || c >= 0x7f || c == '\\')
			buf_printf(out, "\\x%02x", c);
		else
			buf_add_char(out, (char)c);
	}
}

static void begin_line(const struct transaction *t, const char *stage, struct buf *line)
{
	buf_init(line, TRACER_MAX_LINE_BYTES);
	buf_printf(line, "%" PRIu64 "\t%" PRId64 "\t%s\t", t->trace->number,
		   clock_mono_us() - t->trace->start_us, stage);
}

static void send_line(const struct transaction *t, bool is_summary, struct buf *line)
{
	for (unsigned i = 0; i < t->trace->nwatches; i++)
		if (tracer_watch_wish(t->trace->watches[i])->is_summary == is_summary)
			tracer_watch_add(t->trace->watches[i], buf_str(line));
	buf_fini(line);
}

static void end_line(const struct transaction *t, struct buf *line)
{
	if (line->is_full) /* its end does not matter that much */
		memcpy(line->at + line->len - 3, "...", 3);
	send_line(t, false, line);
}

/* ---- who wants it */

static struct str url_of(const struct transaction *t)
{
	return t->error_url ? str_of(t->error_url) : t->client_url.at ? t->client_url : t->url;
}

static bool is_wanted(struct transaction *t, const struct tracer_wish *wish)
{
	if (wish->url && regex_match(wish->url, url_of(t)) != REGEX_YES)
		return false;
	for (unsigned i = 0; i < wish->nterms; i++)
		if (!acl_set_holds(transaction_config(t)->acls, wish->terms[i], &t->facts))
			return false;
	return true;
}

static void tell_request(struct transaction *t)
{
	const struct http_request *request = transaction_request(t);
	char client[ADDR_TEXT_BYTES];
	struct buf line;

	begin_line(t, "request", &line);
	add_escaped(&line, t->is_refused ? t->refused.method
					 : http_span(&request->head, request->method_text));
	buf_add_str(&line, t->is_refused && t->refused.method.len == 0 ? STR("") : STR(" "));
	add_escaped(&line, url_of(t));
	if (t->is_background)
		buf_printf(&line, " to renew what was served stale");
	else
		buf_printf(&line, " from %s by HTTP/%s", addr_text(&t->exchange.client, client),
			   t->exchange.is_http2 ? "2" : "1");
	end_line(t, &line);
}

static void settle(struct transaction *t)
{
	struct transaction_trace *trace = t->trace;
	unsigned n = 0;

	trace->is_settled = true;
	for (unsigned i = 0; i < trace->nwatches; i++)
		if (is_wanted(t, tracer_watch_wish(trace->watches[i])))
			trace->watches[n++] = trace->watches[i];
		else
			tracer_watch_unref(trace->watches[i]);
	trace->nwatches = n;
	for (unsigned i = 0; i < n; i++)
		trace->is_told |= !tracer_watch_wish(trace->watches[i])->is_summary;
	if (trace->is_told)
		tell_request(t);
	else if (n == 0)
		let_go(t);
}

/* ---- what decided */

static void keep_line(void *user, const char *line, bool matches, const char *last_acl)
{
	struct transaction *t = user;

	(void)last_acl;
	t->trace->line = matches ? line : NULL;
}

enum acl_verdict transaction_trace_access(struct transaction *t, const struct access_list *list,
					  enum acl_verdict otherwise, struct acl_result *result)
{
	t->trace->line = NULL;
	return access_list_explain(list, otherwise, &t->facts, result, keep_line, t);
}

static void add_decider(struct transaction *t, struct buf *line)
{
	if (t->trace->line) {
		buf_add_str(line, STR(", by "));
		add_escaped(line, str_of(t->trace->line));
	} else {
		buf_add_str(line, STR(", as no line matches"));
	}
}

/* ---- a function for each state; it adds its text, or nothing */

static void tell_forwarded(struct transaction *t, enum transaction_state next, struct buf *out)
{
	char ip[ADDR_TEXT_BYTES];

	(void)next;
	if (t->is_indirect)
		buf_printf(out, "the client is %s, as X-Forwarded-For says",
			   addr_ip_text(&t->indirect, ip));
}

static void tell_http_access(struct transaction *t, enum transaction_state next, struct buf *out)
{
	buf_add_str(out, next == TRANSACTION_REPLIED && t->error != ERROR_NONE ? STR("denied")
									       : STR("allowed"));
	add_decider(t, out);
}

static void tell_rewrite(struct transaction *t, enum transaction_state next, struct buf *out)
{
	if (!t->snapshot->url_rewrite)
		return;
	if (next == TRANSACTION_REPLIED)
		buf_printf(out, "answered by the program: %d", t->exchange.reply.status);
	else if (!t->rewrite.reply)
		buf_add_str(out, STR("not asked: url_rewrite_access"));
	else if (!t->was_rewritten)
		buf_add_str(out, STR("left as it is"));
	if (t->was_rewritten)
		add_escaped(out, t->url);
}

static void tell_adapted_access(struct transaction *t, enum transaction_state next,
				struct buf *out)
{
	if (transaction_config(t)->adapted_http_access)
		tell_http_access(t, next, out);
}

static void tell_store_id(struct transaction *t, enum transaction_state next, struct buf *out)
{
	(void)next;
	if (!str_eq(t->cache_url, t->url))
		add_escaped(out, t->cache_url);
}

static void tell_cache_access(struct transaction *t, enum transaction_state next, struct buf *out)
{
	if (next == TRANSACTION_FETCH && t->forward == FORWARD_METHOD)
		buf_add_str(out, STR("not served from the cache: the method"));
	else if (next == TRANSACTION_FETCH && t->upgrade.len > 0)
		buf_add_str(out, STR("not cached: another protocol is asked for"));
	else if (next == TRANSACTION_FETCH)
		buf_add_str(out, STR("not cached"));
	if (next == TRANSACTION_FETCH && t->forward == FORWARD_BYPASS && t->trace->line)
		add_decider(t, out);
}

static void tell_lookup(struct transaction *t, enum transaction_state next, struct buf *out)
{
	if (next == TRANSACTION_JOIN)
		buf_add_str(out, STR("somebody else's fetch is under way"));
	else if (next == TRANSACTION_DECIDE && t->part.span.len > 0)
		buf_add_str(out, STR("a part is stored that has what is asked for"));
	else if (next == TRANSACTION_DECIDE)
		buf_add_str(out, t->is_from_disk ? STR("found on disk") : STR("found in memory"));
	else if (t->forward == FORWARD_REQUEST)
		buf_add_str(out, STR("not asked: the client wants it anew"));
	else if (t->forward == FORWARD_VARY_MISS)
		buf_add_str(out, STR("not found: stored for other request fields (Vary)"));
	else
		buf_add_str(out, STR("not found"));
}

static void tell_join(struct transaction *t, enum transaction_state next, struct buf *out)
{
	(void)t;
	buf_add_str(out, next == TRANSACTION_DECIDE ? STR("its answer is ours too")
						    : STR("its answer is not for others"));
}

static void tell_decide(struct transaction *t, enum transaction_state next, struct buf *out)
{
	static const char *const verdicts[] = {
		[FRESHNESS_FRESH] = "fresh",
		[FRESHNESS_SERVE_STALE] = "stale, and may serve",
		[FRESHNESS_SERVE_AND_RENEW] = "stale, serves while it is renewed",
		[FRESHNESS_REVALIDATE] = "to be validated",
		[FRESHNESS_MUST_REVALIDATE] = "must be validated",
		[FRESHNESS_MISS] = "of no use",
	};

	buf_printf(out, "%s: %s (age %" PRId64 " s, %" PRId64 " s left)",
		   verdicts[t->freshness.verdict], t->freshness.reason, t->freshness.age_s,
		   t->freshness.left_s);
	if (next == TRANSACTION_FETCH && t->forward == FORWARD_BYPASS)
		buf_add_str(out, STR("; send_hit says no"));
}

static void add_server(const struct fetch_report *report, struct buf *out)
{
	char server[ADDR_TEXT_BYTES];

	if (report->peer)
		add_escaped(out, report->peer->name);
	if (report->has_server)
		buf_printf(out, "%s%s", report->peer ? " " : "",
		           addr_text(&report->server, server));
}

static void tell_fetch(struct transaction *t, enum transaction_state next, struct buf *out)
{
	(void)next;
	if (!t->fetch) {
		buf_add_str(out, STR("not fetched"));
		return;
	}
	if (t->report.status == 0) {
		buf_printf(out, "failed: %s", error_name_text(fetch_failure(t->fetch)->error));
		return;
	}
	buf_printf(out, "%d from ", t->report.status);
	add_server(&t->report, out);
	buf_printf(out, " (%s); %s", log_hier_name(t->report.hier),
		   t->report.is_storable ? "may be stored" : "not stored");
	if (t->report.storable_reason)
		buf_printf(out, ": %s", t->report.storable_reason);
}

static void tell_reply_access(struct transaction *t, enum transaction_state next, struct buf *out)
{
	(void)next;
	if (!transaction_config(t)->http_reply_access)
		return;
	buf_add_str(out, t->tag == LOG_TCP_DENIED_REPLY ? STR("denied") : STR("allowed"));
	add_decider(t, out);
}

static void tell_replied(struct transaction *t, enum transaction_state next, struct buf *out)
{
	(void)next;
	buf_printf(out, "%d %s", t->exchange.reply.status, log_tag_name(t->tag));
	if (t->error != ERROR_NONE)
		buf_printf(out, " %s", error_name_text(t->error));
}

static const struct {
	const char *stage;
	void (*tell)(struct transaction *t, enum transaction_state next, struct buf *out);
} rows[TRANSACTION_STATES] = {
	[TRANSACTION_FORWARDED] = {"forwarded", tell_forwarded},
	[TRANSACTION_HTTP_ACCESS] = {"http_access", tell_http_access},
	[TRANSACTION_REWRITE] = {"rewrite", tell_rewrite},
	[TRANSACTION_ADAPTED_ACCESS] = {"adapted", tell_adapted_access},
	[TRANSACTION_STORE_ID] = {"store-id", tell_store_id},
	[TRANSACTION_CACHE_ACCESS] = {"cache", tell_cache_access},
	[TRANSACTION_LOOKUP] = {"lookup", tell_lookup},
	[TRANSACTION_JOIN] = {"join", tell_join},
	[TRANSACTION_DECIDE] = {"decide", tell_decide},
	[TRANSACTION_FETCH] = {"origin", tell_fetch},
	[TRANSACTION_REPLY_ACCESS] = {"reply-access", tell_reply_access},
	[TRANSACTION_REPLIED] = {"reply", tell_replied},
};

/* ---- a state that waits says for what, once */

static void tell_waiting(struct transaction *t)
{
	static const struct {
		enum waiting bit;
		const char *what;
	} waits[] = {
		{WAIT_AUTH, "who the user is"}, {WAIT_NAME, "a name"},
		{WAIT_REWRITE, "url_rewrite_program"}, {WAIT_DISK, "the disk"},
		{WAIT_EXTERNAL, "an external ACL"}, {WAIT_STORE_ID, "store_id_program"},
		{WAIT_FORM, "the request's body"},
	};
	struct buf line;

	if (t->waiting == t->trace->waiting)
		return;
	t->trace->waiting = t->waiting;
	for (size_t i = 0; i < COUNT(waits); i++) {
		if (!(t->waiting & waits[i].bit))
			continue;
		begin_line(t, rows[t->state].stage, &line);
		buf_printf(&line, "asks: %s", waits[i].what);
		end_line(t, &line);
	}
}

void transaction_trace_step(struct transaction *t, enum transaction_state next)
{
	struct buf line;
	size_t len;

	if (!t->trace->is_settled)
		settle(t);
	if (!t->trace || !t->trace->is_told || !rows[t->state].tell)
		return;
	if (next == t->state && next != TRANSACTION_REPLIED) {
		tell_waiting(t);
		return;
	}
	t->trace->waiting = 0;
	begin_line(t, rows[t->state].stage, &line);
	len = line.len;
	rows[t->state].tell(t, next, &line);
	if (line.len > len)
		end_line(t, &line);
	else
		buf_fini(&line);
	t->trace->line = NULL;
}

void transaction_trace_fetch(void *owner, const char *step, const struct fetch_report *report)
{
	struct transaction *t = owner;
	struct buf line;

	if (!t->trace || !t->trace->is_told)
		return;
	begin_line(t, "fetch", &line);
	buf_printf(&line, "%s ", step);
	add_server(report, &line);
	end_line(t, &line);
}

static void tell_end(struct transaction *t, bool is_complete)
{
	struct buf line;

	begin_line(t, "end", &line);
	buf_printf(&line, "%" PRIu64 " bytes sent%s", t->exchange.reply.sent_bytes,
		   is_complete ? "" : ", and cut short");
	end_line(t, &line);
}

static void tell_summary(struct transaction *t)
{
	const struct http_span host = t->client_parts.host;
	const struct reply *reply = &t->exchange.reply;
	char client[ADDR_TEXT_BYTES];
	struct buf line;

	begin_line(t, "done", &line);
	if (t->client_url.at)
		add_escaped(&line, (struct str){t->client_url.at + host.at, host.len});
	buf_add_char(&line, '\t');
	add_escaped(&line, url_of(t));
	buf_printf(&line, "\t%s\t", addr_ip_text(&t->exchange.client, client));
	if (t->report.peer)
		add_escaped(&line, t->report.peer->name);
	buf_printf(&line, "\t%s\t%d\t%" PRIu64, log_tag_name(t->tag), reply->status,
		   reply->sent_bytes);
	if (!line.is_full)
		send_line(t, true, &line);
	buf_fini(&line);
}

void transaction_trace_end(struct transaction *t, bool is_complete)
{
	if (!t->trace->is_settled)
		settle(t);
	if (!t->trace)
		return;
	if (t->trace->is_told)
		tell_end(t, is_complete);
	tell_summary(t);
	let_go(t);
}
