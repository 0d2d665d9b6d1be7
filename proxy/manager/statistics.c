/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/statistics.h"

#include <sys/resource.h>

#include "cache/disk/disk.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/server.h"

enum {
	STEP_MS = STATISTICS_STEP_S * 1000,
	STEPS_A_MINUTE = 60 / STATISTICS_STEP_S,
	MINUTES_AN_HOUR = 60
};
#define MINUTE_US INT64_C(60000000)

struct minute {
	struct reading_of_counts counts;
	struct service_times times;
};

/* Rings: the newest stands at next - 1, and readings before the first are not there. */
struct statistics {
	struct server *server;
	struct loop *loop;
	struct timer timer;
	struct tally_request *tally; /* under way */
	uint64_t nminutes, nhours;   /* readings taken */
	uint64_t npoints, nsteps;
	struct minute last; /* the reading of the last step */
	struct statistics_point points[STATISTICS_POINTS];
	struct minute minutes[STATISTICS_MINUTES + 1];
	struct reading_of_counts hours[STATISTICS_HOURS + 1];
};

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void statistics_read(const struct statistics *statistics, const struct tally *tally,
		     struct reading_of_counts *out)
{
	const struct server *server = statistics->server;
	struct rusage usage;

	*out = (struct reading_of_counts){.at_us = clock_mono_us(),
					  .counters = tally->counters,
					  .loops = tally->loops};
	for (unsigned i = 0; i < server->ndisks; i++) {
		struct disk_stats disk;

		disk_stats(server->disks[i], &disk);
		out->disk_stores += disk.stored;
		out->disk_hits += disk.hits;
	}
	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return;
	out->page_faults = (uint64_t)usage.ru_majflt;
	out->cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/* ---- each step, and of six of them one */

static void wait_a_step(struct statistics *statistics)
{
	timer_set(statistics->loop, &statistics->timer,
		  loop_now_ms(statistics->loop) + STEP_MS);
}

static void keep(struct statistics *statistics, const struct reading_of_counts *counts,
		 const struct service_times *times)
{
	struct minute *minute =
		&statistics->minutes[statistics->nminutes % (STATISTICS_MINUTES + 1)];

	minute->counts = *counts;
	minute->times = *times;
	if (statistics->nminutes % MINUTES_AN_HOUR == 0)
		statistics->hours[statistics->nhours++ % (STATISTICS_HOURS + 1)] = *counts;
	statistics->nminutes++;
}

static void add_point(struct statistics *statistics, const struct reading_of_counts *now,
		      const struct histogram *times)
{
	const struct counters *counters = &now->counters,
			      *before = &statistics->last.counts.counters;
	struct histogram change = *times;

	histogram_subtract(&change, &statistics->last.times.of[SERVICE_ALL]);
	statistics->points[statistics->npoints++ % STATISTICS_POINTS] = (struct statistics_point){
		.at_us = now->at_us,
		.length_us = now->at_us - statistics->last.counts.at_us,
		.requests = counters->client_requests - before->client_requests,
		.hits = counters->client_hits - before->client_hits,
		.errors = counters->statuses[5] - before->statuses[5],
		.bytes_out = counters->client_bytes_out - before->client_bytes_out,
		.p50_us = histogram_quantile(&change, 0.5),
		.p99_us = histogram_quantile(&change, 0.99),
	};
}

static void take(void *owner, const struct tally *tally)
{
	struct statistics *statistics = owner;
	struct reading_of_counts counts;

	statistics->tally = NULL;
	statistics_read(statistics, tally, &counts);
	add_point(statistics, &counts, &tally->times.of[SERVICE_ALL]);
	statistics->last.counts = counts;
	statistics->last.times = tally->times;
	if (++statistics->nsteps % STEPS_A_MINUTE == 0)
		keep(statistics, &counts, &tally->times);
	wait_a_step(statistics);
}

static void step_passed(struct timer *timer)
{
	struct statistics *statistics = CONTAINER(timer, struct statistics, timer);

	statistics->tally = tally_ask(statistics->server, statistics->loop, take, statistics);
}

struct statistics *statistics_create(struct server *server, struct loop *loop)
{
	struct statistics *statistics = mem_zalloc(sizeof(*statistics));
	struct reading_of_counts nothing = {.at_us = clock_mono_us()};

