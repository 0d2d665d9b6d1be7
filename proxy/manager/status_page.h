/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/status_page.h: the parts of the status page (HTML for browsers) that status_page.c
 * puts together. Threads: the main thread's. */
#ifndef PROXY_STATUS_PAGE_H
#define PROXY_STATUS_PAGE_H
#include "proxy/manager/census.h"
#include "proxy/manager/manager_page.h"
#include "proxy/manager/statistics.h"

struct index;
struct object;

enum { STATUS_TOP = 10 };

/* ---- status_objects.c: a walk through what is in memory, for the biggest */

struct object_walk {
	uint64_t cursor;
	bool is_done;
	unsigned n;
	struct object *biggest[STATUS_TOP]; /* references, the biggest first */
};

struct status {
	struct census *census;
	unsigned npoints;
	struct statistics_point points[STATISTICS_POINTS];
	struct object_walk walk;
	int64_t now_us; /* monotonic */
};

/* One stretch; false: all has been seen. */
bool object_walk_step(struct object_walk *walk, struct index *index);
void object_walk_fini(struct object_walk *walk);

/* ---- status_plot.c */
void status_plots(struct buf *out, const struct status *status);

/* ---- status_tables.c: each is a section */
void status_write_degraded(struct buf *out, const struct status *status);
void status_write_requests(struct buf *out, const struct status *status);
void status_write_sites(struct buf *out, const struct status *status,
			const struct manager_page *page);
void status_write_peers(struct buf *out, const struct manager_page *page);
void status_write_helpers(struct buf *out, const struct status *status);
void status_write_cache(struct buf *out, const struct manager_page *page);
void status_write_objects(struct buf *out, const struct status *status);
void status_write_errors(struct buf *out, const struct status *status);
void status_write_certificates(struct buf *out, const struct manager_page *page);

/* ---- status_actions.c: nothing for who may do nothing */
void status_write_actions(struct buf *out, const struct manager_page *page);

#endif
