/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of three kinds, one behind the other; they stay within the process. */
#include "proxy/manager/census.h"

#include <time.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "proxy/manager/helper_pools.h"
#include "proxy/session/session_h1.h"
#include "proxy/session/session_h2.h"
#include "proxy/snapshot.h"
#include "proxy/transaction/transaction.h"

enum kind { RECORD_WORKER, RECORD_SITE, RECORD_POOL, RECORD_LINE };

enum { MAX_REQUESTS = 64, MAX_SESSIONS = 8192 };

struct head {
	enum kind kind;
	unsigned number; /* of a site; of a line's table */
	size_t bytes;
};

static void put(struct buf *out, enum kind kind, unsigned number, const void *record, size_t bytes)
{
	const struct head head = {.kind = kind, .number = number, .bytes = bytes};

	buf_add(out, &head, sizeof(head));
	buf_add(out, record, bytes);
}

/* ---- on a worker's thread */

static double thread_cpu_s(void)
{
	struct timespec time = {0};

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void put_worker(struct buf *out, const struct worker *worker)
{
	const struct census_worker record = {
		.index = worker->index,
		.tally = {.counters = worker->counters,
			  .times = worker->times,
			  .loops = loop_counts(worker->loop),
			  .nsessions = worker->nsessions},
		.details = worker->details,
		.cpu_s = thread_cpu_s(),
	};

	put(out, RECORD_WORKER, 0, &record, sizeof(record));
}

static void put_pools(struct buf *out, const struct snapshot *snapshot)
{
	struct helper_pool_row row;

	for (unsigned i = 0; helper_pools_get(snapshot, i, &row); i++) {
		struct census_pool record = {.kind = row.kind, .max = row.children->max};

		str_copy(row.name, record.name, sizeof(record.name));
		helper_pool_stats(row.pool, &record.stats);
		put(out, RECORD_POOL, 0, &record, sizeof(record));
	}
}

bool census_survey(struct worker *worker, uint64_t *cursor, struct buf *out)
{
	(void)cursor;
	put_worker(out, worker);
	for (unsigned i = 0; i < SITE_ROWS; i++)
		if (worker->sites.counts[i])
			put(out, RECORD_SITE, i, worker->sites.counts[i],
			    sizeof(*worker->sites.counts[i]));
	if (worker->index == 0 && worker_snapshot(worker))
		put_pools(out, worker_snapshot(worker));
	return false;
}

struct requests {
	const struct worker *worker;
	struct buf *out;
	unsigned n;
};

static bool is_for_us(struct str url)
{
	size_t host = str_find_char(url, ':') + 3;
	struct str path = str_from(url, host);

	return str_starts_with(str_from(path, str_find_char(path, '/')), STR("/squid-internal-"));
}

static void put_request(void *owner, const struct session_view *view,
			const struct exchange *exchange)
{
	struct requests *requests = owner;
	struct recent_line line = {0};
	struct transaction_view t;

	(void)view;
	if (requests->n == MAX_REQUESTS || !transaction_view(exchange, &t) || is_for_us(t.url))
		return;
	requests->n++;
	line.number = (uint64_t)(loop_mono_us(requests->worker->loop) - t.began_us);
	str_copy(str_of(t.tag), line.what, sizeof(line.what));
	str_copy(t.url, line.url, sizeof(line.url));
	addr_text(&exchange->client, line.client);
	put(requests->out, RECORD_LINE, CENSUS_REQUESTS, &line, sizeof(line));
}

static void put_requests(struct buf *out, struct worker *worker)
{
	struct requests requests = {.worker = worker, .out = out};
	unsigned n = 0;

	LIST_EACH(node, &worker->sessions)
		if (n++ < MAX_SESSIONS)
			session_h1_view(node, put_request, &requests);
	LIST_EACH(node, &worker->h2_sessions)
		if (n++ < MAX_SESSIONS)
			session_h2_view(node, put_request, &requests);
}

bool census_survey_lines(struct worker *worker, uint64_t *cursor, struct buf *out)
{
	const struct recent *recent = &worker->recent;

	census_survey(worker, cursor, out);
	put_requests(out, worker);
	for (unsigned i = 0; i < RECENT_ERRORS && i < recent->nerrors; i++)
		put(out, RECORD_LINE, CENSUS_ERRORS, &recent->errors[i], sizeof(recent->errors[i]));
	for (unsigned i = 0; i < recent->nhot; i++)
		put(out, RECORD_LINE, CENSUS_HOT, &recent->hot[i], sizeof(recent->hot[i]));
	return false;
}

/* ---- reading it */

static void add_u64s(void *to, const void *from, size_t bytes)
{
	uint64_t *sums = to;
	const uint64_t *values = from;

	for (size_t i = 0; i < bytes / sizeof(*sums); i++)
		sums[i] += values[i];
}

static void take_worker(struct census *census, const void *bytes)
{
	struct census_worker *worker = &census->workers[census->nworkers++];

	memcpy(worker, bytes, sizeof(*worker));
	tally_add(&census->total, &worker->tally);
	add_u64s(&census->details, &worker->details, sizeof(worker->details));
}

static void take_site(struct census *census, unsigned number, const void *bytes)
{
	struct site_counts **site = &census->sites[number], counts;

	memcpy(&counts, bytes, sizeof(counts));
	if (!*site)
		*site = mem_zalloc(sizeof(**site));
	add_u64s(*site, &counts, sizeof(counts));
}

static void take_pool(struct census *census, const void *bytes)
{
	memcpy(&census->pools[census->npools++], bytes, sizeof(*census->pools));
}

static void take_line(struct census_lines *lines, const void *bytes)
{
	memcpy(&lines->at[lines->n++], bytes, sizeof(*lines->at));
}

static struct str next(struct str *rest, struct head *head)
{
	struct str record;

	memcpy(head, rest->at, sizeof(*head));
	record = str_first(str_from(*rest, sizeof(*head)), head->bytes);
	*rest = str_from(*rest, sizeof(*head) + head->bytes);
	return record;
}

/* How many of a kind there are. */
static size_t count(struct str rest, enum kind kind)
{
	struct head head;
	size_t n = 0;

	while (rest.len > 0) {
		next(&rest, &head);
		n += head.kind == kind;
	}
	return n;
}

struct census *census_create(struct str gathered)
{
	struct census *census = mem_zalloc(sizeof(*census));
	struct str record;
	struct head head;

	census->workers = mem_array(count(gathered, RECORD_WORKER), sizeof(*census->workers));
	census->pools = mem_array(count(gathered, RECORD_POOL), sizeof(*census->pools));
	for (unsigned i = 0; i < CENSUS_LINES; i++)
		census->lines[i].at =
			mem_array(count(gathered, RECORD_LINE), sizeof(struct recent_line));
	while (gathered.len > 0) {
		record = next(&gathered, &head);
		check(record.len == head.bytes);
		if (head.kind == RECORD_WORKER)
			take_worker(census, record.at);
		else if (head.kind == RECORD_SITE)
			take_site(census, head.number, record.at);
		else if (head.kind == RECORD_LINE)
			take_line(&census->lines[head.number], record.at);
		else
			take_pool(census, record.at);
	}
	return census;
}

void census_destroy(struct census *census)
{
	if (!census)
		return;
	for (unsigned i = 0; i < SITE_ROWS; i++)
		mem_free(census->sites[i]);
	for (unsigned i = 0; i < CENSUS_LINES; i++)
		mem_free(census->lines[i].at);
	mem_free(census->workers);
	mem_free(census->pools);
	mem_free(census);
}