	statistics->server = server;
	statistics->loop = loop;
	timer_init(&statistics->timer, step_passed);
	keep(statistics, &nothing, &(struct service_times){0});
	statistics->last.counts = nothing;
	wait_a_step(statistics);
	return statistics;
}

void statistics_stop(struct statistics *statistics)
{
	timer_cancel(&statistics->timer);
	tally_cancel(statistics->tally);
	statistics->tally = NULL;
}

void statistics_destroy(struct statistics *statistics)
{
	if (!statistics)
		return;
	statistics_stop(statistics);
	mem_free(statistics);
}

/* ---- spans */

static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static void subtract(struct reading_of_counts *from, const struct reading_of_counts *earlier)
{
	uint64_t *values = (uint64_t *)&from->counters;
	const uint64_t *less = (const uint64_t *)&earlier->counters;

	for (size_t i = 0; i < sizeof(from->counters) / sizeof(*values); i++)
		values[i] = since(values[i], less[i]);
	from->at_us -= earlier->at_us;
	from->loops.turns = since(from->loops.turns, earlier->loops.turns);
	from->loops.events = since(from->loops.events, earlier->loops.events);
	from->disk_stores = since(from->disk_stores, earlier->disk_stores);
	from->disk_hits = since(from->disk_hits, earlier->disk_hits);
	from->page_faults = since(from->page_faults, earlier->page_faults);
	from->cpu_s -= earlier->cpu_s;
}

static void fill(const struct statistics *statistics, const struct tally *tally,
		 const struct reading_of_counts *from, struct statistics_span *out)
{
	*out = (struct statistics_span){.to_us = clock_wall_us()};
	statistics_read(statistics, tally, &out->change);
	subtract(&out->change, from);
	out->from_us = out->to_us - out->change.at_us;
}

void statistics_minutes(const struct statistics *statistics, unsigned minutes,
			const struct tally *tally, struct statistics_span *out)
{
	int64_t before_us = clock_mono_us() - minutes * MINUTE_US;
	uint64_t i = statistics->nminutes - 1;
	uint64_t oldest = since(statistics->nminutes, STATISTICS_MINUTES + 1);
	const struct minute *from;

	for (;; i--) {
		from = &statistics->minutes[i % (STATISTICS_MINUTES + 1)];
		if (from->counts.at_us <= before_us || i == oldest)
			break;
	}
	fill(statistics, tally, &from->counts, out);
	out->times = tally->times;
	for (unsigned kind = 0; kind < SERVICE_KINDS; kind++)
		histogram_subtract(&out->times.of[kind], &from->times.of[kind]);
}

void statistics_hours(const struct statistics *statistics, unsigned hours,
		      const struct tally *tally, struct statistics_span *out)
{
	int64_t before_us = clock_mono_us() - hours * MINUTES_AN_HOUR * MINUTE_US;
	uint64_t i = statistics->nhours - 1;
	uint64_t oldest = since(statistics->nhours, STATISTICS_HOURS + 1);

	while (i > oldest &&
	       statistics->hours[i % (STATISTICS_HOURS + 1)].at_us > before_us)
		i--;
	fill(statistics, tally, &statistics->hours[i % (STATISTICS_HOURS + 1)], out);
}

unsigned statistics_points(const struct statistics *statistics, struct statistics_point *out,
			   unsigned max)
{
	uint64_t have = statistics->npoints < STATISTICS_POINTS ? statistics->npoints
								: STATISTICS_POINTS;
	unsigned n = have < max ? (unsigned)have : max;

	for (unsigned i = 0; i < n; i++)
		out[i] = statistics->points[(statistics->npoints - n + i) % STATISTICS_POINTS];
	return n;
}
