/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/transaction_log.h"

#include "cache/object.h"
#include "lib/http/h1.h"
#include "lib/net/stream_tls.h"
#include "lib/net/tls_identity.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/log/access_logger.h"
#include "proxy/session/clients.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/note_rules.h"
#include "squid-compat/pages/deny_info.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"
#include "squid-compat/rewrite_config.h"
#include "squid-compat/tls/tls_suites.h"

enum { REPLY_HEAD_MAX_BYTES = 1 << 20 };

static struct str span(struct str url, struct http_span at)
{
	return (struct str){url.at + at.at, at.len};
}

static void fill(const struct transaction *t, struct str url, const struct port_url *parts,
                 struct log_request *out)
{
	const struct http_request *request = &t->exchange.request;

	*out = (struct log_request){.url = t->error_url ? str_of(t->error_url) : url};
	if (t->is_refused) {
		out->method = t->refused.method;
		out->major = t->refused.major;
		out->minor = t->refused.minor;
	} else {
		out->method = http_span(&request->head, request->method_text);
		out->major = t->exchange.is_http2 ? 2 : 1;
		out->minor = t->exchange.is_http2 ? 0 : request->minor;
	}
	if (!url.at)
		return;
	out->scheme = span(url, parts->scheme);
	out->host = span(url, parts->host);
	out->path = span(url, parts->path);
	out->port = parts->port;
}

void transaction_fill_log_request(const struct transaction *t, struct log_request *request)
{
	fill(t, t->url, &t->parts, request);
}

/* The fields of the reply as it was sent, or will be. NULL: it cannot be read back. */
static struct http_response *parse_reply_head(struct transaction *t, struct str head)
{
	static const struct h1_limits limits = {.head_bytes = REPLY_HEAD_MAX_BYTES};
	struct http_response *response = arena_alloc(&t->arena, sizeof(*response));
	struct h1_parser parser = {0};
	char *text = arena_alloc(&t->arena, head.len + 2);

	memcpy(text, head.at, head.len);
	if (head.len < 4 || memcmp(text + head.len - 4, "\r\n\r\n", 4) != 0) {
		memcpy(text + head.len, "\r\n", 2);
		head.len += 2;
	}
	return h1_parse_response(&parser, text, head.len, &limits, HTTP_HEAD, response) == H1_DONE
	               ? response
	               : NULL;
}

/* Who was asked, and what came of it. */
static void set_outcome_facts(struct transaction *t)
{
	struct acl_facts *facts = &t->facts;

	facts->hierarchy = str_of(log_hier_name(t->report.hier));
	if (t->report.peer) {
		facts->peer_name = t->report.peer->name;
		facts->is_secure &= t->report.peer->is_tls;
	}
	if (t->error != ERROR_NONE)
		facts->error = str_of(error_name_text(t->error));
}

void transaction_set_reply_facts(struct transaction *t)
{
	if (t->facts.reply || !t->object)
		return;
	transaction_forget_externals(t, true);
	t->facts.reply = parse_reply_head(t, t->object->head);
	t->facts.status = t->object->status;
	set_outcome_facts(t);
}

static struct str sent_head(struct transaction *t)
{
	const struct reply *reply = &t->exchange.reply;
	size_t len = 0;
	char *text;

	for (int i = 0; i < reply->nhead; i++)
		len += reply->head[i].iov_len;
	text = arena_alloc(&t->arena, len + 1);
	len = 0;
	for (int i = 0; i < reply->nhead && len < reply->head_bytes; i++) {
		memcpy(text + len, reply->head[i].iov_base, reply->head[i].iov_len);
		len += reply->head[i].iov_len;
	}
	return (struct str){text, len};
}

/* %<pt ends with the answer's head, %<tt with its body; or both with what happened instead. */
static void fill_server_times(const struct fetch_report *report, int64_t now_us,
			      struct log_facts *facts)
{
	int64_t end_us = report->end_us > 0 ? report->end_us : now_us;
	int64_t head_us = report->head_us > 0 ? report->head_us : end_us;

	facts->has_peer_ms = facts->has_server_ms = true;
	facts->peer_ms = (head_us - report->began_us) / 1000;
	facts->server_ms = (end_us - report->began_us) / 1000;
}

static void fill_server(const struct transaction *t, struct log_facts *facts)
{
	const struct fetch_report *report = &t->report;

	facts->hier = report->hier;
	facts->has_dns_ms = report->has_resolved;
	facts->dns_ms = report->resolving_us / 1000;
	if (!report->has_server)
		return;
	facts->server = &report->server;
	facts->server_local = &report->local;
	if (report->peer)
		facts->server_name = report->peer->name;
	facts->server_status = report->status;
	fill_server_times(report, loop_mono_us(t->worker->loop), facts);
	facts->has_server_body = report->status != 0;
	if (report->status != 0 && report->status != 304)
		facts->server_body_bytes = (uint64_t)facts->object_bytes;
}

