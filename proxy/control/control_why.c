/* SPDX-License-Identifier: BSD-2-Clause */
/* The verb `why URL [FIELD...]`: what the cache has for a GET of URL with these header fields, and
 * which rule decides whether it may serve. The functions asked are those that requests ask. */
#include <inttypes.h>

#include "cache/cache_control.h"
#include "cache/disk/disk.h"
#include "cache/freshness.h"
#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/http/date.h"
#include "lib/http/h1.h"
#include "proxy/control/control_verbs.h"
#include "proxy/server.h"
#include "proxy/snapshot.h"
#include "proxy/transaction/compression.h"
#include "proxy/transaction/refresh_values.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/ports_url.h"
#include "squid-compat/refresh_pattern.h"

enum { URL_MAX_BYTES = 65536, HEAD_MAX_BYTES = 65536, CODING_FIELDS = 8 };

struct why {
	struct control_call *call;
	struct snapshot *snapshot; /* a reference */
	struct arena arena;
	struct buf url, head;
	struct port_url parts;
	struct http_request request; /* over head */
	unsigned ndisks_asked;
	struct cache_control control; /* the request's */
	struct coding_wishes wishes;
	bool is_recoded; /* compress allows it: Accept-Encoding is not among the fields any more */
	struct addr client;
	struct acl_facts facts;
	uint64_t key;
	struct disk_query disk;
};

static void free_why(void *state)
{
	struct why *why = state;

	disk_query_cancel(&why->disk);
	snapshot_unref(why->snapshot);
	buf_fini(&why->url);
	buf_fini(&why->head);
	arena_fini(&why->arena);
	mem_free(why);
}

/* ---- the request */

static struct str url_span(const struct why *why, struct http_span span)
{
	return (struct str){why->url.at + span.at, span.len};
}

static bool parse_head(struct why *why)
{
	static const struct h1_limits limits = {HEAD_MAX_BYTES, URL_MAX_BYTES, false, false};
	struct h1_parser parser = {0};
	struct str path = url_span(why, why->parts.path);
	struct str authority = url_span(why, why->parts.authority);
	struct str field;

	buf_printf(&why->head, "GET %.*s HTTP/1.1\r\nHost: %.*s\r\n", STR_ARG(path),
		   STR_ARG(authority));
	for (unsigned i = 1; field = control_word(why->call, i), field.at; i++) {
		buf_add_str(&why->head, field);
		buf_add_str(&why->head, STR("\r\n"));
	}
	buf_add_str(&why->head, STR("\r\n"));
	if (h1_parse_request(&parser, why->head.at, why->head.len, &limits, &why->request) ==
	    H1_DONE)
		return true;
	control_fail(why->call, "no request can be made of that: %s",
		     h1_error_info(parser.error)->text);
	return false;
}

/* As if this machine asked: rules of src go by it. */
static void set_facts(struct why *why)
{
	if (addr_parse(STR("127.0.0.1"), 0, &why->client))
		why->facts.client = &why->client;
	why->facts.arena = &why->arena;
	why->facts.is_fast = true;
	why->facts.request = &why->request;
	why->facts.method = STR("GET");
	why->facts.now_s = clock_wall_s();
	acl_facts_set_url(&why->facts, buf_str(&why->url), url_span(why, why->parts.scheme),
			  url_span(why, why->parts.host), why->parts.port,
			  url_span(why, why->parts.path));
}

/* ---- what is told of an object */

static void say_time(struct why *why, const char *name, int64_t time_s)
{
	char date[DATE_SIZE];

	date_format(time_s, date);
	control_say(why->call, "%s = %s", name, date);
}

/* A record of several lines, each "field: value", as one. */
static void say_variant(struct why *why, struct str vary)
{
	struct buf line;

	buf_init(&line, HEAD_MAX_BYTES);
	for (size_t i = 0; i < vary.len; i++) {
		if (vary.at[i] != '\n')
			buf_add_char(&line, vary.at[i]);
		else if (i + 1 < vary.len)
			buf_add_str(&line, STR("; "));
	}
	control_say(why->call, "variant = %.*s",
		    STR_ARG(vary.len > 0 ? buf_str(&line) : STR("any request")));
	buf_fini(&line);
}

