/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of the status page. */
#include <stdlib.h>

#include "cache/disk/disk.h"
#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/clock.h"
#include "lib/base/health.h"
#include "lib/base/heap.h"
#include "lib/net/tls_certificate.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/manager/certificate_list.h"
#include "proxy/manager/health.h"
#include "proxy/manager/status_html.h"
#include "proxy/manager/status_page.h"
#include "proxy/server.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"

enum {
	SHOWN_REQUESTS = 12,
	SHOWN_SITES = 20,
	SHOWN_ERRORS = 8,
	SHOWN_PEERS = 200,
	URL_BYTES = 110,
	NAME_BYTES = 60,
	SOON_S = 14 * 86400, /* a certificate that expires so soon is marked */
};
#define SECOND_US INT64_C(1000000)

static void write_text(struct html_table *table, struct str text, size_t max_bytes)
{
	html_cell(table);
	html_cut(table->out, text, max_bytes);
}

static void write_count(struct html_table *table, uint64_t n)
{
	html_cell(table);
	html_count(table->out, n);
}

static void write_bytes(struct html_table *table, uint64_t bytes)
{
	html_cell(table);
	html_bytes(table->out, bytes);
}

static void write_int(struct html_table *table, int n)
{
	html_cell(table);
	buf_printf(table->out, "%d", n);
}

static void write_percent(struct html_table *table, uint64_t part, uint64_t whole)
{
	html_cell(table);
	html_percent(table->out, part, whole);
}

static void write_duration(struct html_table *table, double us)
{
	html_cell(table);
	html_duration_us(table->out, us);
}

static void write_nothing(struct buf *out, const char *text)
{
	buf_printf(out, "<p class=\"none\">%s</p>\n", text);
}

/* Good or bad, told by a word as well as by a colour. */
static void write_mark(struct html_table *table, bool is_good, const char *text)
{
	html_cell(table);
	buf_printf(table->out, "<span class=\"mark %s\">%s</span>", is_good ? "good" : "bad", text);
}

static void write_age(struct html_table *table, const struct status *status, int64_t at_us)
{
	html_cell(table);
	html_age_s(table->out, (status->now_us - at_us) / SECOND_US);
	buf_add_str(table->out, STR(" ago"));
}

/* ---- what does not work */

void status_write_degraded(struct buf *out, const struct status *status)
{
	struct health_entry *entries = mem_array(HEALTH_MAX_SHOWN, sizeof(*entries));
	size_t n = health_list(entries, HEALTH_MAX_SHOWN);
	struct html_table table;

	if (n > 0) {
		html_section(out, "degraded", "What does not work as configured");
		html_table(&table, out, "Degraded parts, why and since when", "What|Why|Since");
	}
	for (size_t i = 0; i < n; i++) {
		write_text(&table, str_of(entries[i].what), HEALTH_WHAT_BYTES);
		write_text(&table, str_of(entries[i].reason), HEALTH_REASON_BYTES);
		write_age(&table, status, entries[i].since_us);
	}
	if (n > 0) {
		html_table_end(&table);
		html_section_end(out);
	}
	mem_free(entries);
}

/* ---- requests */

static int by_number(const void *a, const void *b)
{
	const struct recent_line *one = a, *other = b;

	return (one->number < other->number) - (one->number > other->number);
}

static int by_time(const void *a, const void *b)
{
	const struct recent_line *one = a, *other = b;

	return (one->at_us < other->at_us) - (one->at_us > other->at_us);
}

static void sort(const struct census_lines *lines, int (*compare)(const void *a, const void *b))
{
	qsort(lines->at, lines->n, sizeof(*lines->at), compare);
}

void status_write_requests(struct buf *out, const struct status *status)
{
	const struct census_lines *lines = &status->census->lines[CENSUS_REQUESTS];
	struct html_table table;

	html_section(out, "requests", "Requests under way");
	sort(lines, by_number);
	if (lines->n == 0)
		write_nothing(out, "None at this moment.");
	else
		html_table(&table, out, "The oldest requests under way",
		           "URL|Client|Result so far|#For");
	for (size_t i = 0; i < lines->n && i < SHOWN_REQUESTS; i++) {
		write_text(&table, str_of(lines->at[i].url), URL_BYTES);
		write_text(&table, str_of(lines->at[i].client), NAME_BYTES);
		write_text(&table, str_of(lines->at[i].what), NAME_BYTES);
		write_duration(&table, (double)lines->at[i].number);
	}
	if (lines->n > 0)
		html_table_end(&table);
	html_section_end(out);
}

/* ---- sites */

struct site_line {
	unsigned number;
	const struct site_counts *counts;
};

static int by_requests(const void *a, const void *b)
{
	uint64_t one = ((const struct site_line *)a)->counts->requests;
	uint64_t other = ((const struct site_line *)b)->counts->requests;

	return (one < other) - (one > other);
}

static void write_site(struct html_table *table, struct str name, const struct site_counts *counts)
{
	write_text(table, name, NAME_BYTES);
	write_count(table, counts->requests);
	write_percent(table, counts->hits, counts->requests);
	write_count(table, counts->errors);
	write_bytes(table, counts->bytes_out);
	write_duration(table, histogram_quantile(&counts->times, 0.5));
	write_duration(table, histogram_quantile(&counts->times, 0.99));
}

