/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of the status page. */
#include <inttypes.h>
#include <stdlib.h>

#include "cache/disk.h"
#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/base/health.h"
#include "lib/base/heap.h"
#include "lib/http/date.h"
#include "lib/net/tls_certificate.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/health.h"
#include "proxy/manager/status_html.h"
#include "proxy/manager/status_page.h"
#include "proxy/server.h"
#include "proxy/snapshot.h"
#include "proxy/tls/tls_table.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"

enum {
	SHOWN_REQUESTS = 12,
	SHOWN_SITES = 20,
	SHOWN_ERRORS = 8,
	SHOWN_PEERS = 200,
	SHOWN_CERTIFICATES = 100,
	URL_BYTES = 110,
	NAME_BYTES = 60,
	SOON_S = 14 * 86400, /* a certificate that expires so soon is marked */
};
#define SECOND_US INT64_C(1000000)

static void write_row(struct buf *out, struct str name, size_t max_bytes)
{
	buf_add_str(out, STR(HTML_ROW));
	html_cut(out, name, max_bytes);
}

static void write_nothing(struct buf *out, const char *text)
{
	buf_printf(out, "<p class=\"none\">%s</p>\n", text);
}

/* Good or bad, told by a word as well as by a colour. */
static void write_mark(struct buf *out, bool is_good, const char *text)
{
	buf_printf(out, "<span class=\"mark %s\">%s</span>", is_good ? "good" : "bad", text);
}

static void write_age(struct buf *out, const struct status *status, int64_t wall_us)
{
	html_age_s(out, (status->now_us - wall_us) / SECOND_US);
	buf_add_str(out, STR(" ago"));
}

/* ---- what does not work */

