/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools of helpers for programs: an object a line, each a pool with its children and what they
 * wrote to stderr. */
#include <inttypes.h>

#include "helpers/external_acl.h"
#include "helpers/pool_report.h"
#include "lib/base/clock.h"
#include "lib/base/histogram.h"
#include "lib/base/json.h"
#include "proxy/manager/helper_pools.h"
#include "proxy/manager/log_daemons.h"
#include "proxy/manager/manager_pages.h"
#include "proxy/server.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"

/* A list under way. */
struct list_writer {
	struct buf *out;
	unsigned n;
};

static struct buf *next_item(struct list_writer *list)
{
	if (list->n++ > 0)
		buf_add_char(list->out, ',');
	return list->out;
}

static void write_text(struct buf *out, const char *name, struct str text)
{
	buf_printf(out, "\"%s\":", name);
	json_add_str(out, text);
}

static void write_number(struct buf *out, const char *name, uint64_t number)
{
	buf_printf(out, ",\"%s\":%" PRIu64, name, number);
}

static void write_flag(struct buf *out, const char *name, bool is_set)
{
	buf_printf(out, ",\"%s\":%s", name, is_set ? "true" : "false");
}

static void write_times(struct buf *out, const struct histogram *times)
{
	write_number(out, "p50_us", (uint64_t)histogram_quantile(times, 0.5));
	write_number(out, "p90_us", (uint64_t)histogram_quantile(times, 0.9));
	write_number(out, "p99_us", (uint64_t)histogram_quantile(times, 0.99));
}

static void write_child(void *owner, const struct helper_child_view *child)
{
	struct list_writer *list = owner;
	struct buf *out = list->out;

	if (out->len >= SURVEY_BYTES)
		return;
	buf_printf(next_item(list), "{\"number\":%" PRIu64, child->number);
	write_number(out, "pid", (uint64_t)child->pid);
	write_number(out, "age_s", (uint64_t)child->age_ms / 1000);
	write_number(out, "requests", child->nrequests);
	write_number(out, "replies", child->nreplies);
	write_number(out, "timeouts", child->ntimeouts);
	write_number(out, "in_flight", child->nin_flight);
	write_times(out, child->times);
	write_flag(out, "kept", child->is_kept);
	write_flag(out, "leaving", child->is_leaving);
	buf_add_char(out, '}');
}

static void write_note(void *owner, uint64_t number, int64_t at_us, struct str text)
{
	struct list_writer *list = owner;

	buf_printf(next_item(list), "{\"child\":%" PRIu64 ",\"at\":%" PRId64 ",", number,
		   clock_wall_of(at_us) / 1000000);
	write_text(list->out, "text", text);
	buf_add_char(list->out, '}');
}

static void write_stats(struct buf *out, const struct helper_pool_stats *stats)
{
	write_number(out, "running", stats->nrunning);
	write_number(out, "ending", stats->nending);
	write_number(out, "started", stats->nstarts);
	write_number(out, "died", stats->ndeaths);
	write_number(out, "requests", stats->nrequests);
	write_number(out, "replies", stats->nreplies);
	write_number(out, "timeouts", stats->ntimeouts);
	write_number(out, "refused", stats->nrefused);
	write_number(out, "in_flight", stats->nin_flight);
	write_number(out, "waiting", stats->nqueued);
	write_times(out, &stats->times);
}

static void write_breaker(struct buf *out, const struct helper_pool_view *view)
{
	buf_add_char(out, ',');
	write_text(out, "breaker", str_of(helper_breaker_name(view->breaker)));
	write_number(out, "failures", view->nfailures);
	write_number(out, "retry_in_ms", (uint64_t)view->retry_in_ms);
	if (view->last_end_us == 0)
		return;
	buf_add_char(out, ',');
	write_text(out, "last_end", str_of(view->last_end));
	write_number(out, "last_end_at", (uint64_t)(clock_wall_of(view->last_end_us) / 1000000));
}

static void write_pool(struct buf *out, const struct helper_pool_row *row)
{
	struct list_writer children = {.out = out}, notes = {.out = out};
	struct helper_pool_view view;

	helper_pool_view(row->pool, &view);
	buf_add_char(out, '{');
	write_text(out, "kind", str_of(row->kind));
	buf_add_char(out, ',');
	write_text(out, "name", row->name);
	buf_add_char(out, ',');
	write_text(out, "program", str_of(row->command->argv[0]));
	write_number(out, "max", row->children->max);
	write_number(out, "concurrency", row->children->concurrency);
	write_stats(out, &view.stats);
	write_breaker(out, &view);
	if (row->external)
		write_number(out, "answers_kept", external_acl_count(row->external));
	buf_add_str(out, STR(",\"children\":["));
	helper_pool_each_child(row->pool, write_child, &children);
	buf_add_str(out, STR("],\"stderr\":["));
	helper_pool_each_note(row->pool, write_note, &notes);
	buf_add_str(out, STR("]}\n"));
}

/* A pool is a piece; the cursor counts them. */
bool manager_survey_helpers_json(struct worker *worker, uint64_t *cursor, struct buf *out)
{
	const struct snapshot *snapshot = worker->index == 0 ? worker_snapshot(worker) : NULL;
	struct helper_pool_row row;

	if (!snapshot)
		return false;
	if (!helper_pools_get(snapshot, (unsigned)*cursor, &row)) {
		for (unsigned i = 0; log_daemon_write_json(worker->server->log, i, out); i++)
			;
		return false;
	}
	(*cursor)++;
	write_pool(out, &row);
	return true;
}
