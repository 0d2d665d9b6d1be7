/* SPDX-License-Identifier: BSD-2-Clause */
/* The action metrics: OpenMetrics 1.0.0 text. The table below is what docs/METRICS.md documents,
 * and a test compares the two. */
#include "proxy/manager/metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "proxy/manager/manager_pages.h"

enum { STRETCH_BYTES = 64 << 10 };

enum type { COUNTER, GAUGE, HISTOGRAM, INFO };

enum form { U64, UNSIGNED, DOUBLE };

struct metric {
	const char *name; /* its unit ends it */
	enum type type;
	enum metric_subject subject;
	/* of the value in a row; HISTOGRAM: the sum in us, and behind it a struct histogram */
	enum form form;
	size_t offset;
	const char *help;
};

#define FORM_OF(value) _Generic((value), uint64_t: U64, unsigned: UNSIGNED, double: DOUBLE)
#define VALUE(subject, type, member)                                                               \
	subject, FORM_OF(((const type *)NULL)->member), offsetof(type, member)
#define ALONE(subject) subject, U64, 0 /* a row is a uint64_t */
#define PROCESS(member) VALUE(METRIC_PROCESS, struct process_values, member)
#define TOTAL(member) VALUE(METRIC_TOTALS, struct counters, member)
#define TIME(subject) subject, U64, offsetof(struct timings, sum_us)
#define TIER(member) VALUE(METRIC_TIERS, struct tier_counts, member)
#define PEER(member) VALUE(METRIC_PEERS, struct peer_values, member)
#define SITE(member) VALUE(METRIC_SITES, struct site_counts, member)
#define POOL(member) VALUE(METRIC_POOLS, struct census_pool, member)
#define MEMORY(member) VALUE(METRIC_MEMORY, struct memory_values, member)
#define DISK(member) VALUE(METRIC_DISKS, struct disk_values, member)
#define SPOOL(member) VALUE(METRIC_SPOOLS, struct spool_stats, member)
#define WORKER(member) VALUE(METRIC_WORKERS, struct worker_values, member)

