/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/fetch_part.h"

#include <stdio.h>

#include "cache/disk/disk.h"
#include "cache/index.h"
#include "cache/object.h"
#include "cache/partial_table.h"
#include "cache/purge.h"
#include "cache/range.h"
#include "cache/revalidate.h"
#include "lib/base/buf.h"
#include "proxy/fetch/fetch.h"
#include "proxy/fetch/fetch_store.h"
#include "proxy/server.h"
#include "proxy/session/exchange.h"
#include "proxy/snapshot.h"
#include "proxy/store/disks.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"

enum { HEAD_MAX_BYTES = 1 << 20 };

static struct server *server_of(const struct fetch_order *order)
{
	return order->worker->server;
}

static uint64_t end_of(const struct partial_span *span)
{
	return span->first + span->len;
}

/* ---- what is missing */

void fetch_part_write_request(const struct fetch_fill *fill, struct buf *out)
{
	uint64_t end = end_of(&fill->missing);

	buf_add_str(out, STR("Range: bytes="));
	buf_add_u64(out, fill->missing.first);
	buf_add_char(out, '-');
	if (end < fill->partial->length)
		buf_add_u64(out, end - 1);
	buf_add_str(out, STR("\r\nIf-Range: "));
	buf_add_str(out, revalidate_strong_validator(fill->partial->about));
	buf_add_str(out, STR("\r\n"));
}

/* The length is compared too: an answer that is framed otherwise could not be joined as it
 * comes. */
bool fetch_part_fits(const struct fetch_fill *fill, const struct http_response *response)
{
	struct content_range range;

	return response->status == 206 && response->body == HTTP_BODY_LENGTH &&
	       response->content_length == fill->missing.len &&
	       content_range_read(http_value(&response->head, FIELD_CONTENT_RANGE), &range) &&
	       range.first == fill->missing.first && range.last == end_of(&fill->missing) - 1 &&
	       range.length == fill->partial->length &&
	       revalidate_is_same_strongly(fill->partial->about, response);
}

void fetch_part_append_before(const struct fetch_fill *fill, struct object *object)
{
	const struct partial_span before = {fill->window.first,
	                                    fill->missing.first - fill->window.first};

	partial_append(fill->partial, &before, object);
}

void fetch_part_append_behind(const struct fetch_fill *fill, struct object *object)
{
	const struct partial_span behind = {end_of(&fill->missing),
	                                    end_of(&fill->window) - end_of(&fill->missing)};

	partial_append(fill->partial, &behind, object);
}

/* ---- heads */

/* The stored head with the newer one's fields, as a 304 would renew it (RFC 9111 §3.4, §3.2). */
static void merge(const struct fetch_order *order, const struct object *old,
                  const struct http_response *response, const struct fetch_report *report,
                  struct buf *lines, struct freshness_facts *facts)
{
	const struct control_reader reader = fetch_store_reader(order);
	const struct freshness_arrival arrival = {response, &reader, report->started_us / 1000000,
						  report->answered_us / 1000000};

	buf_clear(lines);
	if (revalidate_merge(old, &arrival, lines, facts) == REVALIDATE_MERGED)
		return;
	buf_add_str(lines, old->head);
	*facts = old->facts;
}

static void set_status_line(struct buf *lines, int status)
{
	size_t old = str_find_char(buf_str(lines), '\n') + 1;
	char line[128];
	int len = snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\n", status, http_reason(status));

	buf_consume(lines, old);
	buf_prepend(lines, (struct str){line, (size_t)len});
}

static void add_content_range(struct buf *out, const struct partial_span *span, uint64_t length)
{
	buf_add_str(out, STR("Content-Range: bytes "));
	buf_add_u64(out, span->first);
	buf_add_char(out, '-');
	buf_add_u64(out, end_of(span) - 1);
	buf_add_char(out, '/');
	buf_add_u64(out, length);
	buf_add_str(out, STR("\r\n"));
}

void fetch_part_merge(const struct fetch_order *order, const struct http_response *response,
                      const struct fetch_report *report, struct object_head *head,
                      struct buf *lines, struct buf *once)
{
	const struct fetch_fill *fill = &order->fill;
	const struct object *about = fill->partial->about;

	merge(order, about, response, report, lines, &head->facts);
	head->status = fill->status;
	head->body_bytes = (int64_t)fill->window.len;
	head->vary = about->vary;
	if (fill->status == 206)
		add_content_range(once, &fill->window, fill->partial->length);
	else
		set_status_line(lines, fill->status);
	head->head = buf_str(lines);
}

/* ---- keeping one */

/* A purge or the like after the request left: what it got may be of before. about: its URL and
 * head. */
static bool is_out_of_date(const struct fetch_order *order, const struct object *about)
{
	struct server *server = server_of(order);

	return index_removals(server->index, order->key) != order->removals ||
	       purge_list_hits(server->purges, order->since, about->url, about->head);
}

/* Which bytes the object will have. False: a 206 that says something else than it has, or has
 * several parts. */
static bool read_span(const struct fetch_order *order, const struct http_response *response,
                      struct fetch_part *part)
{
	struct content_range range;

	if (order->fill.partial) {
		part->span = order->fill.window;
		part->length = order->fill.partial->length;
		return true;
	}
	if (!content_range_read(http_value(&response->head, FIELD_CONTENT_RANGE), &range))
		return false;
	part->span = (struct partial_span){range.first, range.last - range.first + 1};
	part->length = range.length;
	return response->body != HTTP_BODY_LENGTH || response->content_length == part->span.len;
}

