/* SPDX-License-Identifier: BSD-2-Clause */
/* The status page for browsers, as one step for each part. What is live is a page of its own too,
 * which the script fetches to put it in place of the older one. */
#include "proxy/manager/status_page.h"

#include "lib/base/clock.h"
#include "lib/base/health.h"
#include "lib/base/heap.h"
#include "proxy/manager/health.h"
#include "proxy/manager/manager_pages.h"
#include "proxy/manager/status_html.h"
#include "proxy/serve.h"
#include "proxy/server.h"
#include "squid-compat/config.h"

#include <build-config.h>

enum { RECENT_POINTS = 6 };
#define SECOND_US INT64_C(1000000)

static void free_status(void *state)
{
	struct status *status = state;

	object_walk_fini(&status->walk);
	census_destroy(status->census);
	mem_free(status);
}

static struct status *begin(struct manager_page *page)
{
	struct status *status = page->state;

	if (status)
		return status;
	page->state = status = mem_zalloc(sizeof(*status));
	page->free_state = free_status;
	status->census = census_create(buf_str(page->gathered));
	status->npoints = statistics_points(serve_statistics(page->serve), status->points,
					    STATISTICS_POINTS);
	status->now_us = clock_mono_us();
	return status;
}

/* ---- head and foot */

static void write_head(struct manager_page *page, const struct status *status)
{
	struct buf *out = page->out;
	struct str host = str_of(page->config->visible_hostname);

	buf_add_str(out, STR("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			     "<title>"));
	html_text(out, host);
	buf_add_str(out, STR(" &ndash; Bobtail</title>\n<link rel=\"stylesheet\" href=\"status.css\">\n"
			     "<link rel=\"icon\" href=\"data:,\">\n"
			     "<script src=\"status.js\" defer></script>\n</head>\n<body>\n"
			     "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header>\n<h1>"));
	html_text(out, host);
	buf_add_str(out, STR("</h1>\n<p>Bobtail " PACKAGE_VERSION ", up for "));
	html_age_s(out, (status->now_us - page->server->started_us) / SECOND_US);
	buf_add_str(out, STR("</p>\n<p><button id=\"pause\" type=\"button\" hidden aria-pressed=\"false\">"
			     "Pause</button></p>\n</header>\n<main id=\"main\">\n<div id=\"live\">\n"));
}

static void write_foot(struct buf *out)
{
	buf_add_str(out, STR("</main>\n<footer><p>More: <a href=\"menu\">all pages of the cache manager</a>,"
			     " <a href=\"metrics\">metrics</a>, <a href=\"health\">health</a>."
			     "</p></footer>\n</body>\n</html>\n"));
}

/* ---- at a glance */

static void write_state(struct buf *out)
{
	struct health_entry *entries = mem_array(HEALTH_MAX_SHOWN, sizeof(*entries));
	size_t n = health_list(entries, HEALTH_MAX_SHOWN);

	if (n == 0)
		buf_add_str(out, STR("<p class=\"state good\">All is well.</p>\n"));
	else
		buf_printf(out, "<p class=\"state bad\">%zu thing%s not work as configured.</p>\n",
		           n, n == 1 ? " does" : "s do");
	mem_free(entries);
}

/* Of the last minute. */
static struct statistics_point recent_of(const struct status *status)
{
	struct statistics_point sum = {0};
	unsigned n = status->npoints, first = n > RECENT_POINTS ? n - RECENT_POINTS : 0;

	for (unsigned i = first; i < n; i++) {
		const struct statistics_point *point = &status->points[i];

		sum.length_us += point->length_us;
		sum.requests += point->requests;
		sum.hits += point->hits;
		sum.errors += point->errors;
		sum.bytes_out += point->bytes_out;
		sum.p99_us = point->p99_us > sum.p99_us ? point->p99_us : sum.p99_us;
	}
	return sum;
}

static double per_second(uint64_t n, const struct statistics_point *point)
{
	return point->length_us > 0 ? (double)n * 1e6 / (double)point->length_us : 0;
}

static void write_facts(struct buf *out, const struct status *status)
{
	struct statistics_point recent = recent_of(status);
	const struct tally *total = &status->census->total;

	buf_printf(out, "<dl class=\"facts\" aria-label=\"The last minute\">\n<div><dt>Requests</dt><dd>%.*f&nbsp;/s</dd></div>\n",
		   per_second(recent.requests, &recent) < 10 ? 1 : 0,
		   per_second(recent.requests, &recent));
	buf_add_str(out, STR("<div><dt>Hits</dt><dd>"));
	html_percent(out, recent.hits, recent.requests);
	buf_add_str(out, STR("</dd></div>\n<div><dt>99 % within</dt><dd>"));
	html_duration_us(out, recent.p99_us);
	buf_add_str(out, STR("</dd></div>\n<div><dt>Sent</dt><dd>"));
	html_bytes(out, (uint64_t)per_second(recent.bytes_out, &recent));
	buf_add_str(out, STR("/s</dd></div>\n<div><dt>5xx replies</dt><dd>"));
	html_count(out, recent.errors);
	buf_add_str(out, STR("</dd></div>\n<div><dt>Connections</dt><dd>"));
	html_count(out, total->nsessions);
	buf_add_str(out, STR("</dd></div>\n<div><dt>Since the start</dt><dd>"));
	html_count(out, total->counters.client_requests);
	buf_add_str(out, STR("</dd></div>\n</dl>\n"));
}

/* ---- parts */

enum part {
	PART_HEAD,
	PART_GLANCE,
	PART_REQUESTS,
	PART_SITES,
	PART_PEERS,
	PART_HELPERS,
	PART_CACHE,
	PART_ERRORS,
	PART_LIVE_END,
	PART_OBJECTS,
	PART_CERTIFICATES,
	PART_ACTIONS,
	PART_FOOT,
	PARTS
};

static void write_part(struct manager_page *page, struct status *status, enum part part)
{
	struct buf *out = page->out;

	switch (part) {
	case PART_HEAD:
		write_head(page, status);
		break;
	case PART_GLANCE:
		write_state(out);
		write_facts(out, status);
		status_plots(out, status);
		status_write_degraded(out, status);
		break;
	case PART_REQUESTS:
		status_write_requests(out, status);
		break;
	case PART_SITES:
		status_write_sites(out, status, page);
		break;
	case PART_PEERS:
		status_write_peers(out, page);
		break;
	case PART_HELPERS:
		status_write_helpers(out, status);
		break;
	case PART_CACHE:
		status_write_cache(out, page);
		break;
	case PART_ERRORS:
		status_write_errors(out, status);
		break;
	case PART_LIVE_END:
		buf_add_str(out, STR("</div>\n"));
		break;
	case PART_OBJECTS:
		status_write_objects(out, status);
		break;
	case PART_CERTIFICATES:
		status_write_certificates(out, page);
		break;
	case PART_ACTIONS:
		status_write_actions(out, page);
		break;
	case PART_FOOT:
		write_foot(out);
		break;
	case PARTS:
		break;
	}
}

bool manager_write_status(struct manager_page *page)
{
	struct status *status = begin(page);

	if (page->cursor == PART_OBJECTS && object_walk_step(&status->walk, page->server->index))
		return true;
	write_part(page, status, (enum part)page->cursor);
	return ++page->cursor < PARTS;
}

bool manager_write_status_live(struct manager_page *page)
{
	struct status *status = begin(page);

	if (page->cursor == 0)
		page->cursor = PART_GLANCE;
	write_part(page, status, (enum part)page->cursor);
	return ++page->cursor < PART_LIVE_END;
}