static const struct metric metrics_table[] = {
	{"bobtail_build", INFO, ALONE(METRIC_BUILD), "The version that runs."},
	{"bobtail_start_time_seconds", GAUGE, PROCESS(started_s), "When it started, since 1970."},
	{"bobtail_cpu_seconds", COUNTER, PROCESS(cpu_s), "Processor time, user and system."},
	{"bobtail_resident_memory_bytes", GAUGE, PROCESS(resident_bytes), "Memory in use."},
	{"bobtail_open_files", GAUGE, PROCESS(nfiles), "Open descriptors."},
	{"bobtail_max_files", GAUGE, PROCESS(max_files), "How many descriptors there may be."},
	{"bobtail_degraded", GAUGE, PROCESS(ndegraded),
	 "How many things do not work as configured: the action health names them."},
	{"bobtail_major_faults", COUNTER, PROCESS(major_faults),
	 "Page faults that waited for a disk."},
	{"bobtail_lost_log_records", COUNTER, PROCESS(nlost_records),
	 "Records that access logs have lost: one could not be written, or did not keep up."},

	{"bobtail_client_connections", GAUGE, PROCESS(nsessions),
	 "Connections of clients, idle ones too."},
	{"bobtail_client_connections_accepted", COUNTER, TOTAL(connections_accepted),
	 "Connections that clients made."},
	{"bobtail_requests", COUNTER, ALONE(METRIC_RESULTS),
	 "Requests that have ended, by what the access log calls their result."},
	{"bobtail_requests_by_protocol", COUNTER, ALONE(METRIC_PROTOCOLS),
	 "Requests that have ended, by what the client spoke."},
	{"bobtail_replies", COUNTER, ALONE(METRIC_STATUSES),
	 "Replies by class of their status; none: the connection ended without one."},
	{"bobtail_hits", COUNTER, TIER(hits),
	 "Requests answered from the cache, by where the object lay."},
	{"bobtail_error_replies", COUNTER, TOTAL(client_errors), "Error pages made here."},
	{"bobtail_aborted_replies", COUNTER, TOTAL(client_aborts),
	 "Replies that did not go out whole."},
	{"bobtail_slow_clients", COUNTER, TOTAL(slow_clients),
	 "Requests and replies that were given up for client_minimum_rate."},
	{"bobtail_overload_refusals", COUNTER, TOTAL(overload_refusals),
	 "Requests answered 503 (or with what is stale) for overload."},
	{"bobtail_client_received_bytes", COUNTER, TOTAL(client_bytes_in), "Bytes of requests."},
	{"bobtail_client_sent_bytes", COUNTER, TOTAL(client_bytes_out), "Bytes of replies."},
	{"bobtail_hit_sent_bytes", COUNTER, TIER(bytes_out),
	 "Bytes of replies from the cache, by where the object lay."},
	{"bobtail_request_duration_seconds", HISTOGRAM, TIME(METRIC_TIMES),
	 "From a request's head to the end of its reply, by what answered it."},
	{"bobtail_hit_duration_seconds", HISTOGRAM, TIER(times.sum_us),
	 "The same of hits, by where the object lay."},

	{"bobtail_tls_handshakes", COUNTER, TOTAL(tls_handshakes),
	 "TLS handshakes of clients that succeeded."},
	{"bobtail_tls_resumed_handshakes", COUNTER, TOTAL(tls_resumed),
	 "Those of them that went on with an earlier session."},
	{"bobtail_tls_failed_handshakes", COUNTER, TOTAL(tls_failures),
	 "TLS handshakes of clients that failed."},
	{"bobtail_tls_handshakes_by_version", COUNTER, ALONE(METRIC_TLS_VERSIONS),
	 "TLS handshakes of clients that succeeded, by what was agreed on."},
	{"bobtail_tls_handshake_duration_seconds", HISTOGRAM, TIME(METRIC_HANDSHAKES),
	 "From a client's first bytes to the end of its handshake: with a resumed session, or without."},
	{"bobtail_certificates", GAUGE, PROCESS(ncertificates), "Certificates that ports show."},
	{"bobtail_first_certificate_expiry_seconds", GAUGE,
	 VALUE(METRIC_FIRST_CERTIFICATE, struct certificate_values, expires_s),
	 "When the first of all certificates expires, since 1970."},
	{"bobtail_certificate_expiry_seconds", GAUGE,
	 VALUE(METRIC_CERTIFICATES, struct certificate_values, expires_s),
	 "When a port's certificate expires, since 1970."},

	{"bobtail_origin_requests", COUNTER, TOTAL(server_requests),
	 "Requests sent to origin servers."},
	{"bobtail_origin_errors", COUNTER, TOTAL(server_errors), "Of these, those that failed."},
	{"bobtail_origin_received_bytes", COUNTER, TOTAL(server_bytes_in),
	 "Bytes from origin servers."},
	{"bobtail_origin_sent_bytes", COUNTER, TOTAL(server_bytes_out), "Bytes to origin servers."},
	{"bobtail_peer_up", GAUGE, PEER(is_up), "1: the peer is used; 0: it is taken for dead."},
	{"bobtail_peer_requests", COUNTER, PEER(nrequests), "Requests sent to the peer."},
	{"bobtail_peer_connections", GAUGE, PEER(nconns),
	 "Open connections to the peer, idle ones too."},
	{"bobtail_peer_failed_connects", GAUGE, PEER(nfails),
	 "Connects to the peer that failed in a row."},
	{"bobtail_peer_answer_seconds", GAUGE, PEER(answer_s),
	 "Until an answer's head: the slowest of late, halved every 7 seconds since."},
	{"bobtail_peer_answer_duration_seconds", HISTOGRAM, PEER(answers.sum_us),
	 "From the beginning of a request to the peer to its answer's head."},
	{"bobtail_peer_received_bytes", COUNTER, PEER(bytes_in),
	 "Bytes from the peer, but for those of tunnels."},
	{"bobtail_peer_sent_bytes", COUNTER, PEER(bytes_out),
	 "Bytes to the peer, but for those of tunnels."},

	{"bobtail_site_requests", COUNTER, SITE(requests),
	 "Requests for the site that have ended."},
	{"bobtail_site_hits", COUNTER, SITE(hits), "Of these, those answered from the cache."},
	{"bobtail_site_errors", COUNTER, SITE(errors), "Replies with a status of 500 and above."},
	{"bobtail_site_aborted_replies", COUNTER, SITE(aborts),
	 "Replies that did not go out whole."},
	{"bobtail_site_received_bytes", COUNTER, SITE(bytes_in), "Bytes of requests for the site."},
	{"bobtail_site_sent_bytes", COUNTER, SITE(bytes_out), "Bytes of replies of the site."},
	{"bobtail_site_hit_sent_bytes", COUNTER, SITE(hit_bytes_out),
	 "Bytes of its replies from the cache."},
	{"bobtail_site_request_duration_seconds", HISTOGRAM, SITE(service_us),
	 "From a request's head to the end of its reply, by site."},
	{"bobtail_site_tls_handshakes", COUNTER, SITE(tls_handshakes),
	 "TLS handshakes for the site (SNI) that succeeded."},
	{"bobtail_site_tls_resumed_handshakes", COUNTER, SITE(tls_resumed),
	 "Those of them that went on with an earlier session, by site."},
	{"bobtail_site_tls_failed_handshakes", COUNTER, SITE(tls_failures),
	 "TLS handshakes for the site that failed."},

	{"bobtail_helper_processes", GAUGE, POOL(stats.nrunning), "Children of the pool that run."},
	{"bobtail_helper_max_processes", GAUGE, POOL(max), "How many children it may have."},
	{"bobtail_helper_queued_requests", GAUGE, POOL(stats.nqueued),
	 "Questions that wait for a child."},
	{"bobtail_helper_open_requests", GAUGE, POOL(stats.nin_flight),
	 "Questions that children are busy with."},
	{"bobtail_helper_requests", COUNTER, POOL(stats.nrequests), "Questions asked."},
	{"bobtail_helper_replies", COUNTER, POOL(stats.nreplies), "Questions answered."},
	{"bobtail_helper_timeouts", COUNTER, POOL(stats.ntimeouts),
	 "Questions given up after their time."},
	{"bobtail_helper_refused_requests", COUNTER, POOL(stats.nrefused),
	 "Questions that a full queue turned away."},
	{"bobtail_helper_starts", COUNTER, POOL(stats.nstarts), "Children started."},
	{"bobtail_helper_deaths", COUNTER, POOL(stats.ndeaths), "Children that died."},
	{"bobtail_helper_duration_seconds", HISTOGRAM, POOL(stats.times_us),
	 "From the sending of a question to its answer."},

	{"bobtail_memory_cache_objects", GAUGE, MEMORY(objects), "Objects in memory."},
	{"bobtail_memory_cache_bytes", GAUGE, MEMORY(bytes), "What they take."},
	{"bobtail_memory_cache_max_bytes", GAUGE, MEMORY(max_bytes),
	 "What they may take: cache_mem."},
	{"bobtail_memory_cache_evictions", COUNTER, MEMORY(evicted),
	 "Objects that made room for others."},
	{"bobtail_disk_cache_readable", GAUGE, DISK(is_readable), "0: the cache_dir is off."},
	{"bobtail_disk_cache_writable", GAUGE, DISK(is_writable),
	 "0: the cache_dir is off, or stores nothing for now."},
	{"bobtail_disk_cache_objects", GAUGE, DISK(stats.objects), "Objects on disk."},
	{"bobtail_disk_cache_bytes", GAUGE, DISK(stats.used_bytes), "What they take."},
	{"bobtail_disk_cache_max_bytes", GAUGE, DISK(stats.max_bytes), "What they may take."},
	{"bobtail_disk_cache_queued_bytes", GAUGE, DISK(stats.queued_bytes),
	 "What waits to be written."},
	{"bobtail_disk_cache_lookups", COUNTER, DISK(stats.lookups),
	 "Look-ups that were answered."},
	{"bobtail_disk_cache_hits", COUNTER, DISK(stats.hits),
	 "Of these, those that found something."},
	{"bobtail_disk_cache_stores", COUNTER, DISK(stats.stored), "Objects stored."},
	{"bobtail_disk_cache_refusals", COUNTER, DISK(stats.refused),
	 "Objects that were not: limits, or not worth the room."},
	{"bobtail_disk_cache_drops", COUNTER, DISK(stats.dropped),
	 "Objects given up on their way: cut short, or a fault."},
	{"bobtail_disk_cache_evictions", COUNTER, DISK(stats.evicted),
	 "Objects that made room for others."},
	{"bobtail_disk_cache_faults", COUNTER, DISK(stats.faults),
	 "Faults of the file or of the disk under it."},
	{"bobtail_disk_cache_written_bytes", COUNTER, DISK(stats.written_bytes),
	 "What was written to the file."},
	{"bobtail_spool_objects", GAUGE, SPOOL(objects),
	 "Bodies that several clients download at once and that lie there meanwhile."},
	{"bobtail_spool_bytes", GAUGE, SPOOL(used_bytes),
	 "What they take; in memory, with the beginnings of others that are held back."},
	{"bobtail_spool_max_bytes", GAUGE, SPOOL(max_bytes), "What they may take."},
	{"bobtail_spool_refusals", COUNTER, SPOOL(refused),
	 "How often there was no room: the slowest client sets the pace, or who comes fetches again."},

	{"bobtail_coded_replies", COUNTER, ALONE(METRIC_CODED_REPLIES),
	 "Replies in a content coding that was made here (compress); identity: unpacked."},
	{"bobtail_refused_codings", COUNTER, TOTAL(refused_codings),
	 "Replies that went out as they came, since a worker made too many codings."},
	{"bobtail_recoded_bodies", COUNTER, ALONE(METRIC_RECODED_BODIES),
	 "Bodies that were packed or unpacked, once for all replies while they are kept."},
	{"bobtail_recoder_received_bytes", COUNTER, TOTAL(recoder_bytes_in), "Bytes of these before."},
	{"bobtail_recoder_sent_bytes", COUNTER, TOTAL(recoder_bytes_out), "Bytes of these behind."},

	{"bobtail_worker_connections", GAUGE, WORKER(nsessions),
	 "Connections of clients, by worker."},
	{"bobtail_worker_requests", COUNTER, WORKER(requests),
	 "Requests that came, by worker."},
	{"bobtail_worker_hits", COUNTER, WORKER(hits),
	 "Requests answered from the cache, by worker."},
	{"bobtail_worker_received_bytes", COUNTER, WORKER(bytes_in),
	 "Bytes of requests, by worker."},
	{"bobtail_worker_sent_bytes", COUNTER, WORKER(bytes_out), "Bytes of replies, by worker."},
	{"bobtail_worker_request_duration_seconds", HISTOGRAM, WORKER(times.sum_us),
	 "From a request's head to the end of its reply, by worker."},
	{"bobtail_worker_cpu_seconds", COUNTER, WORKER(cpu_s), "Processor time, by worker."},
	{"bobtail_worker_turns", COUNTER, WORKER(turns),
	 "How often the worker asked for events."},
	{"bobtail_worker_events", COUNTER, WORKER(events), "How many events it got."},
};

