/* SPDX-License-Identifier: BSD-2-Clause */
/* What was counted, in Squid's names and units: in all, per second of the last minutes, as
 * histograms. */
#include <inttypes.h>
#include <stddef.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/http/date.h"
#include "proxy/manager/manager_pages.h"
#include "proxy/manager/statistics.h"
#include "proxy/serve.h"
#include "proxy/server.h"

/* ---- the names */

enum line_kind {
	LINE_COUNT,  /* a number; per second in averages */
	LINE_KBYTES, /* bytes, shown in units of 1024 */
	LINE_ZERO,   /* what Squid counts and we have not: 0 */
	LINE_ZERO_SECONDS,
	LINE_MEDIAN, /* seconds; the offset is an enum service_kind */
};

enum { TOTAL = 1, RATE = 2 }; /* where a line stands */

struct line {
	const char *name;
	enum line_kind kind;
	unsigned lists;
	size_t offset; /* in struct reading_of_counts */
};

#define OF(field) offsetof(struct reading_of_counts, field)
#define COUNTER(field) OF(counters.field)
#define ZERO(name) {name, LINE_ZERO, TOTAL | RATE, 0}
#define ZERO_RATE(name) {name, LINE_ZERO, RATE, 0}
#define ZERO_TOTAL(name) {name, LINE_ZERO, TOTAL, 0}
#define SERVER(name)                                                                               \
	{"server." name ".requests", LINE_COUNT, TOTAL | RATE, COUNTER(server_requests)},          \
	{"server." name ".errors", LINE_COUNT, TOTAL | RATE, COUNTER(server_errors)},              \
	{"server." name ".kbytes_in", LINE_KBYTES, TOTAL | RATE, COUNTER(server_bytes_in)},        \
	{"server." name ".kbytes_out", LINE_KBYTES, TOTAL | RATE, COUNTER(server_bytes_out)}
#define NO_SERVER(name)                                                                            \
	ZERO("server." name ".requests"), ZERO("server." name ".errors"),                          \
		ZERO("server." name ".kbytes_in"), ZERO("server." name ".kbytes_out")

static const struct line lines[] = {
	{"client_http.requests", LINE_COUNT, TOTAL | RATE, COUNTER(client_requests)},
	{"client_http.hits", LINE_COUNT, TOTAL | RATE, COUNTER(client_hits)},
	{"client_http.errors", LINE_COUNT, TOTAL | RATE, COUNTER(client_errors)},
	{"client_http.kbytes_in", LINE_KBYTES, TOTAL | RATE, COUNTER(client_bytes_in)},
	{"client_http.kbytes_out", LINE_KBYTES, TOTAL | RATE, COUNTER(client_bytes_out)},
	{"client_http.hit_kbytes_out", LINE_KBYTES, TOTAL, COUNTER(client_hit_bytes_out)},
	{"client_http.all_median_svc_time", LINE_MEDIAN, RATE, SERVICE_ALL},
	{"client_http.miss_median_svc_time", LINE_MEDIAN, RATE, SERVICE_MISS},
	{"client_http.nm_median_svc_time", LINE_MEDIAN, RATE, SERVICE_NOT_MODIFIED},
	{"client_http.nh_median_svc_time", LINE_MEDIAN, RATE, SERVICE_NEAR_HIT},
	{"client_http.hit_median_svc_time", LINE_MEDIAN, RATE, SERVICE_HIT},
	SERVER("all"),
	SERVER("http"),
	NO_SERVER("ftp"),
	NO_SERVER("other"),
	ZERO("icp.pkts_sent"),
	ZERO("icp.pkts_recv"),
	ZERO("icp.queries_sent"),
	ZERO("icp.replies_sent"),
	ZERO("icp.queries_recv"),
	ZERO("icp.replies_recv"),
	ZERO("icp.query_timeouts"),
	ZERO("icp.replies_queued"),
	ZERO("icp.kbytes_sent"),
	ZERO("icp.kbytes_recv"),
	ZERO("icp.q_kbytes_sent"),
	ZERO("icp.r_kbytes_sent"),
	ZERO("icp.q_kbytes_recv"),
	ZERO("icp.r_kbytes_recv"),
	ZERO_TOTAL("icp.times_used"),
	ZERO_TOTAL("cd.times_used"),
	ZERO_TOTAL("cd.msgs_sent"),
	ZERO_TOTAL("cd.msgs_recv"),
	ZERO_TOTAL("cd.memory"),
	ZERO_TOTAL("cd.local_memory"),
	ZERO_TOTAL("cd.kbytes_sent"),
	ZERO_TOTAL("cd.kbytes_recv"),
	{"icp.query_median_svc_time", LINE_ZERO_SECONDS, RATE, 0},
	{"icp.reply_median_svc_time", LINE_ZERO_SECONDS, RATE, 0},
	{"dns.median_svc_time", LINE_ZERO_SECONDS, RATE, 0},
	ZERO("unlink.requests"),
	{"page_faults", LINE_COUNT, TOTAL | RATE, OF(page_faults)},
	{"select_loops", LINE_COUNT, TOTAL | RATE, OF(loops.turns)},
	{"select_fds", LINE_COUNT, RATE, OF(loops.events)},
};

