/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/census.h: what each worker has counted and what lives with it, side by side and
 * added up: for the pages that show more than sums (tally.h is cheaper for those that do not).
 *
 * Threads: census_survey is called by survey.h on the workers' threads; a struct census is its
 * maker's. */
#ifndef PROXY_CENSUS_H
#define PROXY_CENSUS_H
#include "helpers/pool.h"
#include "proxy/manager/survey.h"
#include "proxy/manager/tally.h"

enum { CENSUS_NAME_BYTES = 64 };

struct census_worker {
	unsigned index;
	struct tally tally;
	struct detail_counts details;
	double cpu_s; /* of its thread */
};

/* A pool of helpers, by the directive that asks for it; several external ACLs differ by their
 * names. */
struct census_pool {
	const char *kind;
	char name[CENSUS_NAME_BYTES]; /* cut; of external_acl_type */
	unsigned max;                 /* children */
	struct helper_pool_stats stats;
};

enum census_table {
	CENSUS_REQUESTS, /* under way: number is their age in us, what their tag */
	CENSUS_ERRORS,   /* number is the status, what the error's name */
	CENSUS_HOT,      /* number is about how often */
	CENSUS_LINES
};

struct census_lines {
	struct recent_line *at;
	size_t n;
};

struct census {
	struct census_worker *workers;
	unsigned nworkers;
	struct census_pool *pools;
	unsigned npools;
	struct tally total;
	struct detail_counts details; /* of all workers */
	struct census_lines lines[CENSUS_LINES];
	struct site_counts *sites[SITE_ROWS]; /* all workers together; NULL: nothing */
};

survey_fn census_survey;
/* With lines too. */
survey_fn census_survey_lines;

/* Of what census_survey wrote for all workers; the caller's. */
struct census *census_create(struct str gathered);
void census_destroy(struct census *census); /* accepts NULL */

#endif