/* What the reply consists of: a stored or fetched object, or a page of ours. */
static void fill_object_bytes(const struct transaction *t, struct log_facts *facts)
{
	const struct reply *reply = &t->exchange.reply;

	if (t->object && !t->error) {
		facts->has_object_bytes = object_state(t->object) == OBJECT_COMPLETE;
		facts->object_bytes =
			(int64_t)atomic_load_explicit(&t->object->length_, memory_order_acquire);
		return;
	}
	facts->has_object_bytes = true;
	for (int i = 0; i < reply->nhead; i++)
		facts->object_bytes += (int64_t)reply->head[i].iov_len;
	facts->object_bytes -= (int64_t)reply->head_bytes;
}

static struct str error_code(const struct transaction *t)
{
	if (t->deny_info)
		return t->deny_info->spec;
	return t->error ? str_of(error_name_text(t->error)) : STR_NONE;
}

/* As Squid tells it: the system's error by its number, else on which side it was. */
static struct str error_detail(struct transaction *t)
{
	static const bool is_of_server[ERROR_NAMES] = {
		[ERROR_CONNECT_FAIL] = true,  [ERROR_DNS_FAIL] = true,
		[ERROR_INVALID_RESP] = true,  [ERROR_READ_ERROR] = true,
		[ERROR_READ_TIMEOUT] = true,  [ERROR_WRITE_ERROR] = true,
		[ERROR_ZERO_SIZE_OBJECT] = true,
	};

	if (t->error == ERROR_SECURE_CONNECT_FAIL)
		return str_of(t->report.tls_error);
	if (!is_of_server[t->error])
		return STR_NONE;
	if (t->error_number != 0 && t->error != ERROR_READ_TIMEOUT)
		return arena_printf(&t->arena, "errno=%d", t->error_number);
	return STR("WITH_SERVER");
}

static void fill_tls(struct transaction *t, struct log_facts *facts)
{
	struct exchange *exchange = &t->exchange;
	const struct tls_peer *peer = exchange->tls_peer;
	const struct str *user;
	struct tls_facts tls;

	if (!exchange->ops->tls_facts || !exchange->ops->tls_facts(exchange, &tls))
		return;
	facts->tls_version = str_of(tls_version_name(tls.version));
	facts->tls_cipher = str_of(tls_suites_name(tls.cipher));
	facts->tls_sni = arena_str(&t->arena, str_of(tls.sni));
	if (!peer)
		return;
	facts->tls_peer = peer;
	facts->tls_subject = peer->subject.dn;
	facts->tls_issuer = peer->issuer.dn;
	user = tls_identity_next(&peer->subject, STR("CN"), NULL);
	facts->tls_user = user ? *user : STR_NONE;
}

static void fill_facts(struct transaction *t, struct log_facts *facts)
{
	struct exchange *exchange = &t->exchange;
	const struct reply *reply = &exchange->reply;

	int64_t took_us = loop_mono_us(t->worker->loop) - t->began_us;

	facts->end_us = loop_wall_us(t->worker->loop);
	facts->start_us = facts->end_us - took_us;
	facts->response_ms = took_us / 1000;
	facts->client = t->is_indirect && transaction_config(t)->log_uses_indirect_client
				? &t->indirect
				: &exchange->client;
	if (facts->client == (t->facts.indirect ? t->facts.indirect : t->facts.client))
		facts->client_name = t->facts.client_name.name; /* if an ACL asked for it */
	facts->client_local = &exchange->local;
	facts->listening = exchange->port ? &exchange->port->addr : NULL;
	fill(t, t->client_url, &t->client_parts, &facts->client_request);
	fill(t, t->url, &t->parts, &facts->request);
	facts->server_request = facts->request;
	facts->status = reply->sent_bytes > 0 || reply->nhead > 0 ? reply->status : 0;
	facts->tag = t->tag;
	facts->bytes_in = exchange->request_bytes;
	facts->head_bytes_in = exchange->request_head_bytes;
	facts->bytes_out = reply->sent_bytes;
	facts->head_bytes_out =
		reply->sent_bytes < reply->head_bytes ? reply->sent_bytes : reply->head_bytes;
	facts->body_bytes_out = facts->bytes_out - facts->head_bytes_out;
	facts->auth_user = t->user;
	facts->external_user = t->facts.external_user;
	facts->external_tag = t->facts.external_tag;
	facts->external_log = t->external_log;
	facts->notes = t->notes.at;
	facts->nnotes = t->notes.n;
	facts->err_code = error_code(t);
	facts->err_detail = error_detail(t);
	if (!t->is_refused)
		facts->request_head = &exchange->request.head;
	fill_object_bytes(t, facts);
	fill_server(t, facts);
	fill_tls(t, facts);
}