void status_write_sites(struct buf *out, const struct status *status,
			const struct manager_page *page)
{
	struct site_line lines[SITE_ROWS];
	struct html_table table;
	unsigned n = 0;

	for (unsigned i = 0; i < SITE_ROWS; i++)
		if (status->census->sites[i])
			lines[n++] = (struct site_line){i, status->census->sites[i]};
	qsort(lines, n, sizeof(*lines), by_requests);
	html_section(out, "sites", "Sites");
	if (n == 0)
		write_nothing(out, "No request yet.");
	else
		html_table(&table, out, "Sites since the start, the busiest first",
			   "Site|#Requests|#Hits|#5xx|#Sent|#Half within|#99&nbsp;% within");
	for (unsigned i = 0; i < n && i < SHOWN_SITES; i++)
		write_site(&table, site_names_text(&page->server->site_names, lines[i].number),
			   lines[i].counts);
	if (n > 0)
		html_table_end(&table);
	html_section_end(out);
}

/* ---- peers */

static void write_peer_state(struct html_table *table, struct peer_state *state)
{
	char reason[PEER_REASON_BYTES];

	if (atomic_load_explicit(&state->is_drained, memory_order_relaxed)) {
		write_mark(table, false, "drained");
		return;
	}
	write_mark(table, peer_state_is_up(state), peer_state_is_up(state) ? "up" : "down");
	if (peer_state_is_up(state))
		return;
	buf_add_char(table->out, ' ');
	html_text(table->out, str_of(peer_state_reason(state, reason)));
}

static void write_peer(struct html_table *table, const struct peer *peer, struct peer_state *state)
{
	write_text(table, peer->name, NAME_BYTES);
	write_text(table, peer->host, NAME_BYTES);
	buf_printf(table->out, ":%u", peer->port);
	write_peer_state(table, state);
	write_count(table, atomic_load_explicit(&state->nfetches, memory_order_relaxed));
	write_int(table, atomic_load_explicit(&state->nactive, memory_order_relaxed));
	write_int(table, atomic_load_explicit(&state->nconns, memory_order_relaxed));
}

void status_write_peers(struct buf *out, const struct manager_page *page)
{
	struct html_table table;
	unsigned n = 0;

	html_section(out, "peers", "Peers");
	if (page->config->peers->first)
		html_table(&table, out, "Peers and their health",
			   "Peer|Address|State|#Requests|#Now|#Connections");
	else
		write_nothing(out, "No cache_peer is configured.");
	for (const struct peer *peer = page->config->peers->first; peer && n++ < SHOWN_PEERS;
	     peer = peer->next)
		write_peer(&table, peer, peer_table_get(page->server->peers, peer->name));
	if (page->config->peers->first)
		html_table_end(&table);
	html_section_end(out);
}

/* ---- helpers */

static void write_pool(struct html_table *table, const struct census_pool *pool)
{
	const struct helper_pool_stats *stats = &pool->stats;

	write_text(table, str_of(pool->kind), NAME_BYTES);
	buf_add_char(table->out, ' ');
	html_text(table->out, str_of(pool->name));
	write_mark(table, !stats->is_broken, stats->is_broken ? "broken" : "good");
	write_count(table, stats->nrunning);
	buf_printf(table->out, " of %u", pool->max);
	write_count(table, stats->nqueued);
	write_count(table, stats->nrequests);
	write_count(table, stats->ntimeouts);
	write_count(table, stats->ndeaths);
}

void status_write_helpers(struct buf *out, const struct status *status)
{
	struct html_table table;

	if (status->census->npools == 0)
		return;
	html_section(out, "helpers", "Helpers");
	html_table(&table, out, "Pools of helper programs",
		   "Pool|State|#Running|#Waiting|#Questions|#Timeouts|#Died");
	for (unsigned i = 0; i < status->census->npools; i++)
		write_pool(&table, &status->census->pools[i]);
	html_table_end(&table);
	html_section_end(out);
}

/* ---- the cache */

static void write_tier(struct html_table *table, struct str name, uint64_t objects, uint64_t used,
		       uint64_t max, enum disk_state state)
{
	static const char *const states[] = {
		[DISK_NORMAL] = "normal", [DISK_PAUSED] = "paused", [DISK_OFF] = "off"};

	write_text(table, name, NAME_BYTES);
	write_count(table, objects);
	write_bytes(table, used);
	buf_add_str(table->out, STR(" of "));
	html_bytes(table->out, max);
	html_cell(table);
	buf_printf(table->out, "<meter min=\"0\" max=\"100\" value=\"%.0f\">",
		   max > 0 ? 100.0 * (double)used / (double)max : 0);
	html_percent(table->out, used, max);
	buf_add_str(table->out, STR("</meter>"));
	write_mark(table, state == DISK_NORMAL, states[state]);
}