/* Behind those of processor time, in totals; before them in averages. */
static const struct line later_lines[] = {
	{"swap.outs", LINE_COUNT, TOTAL | RATE, OF(disk_stores)},
	{"swap.ins", LINE_COUNT, TOTAL | RATE, OF(disk_hits)},
	ZERO("swap.files_cleaned"),
	{"aborted_requests", LINE_COUNT, TOTAL | RATE, COUNTER(client_aborts)},
	ZERO_RATE("syscalls.disk.opens"),
	ZERO_RATE("syscalls.disk.closes"),
	ZERO_RATE("syscalls.disk.reads"),
	ZERO_RATE("syscalls.disk.writes"),
	ZERO_RATE("syscalls.disk.seeks"),
	ZERO_RATE("syscalls.disk.unlinks"),
	{"syscalls.sock.accepts", LINE_COUNT, RATE, COUNTER(connections_accepted)},
	ZERO_RATE("syscalls.sock.sockets"),
	ZERO_RATE("syscalls.sock.connects"),
	ZERO_RATE("syscalls.sock.binds"),
	ZERO_RATE("syscalls.sock.closes"),
	ZERO_RATE("syscalls.sock.reads"),
	ZERO_RATE("syscalls.sock.writes"),
	ZERO_RATE("syscalls.sock.recvfroms"),
	ZERO_RATE("syscalls.sock.sendtos"),
};

static uint64_t value_of(const struct line *line, const struct reading_of_counts *counts)
{
	uint64_t value = 0;

	if (line->kind == LINE_COUNT || line->kind == LINE_KBYTES)
		memcpy(&value, (const char *)counts + line->offset, sizeof(value));
	return value;
}

static void write_time(struct buf *out, const char *name, int64_t wall_us)
{
	char date[DATE_SIZE];

	date_format(wall_us / 1000000, date);
	buf_printf(out, "%s = %" PRId64 ".%06d (%s)\n", name, wall_us / 1000000,
		   (int)(wall_us % 1000000), date);
}

/* ---- totals */

static void write_totals(struct buf *out, const struct line *from, size_t n,
			 const struct reading_of_counts *counts)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = value_of(&from[i], counts);

		if (from[i].lists & TOTAL)
			buf_printf(out, "%s = %" PRIu64 "\n", from[i].name,
				   from[i].kind == LINE_KBYTES ? value / 1024 : value);
	}
}

bool manager_write_counters(struct manager_page *page)
{
	struct reading_of_counts now;

	statistics_read(serve_statistics(page->serve), page->tally, &now);
	write_time(page->out, "sample_time", clock_wall_us());
	write_totals(page->out, lines, COUNT(lines), &now);
	buf_printf(page->out, "cpu_time = %f\n", now.cpu_s);
	buf_printf(page->out, "wall_time = %f\n",
		   (double)(now.at_us - page->server->started_us) / 1e6);
	write_totals(page->out, later_lines, COUNT(later_lines), &now);
	return false;
}

/* ---- averages */

static double median_s(const struct service_times *times, size_t kind)
{
	return histogram_quantile(&times->of[kind], 0.5) / 1e6;
}

static void write_rate(struct buf *out, const struct line *line,
		       const struct statistics_span *span, double seconds)
{
	double value = (double)value_of(line, &span->change);

	if (line->kind == LINE_MEDIAN)
		buf_printf(out, "%s = %f seconds\n", line->name,
			   median_s(&span->times, line->offset));
	else if (line->kind == LINE_ZERO_SECONDS)
		buf_printf(out, "%s = %f seconds\n", line->name, 0.0);
	else
		buf_printf(out, "%s = %f/sec\n", line->name,
			   value / seconds / (line->kind == LINE_KBYTES ? 1024 : 1));
}

static void write_rates(struct buf *out, const struct line *from, size_t n,
			const struct statistics_span *span, double seconds)
{
	for (size_t i = 0; i < n; i++)
		if (from[i].lists & RATE)
			write_rate(out, &from[i], span, seconds);
}

static void write_span(struct buf *out, const struct statistics_span *span)
{
	double length_s = (double)span->change.at_us / 1e6;
	double seconds = length_s > 0.001 ? length_s : 0.001;
	uint64_t nevents = span->change.loops.events;

	write_time(out, "sample_start_time", span->from_us);
	write_time(out, "sample_end_time", span->to_us);
	write_rates(out, lines, COUNT(lines), span, seconds);
	buf_printf(out, "average_select_fd_period = %f/fd\n",
		   nevents > 0 ? length_s / (double)nevents : 0);
	buf_printf(out, "median_select_fds = %f\n", 0.0);
	write_rates(out, later_lines, COUNT(later_lines), span, seconds);
	buf_printf(out, "cpu_time = %f seconds\n", span->change.cpu_s);
	buf_printf(out, "wall_time = %f seconds\n", length_s);
	buf_printf(out, "cpu_usage = %f%%\n", 100 * span->change.cpu_s / seconds);
}