/* ---- a sample: NAME[SUFFIX]{LABELS} VALUE */

static void add_name(struct buf *out, const struct metric *metric, const char *suffix,
		     struct str labels, const char *le)
{
	buf_printf(out, "%s%s", metric->name, suffix);
	if (labels.len == 0 && !le)
		return;
	buf_add_char(out, '{');
	buf_add_str(out, labels);
	if (le)
		buf_printf(out, "%sle=\"%s\"", labels.len > 0 ? "," : "", le);
	buf_add_char(out, '}');
}

static void add_number(struct buf *out, const struct metric *metric, const char *at)
{
	uint64_t n;
	unsigned small;
	double real;

	switch (metric->form) {
	case DOUBLE:
		memcpy(&real, at, sizeof(real));
		buf_printf(out, " %.6f\n", real);
		return;
	case UNSIGNED:
		memcpy(&small, at, sizeof(small));
		buf_printf(out, " %u\n", small);
		return;
	case U64:
		memcpy(&n, at, sizeof(n));
		buf_printf(out, " %" PRIu64 "\n", n);
	}
}

/* Buckets of the histogram end at powers of two microseconds: from 2^6 (64 us) on every second one.
 * Its bins hold whole microseconds, rounded down: those below 2^n are of what took less. */
enum { FIRST_BUCKET = 6, LAST_BUCKET = 26, BUCKET_STEP = 2, BINS_A_DOUBLING = 4 };