static void tell_rule(void *user, bool holds, const char *rule, const char *source)
{
	struct why *why = user;

	control_say(why->call, "rule = %s: %s (%s)", holds ? "yes" : "no", rule, source);
}

static const char *const verdicts[] = {
	[FRESHNESS_FRESH] = "fresh: it serves",
	[FRESHNESS_SERVE_STALE] = "stale, and serves all the same",
	[FRESHNESS_SERVE_AND_RENEW] = "stale, and serves while it is renewed",
	[FRESHNESS_REVALIDATE] = "the origin is asked; if that fails, it serves",
	[FRESHNESS_MUST_REVALIDATE] = "the origin is asked; if that fails, it does not serve",
	[FRESHNESS_MISS] = "not used: fetched anew",
};

static void say_freshness(struct why *why, const struct object *object)
{
	const struct config *config = snapshot_config(why->snapshot);
	struct refresh_rule_values rule;
	struct freshness_policy policy;
	const struct freshness_question question = {
		.facts = &object->facts,
		.rule = &rule,
		.policy = &policy,
		.wishes = &why->control,
		.is_conditional = http_has(&why->request.head, FIELD_IF_MODIFIED_SINCE) ||
				  http_has(&why->request.head, FIELD_IF_NONE_MATCH),
		.now_s = why->facts.now_s,
	};
	struct freshness_answer answer;

	refresh_values_for(why->snapshot, buf_str(&why->url), &rule);
	refresh_values_policy(why->snapshot, &policy);
	control_say(why->call, "refresh_pattern = %s",
		    refresh_rules_find(config->refresh, buf_str(&why->url))->text);
	freshness_explain(&question, tell_rule, why);
	freshness_decide(&question, &answer);
	control_say(why->call, "verdict = %s", verdicts[answer.verdict]);
	control_say(why->call, "reason = %s", answer.reason);
	control_say(why->call, "age_s = %" PRId64, answer.age_s);
	control_say(why->call, "fresh_for_s = %" PRId64, answer.left_s);
}

static void say_compression(struct why *why, const struct object *object)
{
	static const char *const names[] = {[CODING_IDENTITY] = "plain", [CODING_GZIP] = "gzip",
					    [CODING_BROTLI] = "br", [CODING_OTHER] = "as it came"};
	bool is_range = http_has(&why->request.head, FIELD_RANGE);
	int64_t length = object->body_bytes;
	struct compression choice;

	if (!why->is_recoded || object->status != 200)
		return;
	if (object_state(object) == OBJECT_COMPLETE && object_length(object) > 0)
		length = (int64_t)object_length(object);
	compression_choose(snapshot_config(why->snapshot), &why->wishes,
	                   compression_wanted(&why->wishes, is_range), object->head, length,
	                   &choice);
	control_say(why->call, "coding = %s%s (%s)", names[choice.to],
	            choice.to == choice.from || object_coded(object, choice.to)
	                    ? ""
	                    : ", made when it is asked for",
	            choice.reason);
}

static void say_object(struct why *why, const struct object *object)
{
	control_say(why->call, "status = %d", object->status);
	control_say(why->call, "body_bytes = %" PRId64, object->body_bytes);
	say_variant(why, object->vary);
	if (object->decision.len > 0)
		control_say(why->call, "decision = stored: %.*s", STR_ARG(object->decision));
	say_time(why, "stored", object->facts.arrived_s);
	say_freshness(why, object);
	say_compression(why, object);
	why->facts.status = object->status;
	control_say(why->call, "send_hit = %s",
		    access_list_allows(snapshot_config(why->snapshot)->send_hit, true, &why->facts)
			    ? "allow"
			    : "deny: not used");
}

/* ---- where it is */

