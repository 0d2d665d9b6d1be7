/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools of helpers, for people and for scripts that read Squid's pages; all of it on their home
 * loop. What a helper is asked may hold passwords: it is never shown. */
#include <inttypes.h>

#include "helpers/external_acl.h"
#include "helpers/pool_report.h"
#include "lib/base/clock.h"
#include "lib/base/histogram.h"
#include "proxy/manager/helper_pools.h"
#include "proxy/manager/log_daemons.h"
#include "proxy/manager/manager_pages.h"
#include "proxy/server.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "squid-compat/auth_config.h"
#include "squid-compat/config.h"
#include "squid-compat/external_acl_config.h"

static const struct snapshot *snapshot_of(struct worker *worker)
{
	return worker->index == 0 ? worker_snapshot(worker) : NULL;
}

static double quantile_ms(const struct histogram *times, double share)
{
	return histogram_quantile(times, share) / 1000;
}

/* ---- one kind, as Squid has it */

static void write_squid_child(void *owner, const struct helper_child_view *child)
{
	struct buf *out = owner;

	if (out->len >= SURVEY_BYTES)
		return;
	buf_printf(out,
		   "%7" PRIu64 "\t%7d\t%7d\t%11" PRIu64 "\t%11" PRIu64 "\t%11" PRIu64
		   "\t%c  %c%c \t%7.3f\t%7d\t(%s)\n",
		   child->number, child->fd, (int)child->pid, child->nrequests, child->nreplies,
		   child->ntimeouts, child->nin_flight > 0 ? 'B' : ' ', child->is_kept ? 'R' : ' ',
		   child->is_leaving ? 'S' : ' ', (double)child->latest_us / 1e6, 0,
		   child->nin_flight > 0 ? "not shown" : "none");
}

static void write_squid_children(struct buf *out, const struct helper_pool *pool)
{
	buf_printf(out, "\n%7s\t%7s\t%7s\t%11s\t%11s\t%11s\t%6s\t%7s\t%7s\t%7s\n", "ID #", "FD",
	           "PID", "# Requests", "# Replies", "# Timed-out", "Flags", "Time", "Offset",
	           "Request");
	helper_pool_each_child(pool, write_squid_child, out);
	buf_add_str(out, STR("\nFlags key:\n"
			     "   B\tBUSY\n"
			     "   R\tRESERVED\n"
			     "   S\tSHUTDOWN PENDING\n"));
}

static void write_squid_pool(struct buf *out, const struct helper_pool_row *row)
{
	struct helper_pool_view view;
	const struct helper_pool_stats *stats = &view.stats;

	helper_pool_view(row->pool, &view);
	buf_printf(out, "%s Statistics:", row->title);
	if (row->external)
		buf_printf(out, " %.*s\nCache size: %zu", STR_ARG(row->name),
			   external_acl_count(row->external));
	buf_printf(out, "\n  program: %s\n", row->command->argv[0]);
	buf_printf(out, "  number active: %u of %u (%u shutting down)\n", stats->nrunning,
		   row->children->max, stats->nending);
	buf_printf(out, "  requests sent: %" PRIu64 "\n", stats->nrequests);
	buf_printf(out, "  replies received: %" PRIu64 "\n", stats->nreplies);
	buf_printf(out, "  requests timedout: %" PRIu64 "\n", stats->ntimeouts);
	buf_printf(out, "  queue length: %u\n", stats->nqueued);
	/* the median: what scripts want to see grow */
	buf_printf(out, "  avg service time: %.0f msec\n", quantile_ms(&stats->times, 0.5));
	buf_printf(out, "  started: %" PRIu64 ", died: %" PRIu64 "%s\n", stats->nstarts,
		   stats->ndeaths, stats->is_broken ? ", none can be kept alive" : "");
	write_squid_children(out, row->pool);
}

/* All pools of that kind; returns how many. */
static unsigned write_kind(struct worker *worker, const char *kind, struct buf *out)
{
	const struct snapshot *snapshot = snapshot_of(worker);
	struct helper_pool_row row;
	unsigned n = 0;

	for (unsigned i = 0; snapshot && helper_pools_get(snapshot, i, &row); i++)
		if (str_eq(str_of(row.kind), str_of(kind))) {
			if (n++ > 0)
				buf_add_char(out, '\n');
			write_squid_pool(out, &row);
		}
	return n;
}

/* nothing: what the page says where there is no such pool. */
#define KIND_REPORT(function, kind, nothing) \
	bool manager_survey_##function(struct worker *worker, uint64_t *cursor, struct buf *out) \
	{ \
		(void)cursor; \
		if (write_kind(worker, kind, out) == 0 && worker->index == 0) \
			buf_add_str(out, STR(nothing)); \
		return false; \
	}

KIND_REPORT(redirector, "url_rewrite", "No redirectors defined\n")
KIND_REPORT(store_id, "store_id", "No StoreId helpers defined\n")
KIND_REPORT(basic, "auth_basic", "")
KIND_REPORT(digest, "auth_digest", "")
KIND_REPORT(ntlm, "auth_ntlm", "")
KIND_REPORT(negotiate, "auth_negotiate", "")
KIND_REPORT(bearer, "auth_bearer", "")
KIND_REPORT(external_acl, "external_acl", "")

