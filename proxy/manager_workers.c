/* SPDX-License-Identifier: BSD-2-Clause */
/* What only a worker can tell, on its own thread: requests under way, helpers. */
#include <inttypes.h>

#include "helpers/pool.h"
#include "proxy/manager_pages.h"
#include "proxy/session_h1_internal.h"
#include "proxy/transaction_internal.h"
#include "squid-compat/config.h"
#include "squid-compat/helper_config.h"

enum { SESSIONS_A_PIECE = 4096, URL_SHOWN_BYTES = 2048 };

/* ---- active_requests */

static void write_connection(struct buf *out, const struct session *session)
{
	const struct exchange *exchange = session->exchange;
	char remote[ADDR_TEXT_BYTES], local[ADDR_TEXT_BYTES];
	int fd = stream_fd(&session->stream);

	buf_printf(out, "Connection: %u.%d\n", session->worker->index, fd);
	buf_printf(out, "\tFD %d, read %" PRIu64 ", wrote %" PRIu64 "\n", fd,
		   exchange->request_bytes, exchange->reply.sent_bytes);
	buf_printf(out, "\tin: used %zu\n", session->input.len);
	buf_printf(out, "\tremote: %s\n", addr_text(&session->client, remote));
	buf_printf(out, "\tlocal: %s\n", addr_text(&exchange->local, local));
	buf_printf(out, "\tnrequests: %" PRIu32 "\n", session->nrequests);
}

static void write_request(struct buf *out, const struct session *session)
{
	const struct transaction *t =
		CONTAINER(session->exchange, struct transaction, exchange);
	struct str url = t->error_url ? str_of(t->error_url) : t->url;
	int64_t age_us = loop_wall_us(session->worker->loop) - t->start_us;

	write_connection(out, session);
	buf_printf(out, "uri %.*s\n", STR_ARG(str_first(url, URL_SHOWN_BYTES)));
	buf_printf(out, "logType %s\n", log_tag_name(t->tag));
	buf_printf(out, "out.offset %" PRIu64 ", out.size %" PRIu64 "\n",
		   session->exchange->reply.reader.offset, session->exchange->reply.sent_bytes);
	buf_printf(out, "req_sz %" PRIu64 "\n", session->exchange->request_bytes);
	buf_printf(out, "start %" PRId64 ".%06d (%.6f seconds ago)\n", t->start_us / 1000000,
		   (int)(t->start_us % 1000000), (double)age_us / 1e6);
	buf_printf(out, "username %.*s\n", t->user.len > 0 ? (int)t->user.len : 1,
		   t->user.len > 0 ? t->user.at : "-");
	buf_add_str(out, STR("delay_pool 0\n\n"));
}

/* The cursor counts sessions that were seen; some may be seen twice, or not, when others end meanwhile. */
bool manager_survey_requests(struct worker *worker, uint64_t *cursor, struct buf *out)
{
	uint64_t i = 0, end = *cursor + SESSIONS_A_PIECE;

	LIST_EACH(node, &worker->sessions) {
		const struct session *session = CONTAINER(node, struct session, node);

		if (i++ < *cursor)
			continue;
		if (i > end || out->len >= SURVEY_BYTES) {
			*cursor = i - 1;
			return true;
		}
		if (session->transaction && session->state != SESSION_READ_HEAD)
			write_request(out, session);
	}
	return false;
}

/* ---- helpers: the home loop's, worker 0 */

static void write_helpers(struct buf *out, const char *title, const struct helper_command *command,
			  const struct helper_children *children, const struct helper_pool *pool)
{
	struct helper_pool_stats stats;

	helper_pool_stats(pool, &stats);
	buf_printf(out, "%s Statistics:\n", title);
	buf_printf(out, "  program: %s\n", command->argv[0]);
	buf_printf(out, "  number active: %u of %u (0 shutting down)\n", stats.nrunning,
		   children->max);
	buf_printf(out, "  requests sent: %" PRIu64 "\n", stats.nrequests);
	buf_printf(out, "  replies received: %" PRIu64 "\n", stats.nreplies);
	buf_printf(out, "  requests timedout: %" PRIu64 "\n", stats.ntimeouts);
	buf_printf(out, "  queue length: %u\n", stats.nqueued);
	buf_printf(out, "  avg service time: 0 msec\n");
	buf_printf(out, "  started: %" PRIu64 ", died: %" PRIu64 "%s\n", stats.nstarts,
		   stats.ndeaths, stats.is_broken ? ", none can be kept alive" : "");
}

bool manager_survey_redirector(struct worker *worker, uint64_t *cursor, struct buf *out)
{
	const struct snapshot *snapshot = worker_snapshot(worker);
	const struct rewrite_config *config;

	(void)cursor;
	if (worker->index != 0 || !snapshot)
		return false;
	config = snapshot_config(snapshot)->url_rewrite;
	if (snapshot->url_rewrite)
		write_helpers(out, "Redirector", &config->command, &config->children,
			      snapshot->url_rewrite);
	else
		buf_add_str(out, STR("No redirectors defined\n"));
	return false;
}

bool manager_has_basic(const struct config *config)
{
	return auth_is_usable(&config->auth->schemes[AUTH_BASIC]);
}

bool manager_survey_basic(struct worker *worker, uint64_t *cursor, struct buf *out)
{
	const struct snapshot *snapshot = worker_snapshot(worker);
	const struct auth_scheme *scheme;

	(void)cursor;
	if (worker->index != 0 || !snapshot || !snapshot->auth_pool)
		return false;
	scheme = &snapshot_config(snapshot)->auth->schemes[AUTH_BASIC];
	write_helpers(out, "Basic Authenticator", &scheme->command, &scheme->children,
		      snapshot->auth_pool);
	return false;
}
