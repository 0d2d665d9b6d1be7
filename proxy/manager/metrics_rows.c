/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the numbers come from. */
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cache/index.h"
#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/health.h"
#include "lib/base/heap.h"
#include "lib/net/tls_certificate.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/log/log_writer.h"
#include "proxy/manager/certificate_list.h"
#include "proxy/manager/manager_page.h"
#include "proxy/manager/metrics.h"
#include "proxy/process/process.h"
#include "proxy/server.h"
#include "proxy/snapshot.h"
#include "proxy/version.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"

enum {
	ARENA_BYTES = 4096,
	LABELS_BYTES = 4096,
	LABEL_VALUE_BYTES = 256,
	MAX_DEGRADED = 32,
	CERTIFICATE_NAMES = 8
};

struct table {
	struct metric_row *rows;
	size_t n, max;
};

struct metrics {
	struct census *census;
	struct arena arena; /* labels and values */
	struct table tables[METRIC_SUBJECTS];
	char first_[ARENA_BYTES];
};

size_t metrics_count(const struct metrics *metrics, enum metric_subject subject)
{
	return metrics->tables[subject].n;
}

const struct metric_row *metrics_row(const struct metrics *metrics, enum metric_subject subject,
				     size_t i)
{
	return &metrics->tables[subject].rows[i];
}

/* ---- rows */

/* OpenMetrics: escaped-string; control bytes would be legal, but are of no use. */
static void add_escaped(struct buf *out, struct str text)
{
	text = str_first(text, LABEL_VALUE_BYTES);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (c == '\\' || c == '"')
			buf_add_char(out, '\\');
		buf_add_char(out, c < ' ' || c >= 0x7f ? '?' : (char)c);
	}
}

struct label {
	const char *name;
	struct str value;
};

/* nlabels may be 0. */
static void add_row(struct metrics *metrics, enum metric_subject subject, const void *values,
		    const struct label *labels, size_t nlabels)
{
	struct table *table = &metrics->tables[subject];
	struct buf text;

	buf_init(&text, LABELS_BYTES);
	for (size_t i = 0; i < nlabels; i++) {
		buf_printf(&text, "%s%s=\"", i > 0 ? "," : "", labels[i].name);
		add_escaped(&text, labels[i].value);
		buf_add_char(&text, '"');
	}
	if (table->n == table->max) {
		table->max = table->max ? 2 * table->max : 8;
		table->rows = mem_realloc(table->rows, table->max * sizeof(*table->rows));
	}
	table->rows[table->n++] = (struct metric_row){
		.labels = arena_str(&metrics->arena, buf_str(&text)), .values = values};
	buf_fini(&text);
}

static void add_labelled(struct metrics *metrics, enum metric_subject subject, const void *values,
			 const char *name, struct str value)
{
	add_row(metrics, subject, values, &(struct label){name, value}, 1);
}

/* ---- the process */

static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long total = 0, resident = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%llu %llu", &total, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void add_process(struct metrics *metrics, const struct server *server,
			const struct certificate_list *certificates)
{
	struct process_values *values = arena_zalloc(&metrics->arena, sizeof(*values));
	static const uint64_t one = 1;
	struct health_entry entries[MAX_DEGRADED];
	struct rusage usage = {0};
	unsigned largest;

	getrusage(RUSAGE_SELF, &usage);
	values->started_s = (double)clock_wall_of(server->started_us) / 1e6;
	values->cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
	values->major_faults = (uint64_t)usage.ru_majflt;
	values->resident_bytes = resident_bytes();
	values->nfiles = process_count_files(&largest);
	values->max_files = process_max_files();
	values->ndegraded = (unsigned)health_list(entries, COUNT(entries));
	values->nsessions = metrics->census->total.nsessions;
	values->ncertificates = (unsigned)certificates->total;
	values->nlost_records = log_writer_lost(server->log);
	add_row(metrics, METRIC_PROCESS, values, NULL, 0);
	add_labelled(metrics, METRIC_BUILD, &one, "version", STR(VERSION_TEXT));
}

/* ---- what workers counted */

static void add_results(struct metrics *metrics, const struct counters *counters)
{
	for (enum log_tag tag = LOG_TAG_NONE; tag <= LOG_TCP_TUNNEL; tag++)
		add_labelled(metrics, METRIC_RESULTS, &counters->tags[tag], "result",
			     str_of(log_tag_name(tag)));
}

static void add_statuses(struct metrics *metrics, const struct counters *counters)
{
	static const char *const names[STATUS_CLASSES] = {"none", "1xx", "2xx",
							  "3xx",  "4xx", "5xx"};

	for (unsigned i = 0; i < STATUS_CLASSES; i++)
		add_labelled(metrics, METRIC_STATUSES, &counters->statuses[i], "class",
			     str_of(names[i]));
}