/* The Content-Type among whole lines of a head that we wrote. */
static struct str find_type(struct str lines)
{
	static const char name[] = "Content-Type:";
	struct str line;

	while (str_split(&lines, '\n', &line))
		if (str_starts_with_nocase(line, STR(name)))
			return str_trim(str_from(str_first(line, str_find_char(line, '\r')),
						 sizeof(name) - 1));
	return STR_NONE;
}

static struct str sent_type(const struct reply *reply)
{
	struct str type = STR_NONE;
	size_t seen = 0;

	for (int i = 0; i < reply->nhead && seen < reply->head_bytes && type.len == 0; i++) {
		type = find_type((struct str){reply->head[i].iov_base, reply->head[i].iov_len});
		seen += reply->head[i].iov_len;
	}
	return type;
}

/* All fields of what was sent, for formats and ACLs that ask for them. */
static void read_reply(struct transaction *t, struct log_facts *facts)
{
	const struct http_response *reply = parse_reply_head(t, sent_head(t));

	if (!reply)
		return;
	t->facts.reply = reply;
	t->facts.status = reply->status;
	facts->reply_head = &reply->head;
}

static void fill_reply(struct transaction *t, struct log_facts *facts)
{
	const struct reply *reply = &t->exchange.reply;

	if (reply->nhead == 0)
		return;
	if (access_logger_wants_reply(t->snapshot->logger))
		read_reply(t, facts);
	facts->mime_type = sent_type(reply);
	/* Squid logs the type of what is stored, though a 304 does not carry it. */
	if (reply->status == 304 && t->object && facts->mime_type.len == 0)
		facts->mime_type = find_type(t->object->head);
}

/* As Squid sorts them; SERVICE_ALL: in none of the others. */
static enum service_kind service_kind(enum log_tag tag)
{
	switch (tag) {
	case LOG_TCP_MISS:
	case LOG_TCP_CLIENT_REFRESH_MISS:
	case LOG_TCP_SWAPFAIL_MISS:
		return SERVICE_MISS;
	case LOG_TCP_IMS_HIT:
	case LOG_TCP_INM_HIT:
		return SERVICE_NOT_MODIFIED;
	case LOG_TCP_REFRESH_UNMODIFIED:
		return SERVICE_NEAR_HIT;
	case LOG_TCP_HIT:
	case LOG_TCP_MEM_HIT:
	case LOG_TCP_NEGATIVE_HIT:
	case LOG_TCP_OFFLINE_HIT:
		return SERVICE_HIT;
	default:
		return SERVICE_ALL;
	}
}

static void count_time(struct transaction *t, uint64_t took_us, unsigned bin)
{
	struct service_times *times = &t->worker->times;
	enum service_kind kind = service_kind(t->tag);
	uint64_t *sums = t->worker->counters.service_us;

	times->of[SERVICE_ALL].counts[bin]++;
	sums[SERVICE_ALL] += took_us;
	if (kind == SERVICE_ALL)
		return;
	times->of[kind].counts[bin]++;
	sums[kind] += took_us;
}

/* The host that the client asked for; what has no URL is of none. */
static void count_site(struct transaction *t, uint64_t took_us, unsigned bin, bool is_complete)
{
	const struct http_span host = t->client_parts.host;
	const struct reply *reply = &t->exchange.reply;
	bool is_good = t->error == ERROR_NONE && reply->status < 400;
	struct str name = t->client_url.at ? (struct str){t->client_url.at + host.at, host.len}
					   : STR_NONE;
	struct site_counts *counts = sites_get(&t->worker->sites, name, is_good);

	counts->requests++;
	counts->errors += reply->status >= 500;
	counts->aborts += !is_complete;
	counts->bytes_in += t->exchange.request_bytes;
	counts->bytes_out += reply->sent_bytes;
	counts->service_us += took_us;
	counts->times.counts[bin]++;
	if (!log_tag_is_hit(t->tag))
		return;
	counts->hits++;
	counts->hit_bytes_out += reply->sent_bytes;
}