void status_write_cache(struct buf *out, const struct manager_page *page)
{
	struct index_stats memory;
	struct disk_stats disk;
	struct html_table table;

	index_stats(page->server->index, &memory);
	html_section(out, "cache", "Cache");
	html_table(&table, out, "Where objects are kept", "Tier|#Objects|#Bytes|Full|State");
	write_tier(&table, STR("memory"), memory.nobjects, memory.bytes, memory.max_bytes,
		   DISK_NORMAL);
	for (unsigned i = 0; i < page->server->ndisks; i++) {
		disk_stats(page->server->disks[i], &disk);
		write_tier(&table, str_of(disk_directory(page->server->disks[i])), disk.objects,
			   disk.used_bytes, disk.max_bytes, disk.state);
	}
	html_table_end(&table);
	html_section_end(out);
}

/* ---- objects */

static void write_biggest(struct buf *out, const struct status *status)
{
	struct html_table table;

	html_table(&table, out, "The biggest in memory", "URL|#Bytes|#Age");
	for (unsigned i = 0; i < status->walk.n; i++) {
		const struct object *object = status->walk.biggest[i];

		write_text(&table, object->url, URL_BYTES);
		write_bytes(&table, object_length(object));
		html_cell(&table);
		html_age_s(out, clock_wall_s() - object->facts.arrived_s);
	}
	html_table_end(&table);
}

/* All workers' lines of one URL become one. */
static size_t merge_hot(const struct census_lines *lines)
{
	size_t n = 0, i, j;

	for (i = 0; i < lines->n; i++) {
		for (j = 0; j < n && strcmp(lines->at[j].url, lines->at[i].url) != 0; j++)
			;
		if (j < n)
			lines->at[j].number += lines->at[i].number;
		else
			lines->at[n++] = lines->at[i];
	}
	return n;
}

static void write_hottest(struct buf *out, const struct status *status)
{
	struct census_lines lines = status->census->lines[CENSUS_HOT];
	struct html_table table;
	uint64_t total = 0;

	lines.n = merge_hot(&lines);
	sort(&lines, by_number);
	for (size_t i = 0; i < lines.n; i++)
		total += lines.at[i].number;
	html_table(&table, out, "The hottest lately, of a sample of hits", "URL|#Share of hits");
	for (size_t i = 0; i < lines.n && i < STATUS_TOP; i++) {
		write_text(&table, str_of(lines.at[i].url), URL_BYTES);
		write_percent(&table, lines.at[i].number, total);
	}
	html_table_end(&table);
}

void status_write_objects(struct buf *out, const struct status *status)
{
	html_section(out, "objects", "Objects");
	buf_add_str(out, STR("<div class=\"pair\">\n"));
	write_hottest(out, status);
	write_biggest(out, status);
	buf_add_str(out, STR("</div>\n"));
	html_section_end(out);
}

/* ---- errors */

void status_write_errors(struct buf *out, const struct status *status)
{
	const struct census_lines *lines = &status->census->lines[CENSUS_ERRORS];
	struct html_table table;

	html_section(out, "errors", "Recent errors");
	sort(lines, by_time);
	if (lines->n == 0)
		write_nothing(out, "No reply of 500 or above.");
	else
		html_table(&table, out, "The last replies of 500 and above",
		           "URL|#Status|Error|Client|When");
	for (size_t i = 0; i < lines->n && i < SHOWN_ERRORS; i++) {
		write_text(&table, str_of(lines->at[i].url), URL_BYTES);
		write_count(&table, lines->at[i].number);
		write_text(&table, str_of(lines->at[i].what), NAME_BYTES);
		write_text(&table, str_of(lines->at[i].client), NAME_BYTES);
		write_age(&table, status, lines->at[i].at_us);
	}
	if (lines->n > 0)
		html_table_end(&table);
	html_section_end(out);
}

/* ---- certificates */

static void write_certificate(struct html_table *table, const struct certificate_entry *entry)
{
	int64_t left_s = entry->expires_s - clock_wall_s();

	write_text(table, tls_certificate_count_names(entry->certificate) > 0
				  ? tls_certificate_name(entry->certificate, 0)
				  : STR("(no name)"),
		   NAME_BYTES);
	write_text(table, entry->port->name, NAME_BYTES);
	write_text(table, str_of(entry->path), URL_BYTES);
	if (left_s <= 0) {
		write_mark(table, false, "expired");
		return;
	}
	write_mark(table, left_s > SOON_S, left_s > SOON_S ? "good" : "soon");
	buf_add_str(table->out, STR(" for "));
	html_age_s(table->out, left_s);
}

void status_write_certificates(struct buf *out, const struct manager_page *page)
{
	struct certificate_list list;
	struct html_table table;

	certificate_list_fill(&list, page->server->current);
	if (list.n == 0)
		return;
	html_section(out, "certificates", "Certificates");
	if (list.n < list.total)
		buf_printf(out, "<p>%zu of %zu, which expire first.</p>\n", list.n, list.total);
	html_table(&table, out, "Certificates that ports show", "Name|Port|File|Good for");
	for (size_t i = 0; i < list.n; i++)
		write_certificate(&table, &list.entries[i]);
	html_table_end(&table);
	html_section_end(out);
}
