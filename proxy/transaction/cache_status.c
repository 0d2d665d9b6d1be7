/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/cache_status.h"

#include "proxy/manager/pen.h"
#include "proxy/snapshot.h"
#include "proxy/transaction/transaction_internal.h"
#include "squid-compat/config.h"

static const struct str reasons[FORWARD_REASONS] = {
	[FORWARD_BYPASS] = {";fwd=bypass", 11},     [FORWARD_METHOD] = {";fwd=method", 11},
	[FORWARD_URI_MISS] = {";fwd=uri-miss", 13}, [FORWARD_VARY_MISS] = {";fwd=vary-miss", 14},
	[FORWARD_REQUEST] = {";fwd=request", 12},   [FORWARD_STALE] = {";fwd=stale", 10},
	[FORWARD_PARTIAL] = {";fwd=partial", 12},
};

static void put_forward(const struct transaction *t, struct pen *pen)
{
	const struct fetch_report *report = &t->report;

	pen_put(pen, reasons[t->forward]);
	if (report->status > 0) {
		pen_put(pen, STR(";fwd-status="));
		pen_put_number(pen, (uint64_t)report->status);
	}
	if (report->is_storable)
		pen_put(pen, STR(";stored"));
	if (t->has_joined && t->is_hit)
		pen_put(pen, STR(";collapsed"));
}

static void put_ttl(const struct transaction *t, struct pen *pen)
{
	int64_t left_s = t->freshness.left_s;

	if (left_s < 0)
		pen_put(pen, STR("-"));
	pen_put_number(pen, (uint64_t)(left_s < 0 ? -left_s : left_s));
}

static bool is_keyed(const struct transaction *t)
{
	return transaction_config(t)->cache_status_key && t->key != 0;
}

/* A structured field's string knows printable ASCII alone. RFC 8941 §3.3.3. */
static void put_key(const struct transaction *t, struct pen *pen)
{
	pen_put(pen, STR(";key=\""));
	for (size_t i = 0; i < t->url.len; i++) {
		char c = t->url.at[i];

		if (c == '"' || c == '\\')
			pen_put(pen, STR("\\"));
		if (c >= ' ' && c <= '~')
			pen_put(pen, (struct str){&c, 1});
	}
	pen_put(pen, STR("\""));
}

size_t cache_status_bytes(const struct transaction *t)
{
	return t->snapshot->cache_status_hit.len + CACHE_STATUS_BYTES +
	       (is_keyed(t) ? 2 * t->url.len : 0);
}

void cache_status_write(const struct transaction *t, struct pen *pen)
{
	if (t->is_hit && t->forward == FORWARD_NONE) {
		pen_put(pen, t->snapshot->cache_status_hit);
		put_ttl(t, pen);
	} else {
		pen_put(pen, t->snapshot->cache_status);
		put_forward(t, pen);
	}
	if (is_keyed(t))
		put_key(t, pen);
	if (t->error != ERROR_NONE) {
		pen_put(pen, STR(";detail="));
		pen_put(pen, str_of(error_name_text(t->error)));
	}
	pen_put(pen, STR("\r\n"));
}