static uint64_t count_bins(const struct histogram *times, unsigned from, unsigned to)
{
	uint64_t n = 0;

	for (unsigned i = from; i < to; i++)
		n += times->counts[i];
	return n;
}

static void add_histogram(struct buf *out, const struct metric *metric, struct str labels,
			  const char *at)
{
	struct {
		uint64_t sum_us;
		struct histogram times;
	} counts;
	unsigned seen = 0, end;
	uint64_t total = 0;
	char le[32];

	memcpy(&counts, at, sizeof(counts));

	for (unsigned log2 = FIRST_BUCKET; log2 <= LAST_BUCKET; log2 += BUCKET_STEP) {
		end = (log2 - 1) * BINS_A_DOUBLING;
		total += count_bins(&counts.times, seen, end);
		seen = end;
		snprintf(le, sizeof(le), "%.6f", (double)(UINT64_C(1) << log2) / 1e6);
		add_name(out, metric, "_bucket", labels, le);
		buf_printf(out, " %" PRIu64 "\n", total);
	}
	total += count_bins(&counts.times, seen, HISTOGRAM_BINS);
	add_name(out, metric, "_bucket", labels, "+Inf");
	buf_printf(out, " %" PRIu64 "\n", total);
	add_name(out, metric, "_count", labels, NULL);
	buf_printf(out, " %" PRIu64 "\n", total);
	add_name(out, metric, "_sum", labels, NULL);
	buf_printf(out, " %.6f\n", (double)counts.sum_us / 1e6);
}

