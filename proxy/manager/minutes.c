/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/minutes.h"

#include <stdatomic.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/log/log_writer.h"
#include "proxy/manager/census.h"
#include "proxy/manager/manager_page.h"
#include "proxy/manager/minutes_file.h"
#include "proxy/server.h"

enum { MINUTE_MS = 60000 };
#define SECOND_US INT64_C(1000000)
#define MINUTE_US INT64_C(60000000)

/* A minute on its way to the file: the main thread's unless is_with_thread. */
struct batch {
	int64_t minute;
	unsigned n;
	struct minutes_row rows[SITE_ROWS];
};

struct minutes {
	struct server *server;
	struct loop *loop;
	struct timer timer;
	struct survey *survey; /* under way */
	struct buf gathered;
	char *path;
	struct site_counts written[SITE_ROWS]; /* up to here all is in the file, or in batch */
	struct batch batch;
	struct log_job job;
	atomic_bool is_with_thread; /* release: batch is the main thread's again */
	struct minutes_file file;   /* the thread's */
};

/* ---- on the log thread */

/* What cannot be written stays for the next minute. */
static void write_batch(struct minutes *minutes)
{
	struct batch *batch = &minutes->batch;

	if (batch->n > 0 &&
	    minutes_file_write(&minutes->file, batch->minute, batch->rows, batch->n))
		batch->n = 0;
}

static void run_job(struct log_job *job)
{
	struct minutes *minutes = CONTAINER(job, struct minutes, job);

	write_batch(minutes);
	atomic_store_explicit(&minutes->is_with_thread, false, memory_order_release);
}

/* ---- what came since the last minute */

static void add_counts(struct site_counts *to, const struct site_counts *from, int sign)
{
	uint64_t *sums = (uint64_t *)to;
	const uint64_t *values = (const uint64_t *)from;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*sums); i++)
		sums[i] += sign > 0 ? values[i] : -values[i];
}

/* The row of a site, which may be left from a minute that could not be written. */
static struct minutes_row *row_of(struct batch *batch, struct str site)
{
	struct minutes_row *row;

	for (unsigned i = 0; i < batch->n; i++)
		if (str_eq(str_of(batch->rows[i].site), site))
			return &batch->rows[i];
	row = &batch->rows[batch->n++];
	*row = (struct minutes_row){0};
	str_copy(site, row->site, sizeof(row->site));
	return row;
}

static void take_site(struct minutes *minutes, unsigned i, const struct site_counts *now)
{
	struct site_counts change = *now;
	struct minutes_row *row;

	add_counts(&change, &minutes->written[i], -1);
	if (change.requests == 0)
		return;
	row = row_of(&minutes->batch, site_names_text(&minutes->server->site_names, i));
	add_counts(&row->counts, &change, 1);
	minutes->written[i] = *now;
}

/* The minute that is ending, or has just ended. */
static void date_batch(struct minutes *minutes)
{
	minutes->batch.minute = (clock_wall_us() - SECOND_US) / MINUTE_US;
}

/* ---- each minute */

static void wait_for_minute(struct minutes *minutes)
{
	int64_t left_ms = MINUTE_MS - clock_wall_us() / 1000 % MINUTE_MS;

	timer_set(minutes->loop, &minutes->timer, loop_now_ms(minutes->loop) + left_ms);
}

static void take_all(struct minutes *minutes)
{
	struct census *census = census_create(buf_str(&minutes->gathered));

	for (unsigned i = 0; i < SITE_ROWS; i++)
		if (census->sites[i])
			take_site(minutes, i, census->sites[i]);
	census_destroy(census);
	date_batch(minutes);
	if (minutes->batch.n == 0)
		return;
	atomic_store_explicit(&minutes->is_with_thread, true, memory_order_relaxed);
	log_writer_post(minutes->server->log, &minutes->job);
}

static void have_piece(void *owner)
{
	struct minutes *minutes = owner;

	if (survey_take(minutes->survey, &minutes->gathered))
		return;
	survey_destroy(minutes->survey);
	minutes->survey = NULL;
	take_all(minutes);
	buf_fini(&minutes->gathered);
	wait_for_minute(minutes);
}

/* A batch that the thread still has means that the disk hangs: its minute gets longer. */
static void minute_passed(struct timer *timer)
{
	struct minutes *minutes = CONTAINER(timer, struct minutes, timer);

	if (atomic_load_explicit(&minutes->is_with_thread, memory_order_acquire)) {
		wait_for_minute(minutes);
		return;
	}
	minutes->survey = survey_create(minutes->server, minutes->loop, census_survey, have_piece,
					minutes);
}

/* ---- begin and end */

struct minutes *minutes_create(struct server *server, struct loop *loop, const char *path)
{
	struct minutes *minutes = mem_zalloc(sizeof(*minutes));

	minutes->server = server;
	minutes->loop = loop;
	minutes->path = mem_strdup(path);
	minutes->file.path = minutes->path;
	minutes->job.run = run_job;
	buf_init(&minutes->gathered, MANAGER_GATHER_BYTES);
	timer_init(&minutes->timer, minute_passed);
	wait_for_minute(minutes);
	return minutes;
}

void minutes_stop(struct minutes *minutes)
{
	if (!minutes)
		return;
	timer_cancel(&minutes->timer);
	survey_destroy(minutes->survey);
	minutes->survey = NULL;
}

/* Their threads have ended. */
static void sum_workers(const struct server *server, unsigned i, struct site_counts *sum)
{
	*sum = (struct site_counts){0};
	for (unsigned w = 0; w < server->nworkers; w++)
		if (server->workers[w]->sites.counts[i])
			add_counts(sum, server->workers[w]->sites.counts[i], 1);
}

void minutes_read_last(struct minutes *minutes)
{
	struct site_counts now;

	if (!minutes || atomic_load_explicit(&minutes->is_with_thread, memory_order_acquire))
		return;
	for (unsigned i = 0; i < SITE_ROWS; i++) {
		sum_workers(minutes->server, i, &now);
		take_site(minutes, i, &now);
	}
	date_batch(minutes);
}

void minutes_destroy(struct minutes *minutes)
{
	if (!minutes)
		return;
	write_batch(minutes);
	minutes_file_close(&minutes->file);
	health_good(&minutes->file.health);
	buf_fini(&minutes->gathered);
	mem_free(minutes->path);
	mem_free(minutes);
}