/* For the status page. */
static void note_error(struct transaction *t)
{
	struct recent_line line = {.at_us = loop_mono_us(t->worker->loop),
				   .number = (uint64_t)t->exchange.reply.status};
	struct str name = error_code(t);

	str_copy(name.len > 0 ? name : STR("from the origin"), line.what, sizeof(line.what));
	addr_text(&t->exchange.client, line.client);
	str_copy(t->error_url ? str_of(t->error_url) : t->client_url, line.url, sizeof(line.url));
	recent_add_error(&t->worker->recent, &line);
}

static void count_kind(struct transaction *t, struct counters *counters)
{
	const struct exchange *exchange = &t->exchange;
	unsigned status = exchange->reply.status > 0 ? (unsigned)exchange->reply.status / 100 : 0;
	unsigned protocol = exchange->is_http2 ? CLIENT_IS_HTTP2 : 0;

	if (exchange->port && exchange->port->is_https_line)
		protocol |= CLIENT_IS_TLS;
	counters->tags[t->tag]++;
	counters->statuses[status < STATUS_CLASSES ? status : 0]++;
	counters->protocols[protocol]++;
}

static void count_hit(struct transaction *t, struct counters *counters, uint64_t took_us)
{
	struct tier_counts *tier =
		&t->worker->details.tiers[t->is_from_disk ? TIER_DISK : TIER_MEMORY];

	recent_hit(&t->worker->recent, t->client_url);
	counters->client_hits++;
	counters->client_hit_bytes_out += t->exchange.reply.sent_bytes;
	if (t->is_from_disk)
		counters->client_disk_hits++;
	else
		counters->client_memory_hits++;
	tier->hits++;
	tier->bytes_out += t->exchange.reply.sent_bytes;
	timings_note(&tier->times, took_us);
}

static void count(struct transaction *t, bool is_complete)
{
	struct counters *counters = &t->worker->counters;
	uint64_t took_us = (uint64_t)(loop_mono_us(t->worker->loop) - t->began_us);
	unsigned bin = histogram_bin(took_us);

	counters->client_bytes_in += t->exchange.request_bytes;
	counters->client_bytes_out += t->exchange.reply.sent_bytes;
	if (log_tag_is_hit(t->tag))
		count_hit(t, counters, took_us);
	if (t->error != ERROR_NONE)
		counters->client_errors++;
	if (!is_complete)
		counters->client_aborts++;
	if (t->exchange.counts)
		t->exchange.counts->counts.tags[t->tag]++;
	count_kind(t, counters);
	if (t->exchange.reply.status >= 500)
		note_error(t);
	count_time(t, took_us, bin);
	if (!t->is_internal)
		count_site(t, took_us, bin, is_complete);
}

/* `note` lines, whose ACLs see the transaction as it ended. */
static void add_notes(struct transaction *t, struct log_facts *facts)
{
	const struct note_rules *rules = transaction_config(t)->notes;

	if (note_rules_is_empty(rules))
		return;
	note_rules_apply(rules, &t->facts, facts);
	facts->notes = t->notes.at;
	facts->nnotes = t->notes.n;
}

/* stats_collection; what nothing is said about was counted when it began. */
static bool is_counted(struct transaction *t)
{
	const struct access_list *list = transaction_config(t)->stats_collection;

	if (!list)
		return true;
	set_outcome_facts(t);
	if (!access_list_allows(list, true, &t->facts))
		return false;
	t->worker->counters.client_requests++;
	return true;
}

void transaction_log(struct transaction *t, bool is_complete)
{
	struct access_logger *logger = t->snapshot->logger;
	struct log_facts facts = {0};

	if (t->is_background)
		return;
	if (is_counted(t))
		count(t, is_complete);
	if (!access_logger_is_on(logger))
		return;
	fill_facts(t, &facts);
	set_outcome_facts(t);
	fill_reply(t, &facts);
	if (t->has_joined && t->is_hit)
		facts.tag_suffixes |= LOG_SUFFIX_CF;
	if (!is_complete && !t->exchange.reply.reset)
		facts.tag_suffixes |= t->exchange.is_timed_out ? LOG_SUFFIX_TIMEDOUT
							       : LOG_SUFFIX_ABORTED;
	add_notes(t, &facts);
	access_logger_write(logger, t->worker, &t->facts, &facts);
}

struct log_facts *transaction_log_facts(struct transaction *t)
{
	struct log_facts *facts = arena_zalloc(&t->arena, sizeof(*facts));

	fill_facts(t, facts);
	return facts;
}

void transaction_render(struct transaction *t, const struct logformat *format, struct buf *out)
{
	if (format)
		logformat_render(format, transaction_log_facts(t), out);
}