#define SCHEME_CHECK(name, kind) \
	bool manager_has_##name(const struct config *config) \
	{ \
		return auth_is_usable(&config->auth->schemes[kind]); \
	}

SCHEME_CHECK(basic, AUTH_BASIC)
SCHEME_CHECK(digest, AUTH_DIGEST)
SCHEME_CHECK(ntlm, AUTH_NTLM)
SCHEME_CHECK(negotiate, AUTH_NEGOTIATE)
SCHEME_CHECK(bearer, AUTH_BEARER)

/* ---- all of them, ours */

static void write_times(struct buf *out, const struct histogram *times)
{
	static const double shares[] = {0.5, 0.9, 0.99};

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		buf_printf(out, " %9.3f", quantile_ms(times, shares[i]));
}

static void write_child(void *owner, const struct helper_child_view *child)
{
	struct buf *out = owner;

	if (out->len >= SURVEY_BYTES)
		return;
	buf_printf(out,
	           "  %6" PRIu64 " %8d %8" PRId64 "s %10" PRIu64 " %10" PRIu64 " %8" PRIu64 " %7u",
	           child->number, (int)child->pid, child->age_ms / 1000, child->nrequests,
	           child->nreplies, child->ntimeouts, child->nin_flight);
	write_times(out, child->times);
	buf_printf(out, "%s%s\n", child->is_kept ? " kept" : "",
	           child->is_leaving ? " leaving" : "");
}

void manager_add_printable(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (c >= 32 && c != 127 && c != '\\')
			buf_add_char(out, (char)c);
		else
			buf_printf(out, "\\x%02x", c);
	}
}

static void write_note(void *owner, uint64_t number, int64_t at_us, struct str text)
{
	struct buf *out = owner;

	buf_printf(out, "  stderr  #%" PRIu64 ", %" PRId64 " s ago: ", number,
		   (clock_mono_us() - at_us) / 1000000);
	manager_add_printable(out, text);
	buf_add_char(out, '\n');
}

static void write_state(struct buf *out, const struct helper_pool_view *view)
{
	buf_printf(out, "  breaker   %s, %u failures in a row", helper_breaker_name(view->breaker),
		   view->nfailures);
	if (view->retry_in_ms > 0)
		buf_printf(out, ", next try in %.1f s", (double)view->retry_in_ms / 1000);
	if (view->last_end_us != 0)
		buf_printf(out, "; %" PRId64 " s ago one %s",
		           (clock_mono_us() - view->last_end_us) / 1000000, view->last_end);
	buf_add_char(out, '\n');
}

static void write_pool(struct buf *out, const struct helper_pool_row *row)
{
	struct helper_pool_view view;
	const struct helper_pool_stats *stats = &view.stats;

	helper_pool_view(row->pool, &view);
	buf_printf(out, "%s%s%.*s: %s\n", row->kind, row->name.len > 0 ? " " : "",
	           STR_ARG(row->name), row->command->argv[0]);
	buf_printf(out,
	           "  children  %u of %u run, %u are ending; %" PRIu64 " were started, %" PRIu64
	           " died\n",
	           stats->nrunning, row->children->max, stats->nending, stats->nstarts,
	           stats->ndeaths);
	buf_printf(out,
		   "  requests  %" PRIu64 " came, %" PRIu64 " replies, %" PRIu64 " too late, %" PRIu64
		   " refused; %u in flight, %u wait\n",
		   stats->nrequests, stats->nreplies, stats->ntimeouts, stats->nrefused,
		   stats->nin_flight, stats->nqueued);
	buf_add_str(out, STR("  ms        p50, p90, p99:"));
	write_times(out, &stats->times);
	buf_add_char(out, '\n');
	if (row->external)
		buf_printf(out, "  answers   %zu are kept\n", external_acl_count(row->external));
	write_state(out, &view);
	if (stats->nrunning > 0 || stats->nin_flight > 0)
		buf_printf(out, "  %6s %8s %9s %10s %10s %8s %7s %9s %9s %9s\n", "child", "pid",
		           "age", "requests", "replies", "too late", "flight", "p50 ms", "p90 ms",
		           "p99 ms");
	helper_pool_each_child(row->pool, write_child, out);
	helper_pool_each_note(row->pool, write_note, out);
}

/* Daemons are few: all of them at once. */
static void write_daemons(struct worker *worker, bool is_alone, struct buf *out)
{
	unsigned n = 0;

	while (log_daemon_write(worker->server->log, n, is_alone && n == 0, out))
		n++;
	if (is_alone && n == 0)
		buf_add_str(out, STR("No helper programs are configured.\n"));
}

/* A pool is a piece; the cursor counts them. */
bool manager_survey_helpers(struct worker *worker, uint64_t *cursor, struct buf *out)
{
	const struct snapshot *snapshot = snapshot_of(worker);
	struct helper_pool_row row;

	if (!snapshot)
		return false;
	if (!helper_pools_get(snapshot, (unsigned)*cursor, &row)) {
		write_daemons(worker, *cursor == 0, out);
		return false;
	}
	if ((*cursor)++ > 0)
		buf_add_char(out, '\n');
	write_pool(out, &row);
	return true;
}