static void add_protocols(struct metrics *metrics, const struct counters *counters)
{
	for (unsigned i = 0; i < CLIENT_PROTOCOLS; i++) {
		const struct label labels[] = {
			{"protocol", i & CLIENT_IS_HTTP2 ? STR("http/2") : STR("http/1")},
			{"tls", i & CLIENT_IS_TLS ? STR("yes") : STR("no")},
		};

		add_row(metrics, METRIC_PROTOCOLS, &counters->protocols[i], labels, COUNT(labels));
	}
}

static void add_codings(struct metrics *metrics, const struct counters *counters)
{
	static const char *const names[CODINGS] = {"identity", "gzip", "br"};

	for (unsigned i = 0; i < CODINGS; i++) {
		add_labelled(metrics, METRIC_CODED_REPLIES, &counters->coded_replies[i], "coding",
			     str_of(names[i]));
		add_labelled(metrics, METRIC_RECODED_BODIES, &counters->recoded_bodies[i], "coding",
			     str_of(names[i]));
	}
}

static void add_times(struct metrics *metrics)
{
	static const char *const names[SERVICE_KINDS] = {
		[SERVICE_ALL] = "all",
		[SERVICE_MISS] = "miss",
		[SERVICE_NOT_MODIFIED] = "not_modified",
		[SERVICE_NEAR_HIT] = "near_hit",
		[SERVICE_HIT] = "hit",
	};
	const struct tally *total = &metrics->census->total;

	for (unsigned kind = 0; kind < SERVICE_KINDS; kind++) {
		struct timings *timings = arena_zalloc(&metrics->arena, sizeof(*timings));

		timings->times = total->times.of[kind];
		timings->sum_us = total->counters.service_us[kind];
		add_labelled(metrics, METRIC_TIMES, timings, "kind", str_of(names[kind]));
	}
}

static void add_details(struct metrics *metrics)
{
	const struct detail_counts *details = &metrics->census->details;

	add_labelled(metrics, METRIC_TIERS, &details->tiers[TIER_MEMORY], "tier", STR("memory"));
	add_labelled(metrics, METRIC_TIERS, &details->tiers[TIER_DISK], "tier", STR("disk"));
	add_labelled(metrics, METRIC_HANDSHAKES, &details->handshakes[HANDSHAKE_FULL], "kind",
		     STR("full"));
	add_labelled(metrics, METRIC_HANDSHAKES, &details->handshakes[HANDSHAKE_RESUMED], "kind",
		     STR("resumed"));
	for (enum tls_version i = TLS_VERSION_OTHER; i < TLS_VERSIONS; i++)
		add_labelled(metrics, METRIC_TLS_VERSIONS, &details->tls_versions[i], "version",
			     str_of(tls_version_name(i)));
}

static void add_counters(struct metrics *metrics)
{
	const struct counters *counters = &metrics->census->total.counters;

	add_row(metrics, METRIC_TOTALS, counters, NULL, 0);
	add_results(metrics, counters);
	add_statuses(metrics, counters);
	add_protocols(metrics, counters);
	add_codings(metrics, counters);
	add_times(metrics);
	add_details(metrics);
}

static void add_sites(struct metrics *metrics, const struct server *server)
{
	for (unsigned i = 0; i < SITE_ROWS; i++)
		if (metrics->census->sites[i])
			add_labelled(metrics, METRIC_SITES, metrics->census->sites[i], "site",
				     site_names_text(&server->site_names, i));
}

static void add_workers(struct metrics *metrics)
{
	for (unsigned i = 0; i < metrics->census->nworkers; i++) {
		const struct census_worker *worker = &metrics->census->workers[i];
		const struct counters *counters = &worker->tally.counters;
		struct worker_values *values = arena_alloc(&metrics->arena, sizeof(*values));

		*values = (struct worker_values){
			.requests = counters->client_requests,
			.hits = counters->client_hits,
			.bytes_in = counters->client_bytes_in,
			.bytes_out = counters->client_bytes_out,
			.turns = worker->tally.loops.turns,
			.events = worker->tally.loops.events,
			.nsessions = worker->tally.nsessions,
			.cpu_s = worker->cpu_s,
			.times = {counters->service_us[SERVICE_ALL],
				  worker->tally.times.of[SERVICE_ALL]},
		};
		add_labelled(metrics, METRIC_WORKERS, values, "worker",
			     arena_printf(&metrics->arena, "%u", worker->index));
	}
}

static void add_pools(struct metrics *metrics)
{
	for (unsigned i = 0; i < metrics->census->npools; i++) {
		const struct census_pool *pool = &metrics->census->pools[i];
		const struct label labels[] = {
			{"pool", str_of(pool->kind)},
			{"name", str_of(pool->name)},
		};

		add_row(metrics, METRIC_POOLS, pool, labels, COUNT(labels));
	}
}

/* ---- what is shared */