static void add_sample(struct buf *out, const struct metric *metric, const struct metric_row *row)
{
	static const char *const suffixes[] = {
		[COUNTER] = "_total", [GAUGE] = "", [INFO] = "_info"};

	const char *at = (const char *)row->values + metric->offset;

	if (metric->type == HISTOGRAM) {
		add_histogram(out, metric, row->labels, at);
		return;
	}
	add_name(out, metric, suffixes[metric->type], row->labels, NULL);
	add_number(out, metric, at);
}

static void add_unit(struct buf *out, const struct metric *metric)
{
	static const char *const units[] = {"seconds", "bytes"};

	for (size_t i = 0; i < COUNT(units); i++)
		if (str_ends_with_nocase(str_of(metric->name), str_of(units[i])))
			buf_printf(out, "# UNIT %s %s\n", metric->name, units[i]);
}

static void add_head(struct buf *out, const struct metric *metric)
{
	static const char *const types[] = {[COUNTER] = "counter",
					    [GAUGE] = "gauge",
					    [HISTOGRAM] = "histogram",
					    [INFO] = "info"};

	buf_printf(out, "# TYPE %s %s\n", metric->name, types[metric->type]);
	add_unit(out, metric);
	buf_printf(out, "# HELP %s %s\n", metric->name, metric->help);
}

/* ---- the page: the cursor is the number of the metric and, in its lower half, that of the row */

static void free_state(void *state)
{
	metrics_destroy(state);
}

bool manager_write_metrics(struct manager_page *page)
{
	uint32_t i = (uint32_t)(page->cursor >> 32), row = (uint32_t)page->cursor;

	if (!page->state) {
		page->state = metrics_create(page);
		page->free_state = free_state;
	}
	for (; i < COUNT(metrics_table); i++, row = 0) {
		const struct metric *metric = &metrics_table[i];

		if (row == 0)
			add_head(page->out, metric);
		for (; row < metrics_count(page->state, metric->subject); row++) {
			if (row > 0 && page->out->len >= STRETCH_BYTES) {
				page->cursor = (uint64_t)i << 32 | row;
				return true;
			}
			add_sample(page->out, metric,
				   metrics_row(page->state, metric->subject, row));
		}
	}
	buf_add_str(page->out, STR("# EOF\n"));
	return false;
}