static void write_minutes(struct manager_page *page, unsigned minutes)
{
	struct statistics_span span;

	statistics_minutes(serve_statistics(page->serve), minutes, page->tally, &span);
	write_span(page->out, &span);
}

static void write_hours(struct manager_page *page, unsigned hours)
{
	struct statistics_span span;

	statistics_hours(serve_statistics(page->serve), hours, page->tally, &span);
	write_span(page->out, &span);
}

bool manager_write_5min(struct manager_page *page)
{
	write_minutes(page, 5);
	return false;
}

bool manager_write_60min(struct manager_page *page)
{
	write_minutes(page, 60);
	return false;
}

bool manager_write_utilization(struct manager_page *page)
{
	static const struct {
		const char *title;
		void (*write)(struct manager_page *page, unsigned n);
		unsigned n;
	} spans[] = {
		{"Last 5 minutes", write_minutes, 5}, {"Last 15 minutes", write_minutes, 15},
		{"Last hour", write_minutes, 60},     {"Last 8 hours", write_hours, 8},
		{"Last day", write_hours, 24},        {"Last 3 days", write_hours, 72},
	};

	buf_add_str(page->out, STR("Cache Utilisation:\n\n"));
	for (size_t i = 0; i < COUNT(spans); i++) {
		buf_printf(page->out, "%s:\n", spans[i].title);
		spans[i].write(page, spans[i].n);
		buf_add_char(page->out, '\n');
	}
	buf_add_str(page->out, STR("Totals since cache startup:\n"));
	return manager_write_counters(page);
}

/* ---- histograms */

static void write_histogram(struct buf *out, const struct histogram *histogram, double seconds)
{
	for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
		if (histogram->counts[i] > 0)
			buf_printf(out, "\t%3u/%f\t%" PRIu64 "\t%f\n", i,
				   (double)histogram_least(i) / 1000, histogram->counts[i],
				   (double)histogram->counts[i] / seconds);
}

bool manager_write_histograms(struct manager_page *page)
{
	static const char *const names[SERVICE_KINDS] = {
		[SERVICE_ALL] = "client_http.allSvcTime",
		[SERVICE_MISS] = "client_http.missSvcTime",
		[SERVICE_NOT_MODIFIED] = "client_http.nearMissSvcTime",
		[SERVICE_NEAR_HIT] = "client_http.nearHitSvcTime",
		[SERVICE_HIT] = "client_http.hitSvcTime",
	};
	struct reading_of_counts now;
	double seconds;

	statistics_read(serve_statistics(page->serve), page->tally, &now);
	seconds = (double)(now.at_us - page->server->started_us) / 1e6;
	for (unsigned kind = 0; kind < SERVICE_KINDS; kind++) {
		buf_printf(page->out, "%s histogram:\n", names[kind]);
		write_histogram(page->out, &page->tally->times.of[kind], seconds);
	}
	buf_add_str(page->out, STR("icp.querySvcTime histogram:\nicp.replySvcTime histogram:\n"
				   "dns.svc_time histogram:\nselect_fds_hist histogram:\n"));
	return false;
}

static void write_percentiles(struct buf *out, const char *label, const struct histogram *five,
			      const struct histogram *sixty)
{
	for (unsigned percent = 5; percent < 100; percent += 5)
		buf_printf(out, "\t%-20s %3u%%  %8.5f %8.5f\n", label, percent,
			   histogram_quantile(five, percent / 100.0) / 1e6,
			   histogram_quantile(sixty, percent / 100.0) / 1e6);
}

bool manager_write_service_times(struct manager_page *page)
{
	static const struct {
		const char *label;
		enum service_kind kind;
	} rows[] = {
		{"HTTP Requests (All):", SERVICE_ALL},    {"Cache Misses:", SERVICE_MISS},
		{"Cache Hits:", SERVICE_HIT},             {"Near Hits:", SERVICE_NEAR_HIT},
		{"Not-Modified Replies:", SERVICE_NOT_MODIFIED},
	};
	const struct statistics *statistics = serve_statistics(page->serve);
	struct statistics_span five, sixty;

	statistics_minutes(statistics, 5, page->tally, &five);
	statistics_minutes(statistics, 60, page->tally, &sixty);
	buf_add_str(page->out, STR("Service Time Percentiles            5 min    60 min:\n"));
	for (size_t i = 0; i < COUNT(rows); i++)
		write_percentiles(page->out, rows[i].label, &five.times.of[rows[i].kind],
				  &sixty.times.of[rows[i].kind]);
	return false;
}