static void say_nothing_found(struct why *why)
{
	bool has_others = index_has_url(control_server(why->call)->index, why->key,
					buf_str(&why->url));

	control_say(why->call, "found = %s",
		    has_others ? "only variants for other requests" : "nothing");
	control_say(why->call, "refresh_pattern = %s",
		    refresh_rules_find(snapshot_config(why->snapshot)->refresh,
				       buf_str(&why->url))
			    ->text);
	control_say(why->call, "verdict = a miss: fetched");
}

static void ask_next_disk(struct why *why);

static void disk_done(struct disk_query *query, struct object *object)
{
	struct why *why = CONTAINER(query, struct why, disk);

	if (!object) {
		ask_next_disk(why);
		return;
	}
	control_say(why->call, "found = disk, row %" PRIu64,
		    disk_row(atomic_load_explicit(&object->disk_id, memory_order_relaxed)));
	say_object(why, object);
	object_unref(object);
	control_end(why->call);
}

static void ask_next_disk(struct why *why)
{
	struct server *server = control_server(why->call);

	while (why->ndisks_asked < server->ndisks) {
		struct disk *disk = server->disks[why->ndisks_asked++];

		if (!disk_may_have(disk, why->key))
			continue;
		why->disk = (struct disk_query){
			.key = why->key,
			.url = buf_str(&why->url),
			.head = &why->request.head,
			.loop = control_loop(why->call),
			.done = disk_done,
		};
		disk_lookup(disk, &why->disk);
		return;
	}
	say_nothing_found(why);
	control_end(why->call);
}

static bool find_in_memory(struct why *why)
{
	struct object *object = index_find(control_server(why->call)->index, why->key,
					   buf_str(&why->url), &why->request.head);
	bool is_known = object && object_state(object) != OBJECT_EMPTY;

	if (object && !is_known)
		control_say(why->call, "found = a fetch under way, without a head yet");
	if (is_known) {
		control_say(why->call, "found = memory%s",
			    object_is_whole(object) ? ""
			    : object_state(object) == OBJECT_COMPLETE ? ", on its way to disk"
								      : ", still being fetched");
		say_object(why, object);
	}
	object_unref(object);
	return object != NULL;
}

static void look_up(struct why *why)
{
	if (find_in_memory(why))
		control_end(why->call);
	else
		ask_next_disk(why);
}

/* As transaction_hide_codings: one stored response serves all codings. */
static void say_compress(struct why *why)
{
	const struct access_list *list = snapshot_config(why->snapshot)->compress;
	struct http_field hidden[CODING_FIELDS];

	why->is_recoded = list && access_list_allows(list, false, &why->facts);
	if (!list)
		return;
	control_say(why->call, "compress = %s",
	            why->is_recoded ? "allow" : "deny: sent as the origin coded it");
	if (!why->is_recoded)
		return;
	coding_wishes_read(&why->request.head, &why->wishes);
	http_take_out(&why->request.head, FIELD_ACCEPT_ENCODING, hidden, COUNT(hidden));
}

void control_run_why(struct control_call *call)
{
	struct server *server = control_server(call);
	struct why *why = mem_zalloc(sizeof(*why));

	why->call = call;
	why->snapshot = snapshot_ref(server->current);
	buf_init(&why->url, URL_MAX_BYTES);
	buf_init(&why->head, HEAD_MAX_BYTES);
	arena_init(&why->arena, NULL, 0);
	control_set_state(call, why, free_why);
	if (port_url_absolute(control_word(call, 0), snapshot_config(why->snapshot)->url_rules,
			      &why->url, &why->parts) != PORT_URL_OK) {
		control_fail(call, "that is no URL: http://HOST/PATH is asked for");
		return;
	}
	if (!parse_head(why))
		return;
	cache_control_read(&why->request.head, &why->control);
	set_facts(why);
	why->key = index_key(server->index, buf_str(&why->url));
	control_say(call, "url = %.*s", STR_ARG(buf_str(&why->url)));
	control_say(call, "key = %016" PRIx64, why->key);
	control_say(call, "cache = %s",
		    access_list_allows(snapshot_config(why->snapshot)->cache, true, &why->facts)
			    ? "allow"
			    : "deny: neither answered from the cache nor stored");
	say_compress(why);
	look_up(why);
}
