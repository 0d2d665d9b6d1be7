/* SPDX-License-Identifier: BSD-2-Clause */
/* What only a worker can tell, on its own thread: requests under way. */
#include <inttypes.h>

#include "proxy/manager/manager_pages.h"
#include "proxy/session/session_h1.h"
#include "proxy/session/session_h2.h"
#include "proxy/transaction/transaction.h"
#include "proxy/worker.h"

enum { SESSIONS_A_PIECE = 4096, URL_SHOWN_BYTES = 2048 };

struct requests {
	const struct worker *worker;
	struct buf *out;
};

static void write_connection(const struct requests *requests, const struct session_view *view,
			     const struct exchange *exchange)
{
	char remote[ADDR_TEXT_BYTES], local[ADDR_TEXT_BYTES];
	struct buf *out = requests->out;

	buf_printf(out, "Connection: %u.%d\n", requests->worker->index, view->fd);
	buf_printf(out, "\tFD %d, read %" PRIu64 ", wrote %" PRIu64 "\n", view->fd,
		   exchange->request_bytes, exchange->reply.sent_bytes);
	buf_printf(out, "\tin: used %zu\n", view->nread);
	buf_printf(out, "\tremote: %s\n", addr_text(&exchange->client, remote));
	buf_printf(out, "\tlocal: %s\n", addr_text(&exchange->local, local));
	buf_printf(out, "\tnrequests: %" PRIu64 "\n", view->nrequests);
}

static void write_request(void *owner, const struct session_view *view,
			  const struct exchange *exchange)
{
	const struct requests *requests = owner;
	struct buf *out = requests->out;
	struct transaction_view t;
	int64_t age_us, start_us;

	if (!transaction_view(exchange, &t))
		return;
	age_us = loop_mono_us(requests->worker->loop) - t.began_us;
	start_us = loop_wall_us(requests->worker->loop) - age_us;
	write_connection(requests, view, exchange);
	buf_printf(out, "uri %.*s\n", STR_ARG(str_first(t.url, URL_SHOWN_BYTES)));
	buf_printf(out, "logType %s\n", t.tag);
	buf_printf(out, "out.offset %" PRIu64 ", out.size %" PRIu64 "\n",
		   exchange->reply.reader.offset, exchange->reply.sent_bytes);
	buf_printf(out, "req_sz %" PRIu64 "\n", exchange->request_bytes);
	buf_printf(out, "start %" PRId64 ".%06d (%.6f seconds ago)\n", start_us / 1000000,
		   (int)(start_us % 1000000), (double)age_us / 1e6);
	buf_printf(out, "username %.*s\n", t.user.len > 0 ? (int)t.user.len : 1,
		   t.user.len > 0 ? t.user.at : "-");
	buf_add_str(out, STR("delay_pool 0\n\n"));
}

/* The cursor counts connections that were seen, in the upper half those of HTTP/2; some may be seen
 * twice, or not, when others end meanwhile. */
static bool write_some(const struct list *sessions, uint32_t *seen,
		       void (*view)(const struct list *, session_view_fn *, void *),
		       struct requests *requests)
{
	uint32_t i = 0, end = *seen + SESSIONS_A_PIECE;

	LIST_EACH(node, sessions) {
		if (i++ < *seen)
			continue;
		if (i > end || requests->out->len >= SURVEY_BYTES) {
			*seen = i - 1;
			return true;
		}
		view(node, write_request, requests);
	}
	*seen = i;
	return false;
}

bool manager_survey_requests(struct worker *worker, uint64_t *cursor, struct buf *out)
{
	uint32_t seen_h1 = (uint32_t)*cursor, seen_h2 = (uint32_t)(*cursor >> 32);
	struct requests requests = {.worker = worker, .out = out};
	bool has_more = write_some(&worker->sessions, &seen_h1, session_h1_view, &requests) ||
			write_some(&worker->h2_sessions, &seen_h2, session_h2_view, &requests);

	*cursor = (uint64_t)seen_h2 << 32 | seen_h1;
	return has_more;
}