static struct object *make_about(const struct object_head *head, struct str lines,
                                 const struct freshness_facts *facts)
{
	const struct object_head about = {
		.status = 206,
		.head = lines,
		.url = head->url,
		.vary = head->vary,
		.facts = *facts,
		.since = head->since,
	};

	return object_create_whole(&about, STR(""));
}

/* What is known of the representation. An answer to If-Range may leave out what the client has
 * (RFC 9110 §15.3.7): it only adds to what is stored here. NULL: it is not enough. */
static struct object *find_about(const struct fetch_order *order,
                                 const struct http_response *response,
                                 const struct fetch_report *report, const struct object_head *head)
{
	struct partial *old;
	struct object *about = NULL;
	struct freshness_facts facts;
	struct buf lines;

	if (order->fill.partial)
		return make_about(head, head->head, &head->facts);
	old = partial_table_find_record(server_of(order)->parts, order->key, order->cache_url,
	                                head->vary, order->removals);
	if (old && revalidate_is_same_strongly(old->about, response)) {
		buf_init(&lines, HEAD_MAX_BYTES);
		merge(order, old->about, response, report, &lines, &facts);
		about = make_about(head, buf_str(&lines), &facts);
		buf_fini(&lines);
	} else if (!http_has(&order->exchange->request.head, FIELD_IF_RANGE)) {
		about = make_about(head, head->head, &head->facts);
	}
	partial_unref(old);
	return about;
}

bool fetch_part_begin(struct fetch_part *part, const struct fetch_order *order,
                      const struct http_response *response, const struct fetch_report *report,
                      const struct object_head *head)
{
	struct fetch_part begun = {0};

	if (!read_span(order, response, &begun) ||
	    !partial_table_takes(server_of(order)->parts, begun.span.len))
		return false;
	begun.about = find_about(order, response, report, head);
	if (!begun.about)
		return false;
	*part = begun;
	return true;
}

/* ---- its end */

static bool may_be_in_memory(const struct fetch_order *order, const struct partial *partial)
{
	return partial->length <=
	       (uint64_t)snapshot_config(order->snapshot)->maximum_object_size_in_memory_bytes;
}

/* Every byte is there: an object like any other takes its place, if one may. */
static void make_whole(const struct fetch_order *order, const struct partial *partial)
{
	struct server *server = server_of(order);
	const struct partial_span all = partial_all(partial);
	uint64_t max_bytes = order->snapshot->max_stored_bytes, offset;
	struct object *object;
	bool is_kept = false;

	if (max_bytes > 0 && partial->length > max_bytes)
		return;
	object = partial_object(partial, 200, &all, &offset);
	if (may_be_in_memory(order, partial))
		is_kept = index_insert(server->index, order->key, object);
	is_kept |= disks_store(server, object, order->key) != NULL;
	if (is_out_of_date(order, object)) {
		index_remove(server->index, object);
		disks_remove_all(server, order->key);
	}
	if (is_kept)
		partial_table_forget(server->parts, order->key, object->url);
	object_unref(object);
}

void fetch_part_drop(struct fetch_part *part)
{
	object_unref(part->about);
	part->about = NULL;
}

static void add(const struct fetch_part *part, const struct fetch_order *order,
                struct object *object)
{
	const struct partial_addition addition = {
		.about = part->about,
		.length = part->length,
		.removals = order->removals,
		.span = part->span,
		.object = object,
	};
	struct partial *partial =
		partial_table_add(server_of(order)->parts, order->key, &addition);
	struct partial_span all, missing;

	if (partial && is_out_of_date(order, part->about)) {
		partial_table_remove(server_of(order)->parts, partial);
	} else if (partial) {
		all = partial_all(partial);
		if (!partial_missing(partial, &all, &missing))
			make_whole(order, partial);
	}
	partial_unref(partial);
}

void fetch_part_finish(struct fetch_part *part, const struct fetch_order *order,
                       struct object *object)
{
	if (object_is_whole(object) && object_length(object) == part->span.len)
		add(part, order, object);
	fetch_part_drop(part);
}

/* An incomplete 200 is a part from its beginning on. */
static bool is_cut_whole(const struct object *object)
{
	return object->status == 200 && object->body_bytes > 0;
}

static void make_cut_part(struct fetch_part *part, const struct object *object)
{
	struct object_head head = {
		.status = 206, .url = object->url, .vary = object->vary, .facts = object->facts};
	struct buf lines;

	buf_init(&lines, HEAD_MAX_BYTES);
	buf_add_str(&lines, object->head);
	set_status_line(&lines, 206);
	head.head = buf_str(&lines);
	part->about = object_create_whole(&head, STR(""));
	part->length = (uint64_t)object->body_bytes;
	buf_fini(&lines);
}

void fetch_part_salvage(struct fetch_part *part, const struct fetch_order *order,
                        struct object *object)
{
	uint64_t len = object_length(object);
	struct object *came;

	if (len == 0 || is_out_of_date(order, object) || !revalidate_strong_validator(object).at ||
	    !partial_table_takes(server_of(order)->parts, len))
		return;
	if (!part->about && is_cut_whole(object))
		make_cut_part(part, object);
	if (!part->about || (part->span.len > 0 && len >= part->span.len))
		return;
	part->span.len = len;
	came = partial_copy(part->about, object, len);
	add(part, order, came);
	object_unref(came);
}