static void add_peers(struct metrics *metrics, struct peer_table *peers,
		      const struct config *config)
{
	for (const struct peer *peer = config->peers->first; peer; peer = peer->next) {
		struct peer_state *state = peer_table_get(peers, peer->name);
		struct peer_values *values = arena_zalloc(&metrics->arena, sizeof(*values));

		values->is_up = peer_state_is_up(state);
		values->nrequests = atomic_load_explicit(&state->nfetches, memory_order_relaxed);
		values->nconns = (unsigned)atomic_load_explicit(&state->nconns,
								memory_order_relaxed);
		values->nfails = (unsigned)atomic_load_explicit(&state->nfails,
								memory_order_relaxed);
		values->answer_s = (double)peer_state_answer_us(state, clock_mono_ms()) / 1e6;
		values->bytes_in = atomic_load_explicit(&state->bytes_in, memory_order_relaxed);
		values->bytes_out = atomic_load_explicit(&state->bytes_out, memory_order_relaxed);
		peer_state_times(state, &values->answers);
		add_labelled(metrics, METRIC_PEERS, values, "peer", peer->name);
	}
}

static void add_memory(struct metrics *metrics, const struct server *server)
{
	struct memory_values *values = arena_zalloc(&metrics->arena, sizeof(*values));
	struct index_stats stats;

	index_stats(server->index, &stats);
	values->objects = stats.nobjects;
	values->bytes = stats.bytes;
	values->max_bytes = stats.max_bytes;
	values->evicted = stats.nevicted;
	add_row(metrics, METRIC_MEMORY, values, NULL, 0);
}

static void add_disks(struct metrics *metrics, const struct server *server)
{
	for (unsigned i = 0; i < server->ndisks; i++) {
		struct disk_values *values = arena_zalloc(&metrics->arena, sizeof(*values));

		disk_stats(server->disks[i], &values->stats);
		values->is_readable = values->stats.state != DISK_OFF;
		values->is_writable = values->stats.state == DISK_NORMAL;
		add_labelled(metrics, METRIC_DISKS, values, "cache_dir",
			     str_of(disk_directory(server->disks[i])));
	}
}

static void add_spools(struct metrics *metrics, const struct server *server)
{
	struct spool_stats stats;

	for (unsigned i = 0; spools_stats(server->spools, i, &stats); i++) {
		struct spool_stats *values = arena_zalloc(&metrics->arena, sizeof(*values));

		*values = stats;
		add_labelled(metrics, METRIC_SPOOLS, values, "place",
			     stats.directory ? str_of(stats.directory) : STR("memory"));
	}
}

/* The first names; an empty one when it has none. */
static struct str names_of(struct metrics *metrics, const struct tls_certificate *certificate)
{
	size_t n = tls_certificate_count_names(certificate);
	struct str names = STR("");

	for (size_t i = 0; i < n && i < CERTIFICATE_NAMES; i++)
		names = arena_printf(&metrics->arena, "%.*s%s%.*s", STR_ARG(names),
		                     i > 0 ? " " : "",
		                     STR_ARG(tls_certificate_name(certificate, i)));
	return names;
}

static void add_certificate(struct metrics *metrics, const struct certificate_entry *entry)
{
	struct certificate_values *values = arena_alloc(&metrics->arena, sizeof(*values));
	const struct label labels[] = {
		{"port", entry->port->name},
		{"file", str_of(entry->path)},
		{"names", names_of(metrics, entry->certificate)},
	};

	values->expires_s = (uint64_t)entry->expires_s;
	if (metrics_count(metrics, METRIC_FIRST_CERTIFICATE) == 0)
		add_row(metrics, METRIC_FIRST_CERTIFICATE, values, NULL, 0);
	add_row(metrics, METRIC_CERTIFICATES, values, labels, COUNT(labels));
}

/* ---- all of it */

struct metrics *metrics_create(struct manager_page *page)
{
	struct metrics *metrics = mem_zalloc(sizeof(*metrics));
	const struct server *server = page->server;
	struct certificate_list certificates;

	certificate_list_fill(&certificates, server->current);
	arena_init(&metrics->arena, metrics->first_, sizeof(metrics->first_));
	metrics->census = census_create(buf_str(page->gathered));
	add_process(metrics, server, &certificates);
	add_counters(metrics);
	add_sites(metrics, server);
	add_peers(metrics, server->peers, page->config);
	add_pools(metrics);
	add_memory(metrics, server);
	add_disks(metrics, server);
	add_spools(metrics, server);
	add_workers(metrics);
	for (size_t i = 0; i < certificates.n; i++)
		add_certificate(metrics, &certificates.entries[i]);
	return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
	if (!metrics)
		return;
	for (unsigned i = 0; i < METRIC_SUBJECTS; i++)
		mem_free(metrics->tables[i].rows);
	census_destroy(metrics->census);
	arena_fini(&metrics->arena);
	mem_free(metrics);
}