void status_write_degraded(struct buf *out, const struct status *status)
{
	struct health_entry *entries = mem_array(HEALTH_MAX_SHOWN, sizeof(*entries));
	size_t n = health_list(entries, HEALTH_MAX_SHOWN);

	if (n > 0) {
		html_section(out, "degraded", "What does not work as configured");
		html_table(out, "Degraded parts, why and since when", "What|Why|Since");
	}
	for (size_t i = 0; i < n; i++) {
		write_row(out, str_of(entries[i].what), HEALTH_WHAT_BYTES);
		buf_add_str(out, STR(HTML_FIRST));
		html_text(out, str_of(entries[i].reason));
		buf_add_str(out, STR(HTML_CELL));
		write_age(out, status, entries[i].since_us);
		buf_add_str(out, STR(HTML_ROW_END));
	}
	if (n > 0) {
		html_table_end(out);
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

	return (one->wall_us < other->wall_us) - (one->wall_us > other->wall_us);
}

static void sort(const struct census_lines *lines, int (*compare)(const void *a, const void *b))
{
	qsort(lines->at, lines->n, sizeof(*lines->at), compare);
}

void status_write_requests(struct buf *out, const struct status *status)
{
	const struct census_lines *lines = &status->census->lines[CENSUS_REQUESTS];

	html_section(out, "requests", "Requests under way");
	sort(lines, by_number);
	if (lines->n == 0)
		write_nothing(out, "None at this moment.");
	else
		html_table(out, "The oldest requests under way", "URL|Client|Result so far|#For");
	for (size_t i = 0; i < lines->n && i < SHOWN_REQUESTS; i++) {
		write_row(out, str_of(lines->at[i].url), URL_BYTES);
		buf_add_str(out, STR(HTML_FIRST));
		html_text(out, str_of(lines->at[i].client));
		buf_add_str(out, STR(HTML_CELL));
		html_text(out, str_of(lines->at[i].what));
		buf_add_str(out, STR(HTML_NUMBER));
		html_duration_us(out, (double)lines->at[i].number);
		buf_add_str(out, STR(HTML_ROW_END));
	}
	if (lines->n > 0)
		html_table_end(out);
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

static void write_site(struct buf *out, struct str name, const struct site_counts *counts)
{
	write_row(out, name, NAME_BYTES);
	buf_add_str(out, STR(HTML_FIRST_NUMBER));
	html_count(out, counts->requests);
	buf_add_str(out, STR(HTML_NUMBER));
	html_percent(out, counts->hits, counts->requests);
	buf_add_str(out, STR(HTML_NUMBER));
	html_count(out, counts->errors);
	buf_add_str(out, STR(HTML_NUMBER));
	html_bytes(out, counts->bytes_out);
	buf_add_str(out, STR(HTML_NUMBER));
	html_duration_us(out, histogram_quantile(&counts->times, 0.5));
	buf_add_str(out, STR(HTML_NUMBER));
	html_duration_us(out, histogram_quantile(&counts->times, 0.99));
	buf_add_str(out, STR(HTML_ROW_END));
}

void status_write_sites(struct buf *out, const struct status *status,
			const struct manager_page *page)
{
	struct site_line lines[SITE_ROWS];
	unsigned n = 0;

	for (unsigned i = 0; i < SITE_ROWS; i++)
		if (status->census->sites[i])
			lines[n++] = (struct site_line){i, status->census->sites[i]};
	qsort(lines, n, sizeof(*lines), by_requests);
	html_section(out, "sites", "Sites");
	if (n == 0)
		write_nothing(out, "No request yet.");
	else
		html_table(out, "Sites since the start, the busiest first",
			   "Site|#Requests|#Hits|#5xx|#Sent|#Half within|#99&nbsp;% within");
	for (unsigned i = 0; i < n && i < SHOWN_SITES; i++)
		write_site(out, site_names_text(&page->server->site_names, lines[i].number),
			   lines[i].counts);
	if (n > 0)
		html_table_end(out);
	html_section_end(out);
}

/* ---- peers */

static void write_peer_state(struct buf *out, struct peer_state *state)
{
	char reason[PEER_REASON_BYTES];

	if (atomic_load_explicit(&state->is_drained, memory_order_relaxed)) {
		write_mark(out, false, "drained");
		return;
	}
	write_mark(out, peer_state_is_up(state), peer_state_is_up(state) ? "up" : "down");
	if (peer_state_is_up(state))
		return;
	buf_add_char(out, ' ');
	html_text(out, str_of(peer_state_reason(state, reason)));
}

static void write_peer(struct buf *out, const struct peer *peer, struct peer_state *state)
{
	write_row(out, peer->name, NAME_BYTES);
	buf_add_str(out, STR(HTML_FIRST));
	html_cut(out, peer->host, NAME_BYTES);
	buf_printf(out, ":%u" HTML_CELL, peer->port);
	write_peer_state(out, state);
	buf_add_str(out, STR(HTML_NUMBER));
	html_count(out, atomic_load_explicit(&state->nfetches, memory_order_relaxed));
	buf_printf(out, HTML_NUMBER "%d" HTML_NUMBER "%d" HTML_ROW_END,
		   atomic_load_explicit(&state->nactive, memory_order_relaxed),
		   atomic_load_explicit(&state->nconns, memory_order_relaxed));
}

void status_write_peers(struct buf *out, const struct manager_page *page)
{
	unsigned n = 0;

	html_section(out, "peers", "Peers");
	if (page->config->peers->first)
		html_table(out, "Peers and their health",
			   "Peer|Address|State|#Requests|#Now|#Connections");
	else
		write_nothing(out, "No cache_peer is configured.");
	for (const struct peer *peer = page->config->peers->first; peer && n++ < SHOWN_PEERS;
	     peer = peer->next)
		write_peer(out, peer, peer_table_get(page->server->peers, peer->name));
	if (page->config->peers->first)
		html_table_end(out);
	html_section_end(out);
}

/* ---- helpers */

void status_write_helpers(struct buf *out, const struct status *status)
{
	if (status->census->npools == 0)
		return;
	html_section(out, "helpers", "Helpers");
	html_table(out, "Pools of helper programs",
		   "Pool|State|#Running|#Waiting|#Questions|#Timeouts|#Died");
	for (unsigned i = 0; i < status->census->npools; i++) {
		const struct census_pool *pool = &status->census->pools[i];
		const struct helper_pool_stats *stats = &pool->stats;

		write_row(out, str_of(pool->kind), NAME_BYTES);
		buf_add_char(out, ' ');
		html_text(out, str_of(pool->name));
		buf_add_str(out, STR(HTML_FIRST));
		write_mark(out, !stats->is_broken, stats->is_broken ? "broken" : "good");
		buf_printf(out, HTML_NUMBER "%u of %u" HTML_NUMBER "%u" HTML_NUMBER, stats->nrunning,
			   pool->max, stats->nqueued);
		html_count(out, stats->nrequests);
		buf_printf(out, HTML_NUMBER "%" PRIu64 HTML_NUMBER "%" PRIu64 HTML_ROW_END,
			   stats->ntimeouts, stats->ndeaths);
	}
	html_table_end(out);
	html_section_end(out);
}

/* ---- the cache */

static void write_tier(struct buf *out, struct str name, uint64_t objects, uint64_t used,
		       uint64_t max)
{
	write_row(out, name, NAME_BYTES);
	buf_add_str(out, STR(HTML_FIRST_NUMBER));
	html_count(out, objects);
	buf_add_str(out, STR(HTML_NUMBER));
	html_bytes(out, used);
	buf_add_str(out, STR(" of "));
	html_bytes(out, max);
	buf_add_str(out, STR(HTML_CELL));
	buf_printf(out, "<meter min=\"0\" max=\"100\" value=\"%.0f\">",
		   max > 0 ? 100.0 * (double)used / (double)max : 0);
	html_percent(out, used, max);
	buf_add_str(out, STR("</meter>" HTML_CELL));
}

void status_write_cache(struct buf *out, const struct manager_page *page)
{
	static const char *const states[] = {
		[DISK_NORMAL] = "normal", [DISK_PAUSED] = "paused", [DISK_OFF] = "off"};
	struct index_stats memory;
	struct disk_stats disk;

	index_stats(page->server->index, &memory);
	html_section(out, "cache", "Cache");
	html_table(out, "Where objects are kept", "Tier|#Objects|#Bytes|Full|State");
	write_tier(out, STR("memory"), memory.nobjects, memory.bytes, memory.max_bytes);
	write_mark(out, true, "normal");
	buf_add_str(out, STR(HTML_ROW_END));
	for (unsigned i = 0; i < page->server->ndisks; i++) {
		disk_stats(page->server->disks[i], &disk);
		write_tier(out, str_of(disk_directory(page->server->disks[i])), disk.objects, disk.used_bytes, disk.max_bytes);
		write_mark(out, disk.state == DISK_NORMAL, states[disk.state]);
		buf_add_str(out, STR(HTML_ROW_END));
	}
	html_table_end(out);
	html_section_end(out);
}

/* ---- objects */

static void write_biggest(struct buf *out, const struct status *status)
{
	html_table(out, "The biggest in memory", "URL|#Bytes|#Age");
	for (unsigned i = 0; i < status->walk.n; i++) {
		const struct object *object = status->walk.biggest[i];

		write_row(out, object->url, URL_BYTES);
		buf_add_str(out, STR(HTML_FIRST_NUMBER));
		html_bytes(out, object_length(object));
		buf_add_str(out, STR(HTML_NUMBER));
		html_age_s(out, status->now_us / SECOND_US - object->facts.arrived_s);
		buf_add_str(out, STR(HTML_ROW_END));
	}
	html_table_end(out);
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
	uint64_t total = 0;

	lines.n = merge_hot(&lines);
	sort(&lines, by_number);
	for (size_t i = 0; i < lines.n; i++)
		total += lines.at[i].number;
	html_table(out, "The hottest lately, of a sample of hits", "URL|#Share of hits");
	for (size_t i = 0; i < lines.n && i < STATUS_TOP; i++) {
		write_row(out, str_of(lines.at[i].url), URL_BYTES);
		buf_add_str(out, STR(HTML_FIRST_NUMBER));
		html_percent(out, lines.at[i].number, total);
		buf_add_str(out, STR(HTML_ROW_END));
	}
	html_table_end(out);
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

	html_section(out, "errors", "Recent errors");
	sort(lines, by_time);
	if (lines->n == 0)
		write_nothing(out, "No reply of 500 or above.");
	else
		html_table(out, "The last replies of 500 and above", "URL|#Status|Error|Client|When");
	for (size_t i = 0; i < lines->n && i < SHOWN_ERRORS; i++) {
		write_row(out, str_of(lines->at[i].url), URL_BYTES);
		buf_printf(out, HTML_FIRST_NUMBER "%" PRIu64 HTML_CELL, lines->at[i].number);
		html_text(out, str_of(lines->at[i].what));
		buf_add_str(out, STR(HTML_CELL));
		html_text(out, str_of(lines->at[i].client));
		buf_add_str(out, STR(HTML_CELL));
		write_age(out, status, lines->at[i].wall_us);
		buf_add_str(out, STR(HTML_ROW_END));
	}
	if (lines->n > 0)
		html_table_end(out);
	html_section_end(out);
}

/* ---- certificates */

static void write_certificate(struct buf *out, const struct status *status,
			      const struct port *port, const char *path,
			      const struct tls_certificate *certificate)
{
	int64_t left_s = tls_certificate_expires_s(certificate) - status->now_us / SECOND_US;

	write_row(out, tls_certificate_count_names(certificate) > 0
			       ? tls_certificate_name(certificate, 0)
			       : STR("(no name)"),
		  NAME_BYTES);
	buf_add_str(out, STR(HTML_FIRST));
	html_cut(out, port->name, NAME_BYTES);
	buf_add_str(out, STR(HTML_CELL));
	html_cut(out, str_of(path), URL_BYTES);
	buf_add_str(out, STR(HTML_CELL));
	if (left_s <= 0) {
		write_mark(out, false, "expired");
	} else {
		write_mark(out, left_s > SOON_S, left_s > SOON_S ? "good" : "soon");
		buf_add_str(out, STR(" for "));
		html_age_s(out, left_s);
	}
	buf_add_str(out, STR(HTML_ROW_END));
}

void status_write_certificates(struct buf *out, const struct status *status,
			       const struct manager_page *page)
{
	const struct snapshot *snapshot = page->server->current;
	const struct tls_certificate *certificate;
	const char *path;
	unsigned n = 0;

	for (const struct port *port = snapshot ? snapshot_config(snapshot)->ports->first : NULL; port;
	     port = port->next) {
		const struct tls_port *entry = snapshot->tls_ports[port->index];

		for (size_t i = 0; entry && n < SHOWN_CERTIFICATES &&
				   (certificate = tls_port_certificate(entry, i, &path));
		     i++) {
			if (n++ == 0) {
				html_section(out, "certificates", "Certificates");
				html_table(out, "Certificates that ports show",
					   "Name|Port|File|Good for");
			}
			write_certificate(out, status, port, path, certificate);
		}
	}
	if (n == 0)
		return;
	html_table_end(out);
	html_section_end(out);
}
