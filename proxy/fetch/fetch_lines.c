/* SPDX-License-Identifier: BSD-2-Clause */
/* The head that readers see, of an origin's answer. */
#include "cache/storable.h"
#include "lib/base/buf.h"
#include "lib/http/message.h"
#include "proxy/fetch/fetch.h"
#include "proxy/fetch/fetch_store.h"
#include "proxy/fetch/fetch_store_internal.h"
#include "proxy/fetch/peer_sticky.h"
#include "proxy/session/exchange.h"
#include "proxy/worker.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"

/* Which of its lines a field belongs to: shared by all readers, for the first one only, or neither.
 */
static struct buf *line_of(const struct http_response *response, const struct http_field *field,
                           const struct control_reader *reader, bool is_stored,
                           bool has_surrogate, struct buf *head, struct buf *once)
{
	switch (field->id) {
	case FIELD_CONTENT_LENGTH: /* the reply writes what it sends */
	case FIELD_AGE:
	case FIELD_VIA: /* comes last */
		return NULL;
	case FIELD_SURROGATE_CONTROL: /* for a surrogate before us, if there is one */
		return has_surrogate ? once : NULL;
	case FIELD_CONTENT_RANGE: /* of this part: stored, it may become another */
		if (response->status != 200)
			return once;
		break;
	case FIELD_SET_COOKIE:
		return is_stored && storable_keeps_field(&response->head, field, reader) ? head
		                                                                         : once;
	default:
		break;
	}
	if (http_is_hop_by_hop(&response->head, field))
		return NULL;
	return is_stored && !storable_keeps_field(&response->head, field, reader) ? once : head;
}

/* The last line, so that a reply can go on in it. */
static void add_via(struct buf *out, const struct http_head *from)
{
	const struct http_field *field = NULL;

	while ((field = http_find_next(from, FIELD_VIA, field)) != NULL) {
		buf_add_str(out, field == http_find(from, FIELD_VIA) ? STR("Via: ") : STR(", "));
		buf_add_str(out, http_field_value(from, field));
	}
	if (http_has(from, FIELD_VIA))
		buf_add_str(out, STR("\r\n"));
}

void fetch_write_heads(const struct fetch_order *order, const struct http_response *response,
		       const struct peer *sticks_to, bool is_stored, struct buf *head,
		       struct buf *once)
{
	const struct control_reader reader = fetch_store_reader(order);
	const struct http_head *from = &response->head;
	bool has_surrogate =
		http_has(&order->exchange->request.head, FIELD_SURROGATE_CAPABILITY);

	buf_add_str(head, STR("HTTP/1.1 "));
	buf_add_u64(head, (uint64_t)response->status);
	buf_add_char(head, ' ');
	buf_add_str(head, str_of(http_reason(response->status)));
	buf_add_str(head, STR("\r\n"));
	for (unsigned i = 0; i < from->nfields; i++) {
		struct buf *line = line_of(response, &from->fields[i], &reader, is_stored,
		                           has_surrogate, head, once);

		if (!line || (order->fill.partial && from->fields[i].id == FIELD_CONTENT_RANGE))
			continue;
		buf_add_str(line, http_field_name(from, &from->fields[i]));
		buf_add_str(line, STR(": "));
		buf_add_str(line, http_field_value(from, &from->fields[i]));
		buf_add_str(line, STR("\r\n"));
	}
	if (sticks_to && sticks_to->sticky.at &&
	    !peer_sticky_has(sticks_to, &order->exchange->request.head))
		peer_sticky_add(sticks_to, order->parts->is_https, once);
	if (!http_has(from, FIELD_DATE)) {
		buf_add_str(head, STR("Date: "));
		buf_add_str(head, worker_date(order->worker));
		buf_add_str(head, STR("\r\n"));
	}
	add_via(head, from);
}
