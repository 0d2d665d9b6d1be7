/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/tally.h"

#include <stddef.h>

#include "lib/base/heap.h"
#include "proxy/server.h"

struct part {
	struct mail mail; /* to the worker, and back */
	struct tally_request *request;
	struct worker *worker;
	struct tally tally;
};

/* The asking loop's; a part is with its worker until it has come back. */
struct tally_request {
	struct loop *loop;
	void (*done)(void *owner, const struct tally *tally); /* NULL: cancelled */
	void *owner;
	struct tally total;
	unsigned nwaiting;
	struct part parts[];
};

static void add(struct counters *to, const struct counters *from)
{
	uint64_t *sums = (uint64_t *)to;
	const uint64_t *values = (const uint64_t *)from;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*sums); i++)
		sums[i] += values[i];
}

void tally_add(struct tally *total, const struct tally *part)
{
	add(&total->counters, &part->counters);
	for (size_t i = 0; i < SERVICE_KINDS; i++)
		histogram_add(&total->times.of[i], &part->times.of[i]);
	total->loops.turns += part->loops.turns;
	total->loops.events += part->loops.events;
	total->nsessions += part->nsessions;
}

static void come_back(struct mail *mail)
{
	struct part *part = CONTAINER(mail, struct part, mail);
	struct tally_request *request = part->request;

	tally_add(&request->total, &part->tally);
	if (--request->nwaiting > 0)
		return;
	if (request->done)
		request->done(request->owner, &request->total);
	mem_free(request);
}

/* On the worker's thread. */
static void copy(struct mail *mail)
{
	struct part *part = CONTAINER(mail, struct part, mail);

	part->tally.counters = part->worker->counters;
	part->tally.times = part->worker->times;
	part->tally.loops = loop_counts(part->worker->loop);
	part->tally.nsessions = part->worker->nsessions;
	part->mail.deliver = come_back;
	loop_post(part->request->loop, &part->mail);
}

struct tally_request *tally_ask(struct server *server, struct loop *loop,
                                void (*done)(void *owner, const struct tally *tally), void *owner)
{
	unsigned n = server->nworkers;
	struct tally_request *request = mem_zalloc(sizeof(*request) + n * sizeof(struct part));

	request->loop = loop;
	request->done = done;
	request->owner = owner;
	request->nwaiting = n;
	for (unsigned i = 0; i < n; i++) {
		struct part *part = &request->parts[i];

		part->request = request;
		part->worker = server->workers[i];
		part->mail.deliver = copy;
		loop_post(part->worker->loop, &part->mail);
	}
	return request;
}

void tally_cancel(struct tally_request *request)
{
	if (request)
		request->done = NULL;
}
