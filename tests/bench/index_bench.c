/* SPDX-License-Identifier: BSD-2-Clause */
/* Look-ups in the memory index by 1, 2 and 4 threads, of one key and of many: found, used and let go
 * as a hit does it. CPU time is the figure that holds on a busy machine: if threads stood in each
 * other's way, it would grow with their number. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { NKEYS = 10000, RUN_MS = 300, BATCH = 256, MAX_THREADS = 4, URL_BYTES = 48 };

struct asked {
	char text[URL_BYTES];
	struct str url;
	uint64_t key;
};

struct asker {
	pthread_t thread;
	struct index *index;
	const struct asked *asked;
	unsigned nkeys, at;
	uint64_t nfinds;
	double cpu_s;
};

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* As a hit: the transaction's reference and the reader's. */
static void hit(struct index *index, const struct asked *asked)
{
	static const struct http_request no_fields;
	struct object *object = index_find(index, asked->key, asked->url, &no_fields.head);
	struct object_reader reader;

	check(object);
	object_reader_open(&reader, object, 0, NULL, NULL, NULL);
	object_reader_close(&reader);
	object_unref(object);
}

static void *ask(void *arg)
{
	struct asker *asker = arg;
	double end = seconds(CLOCK_MONOTONIC) + RUN_MS * 1e-3;

	while (seconds(CLOCK_MONOTONIC) < end) {
		for (int i = 0; i < BATCH; i++) {
			hit(asker->index, &asker->asked[asker->at]);
			asker->at = (asker->at + 7919) % asker->nkeys;
		}
		asker->nfinds += BATCH;
	}
	asker->cpu_s = seconds(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void run(struct index *index, const struct asked *asked, unsigned nkeys, unsigned nthreads)
{
	struct asker askers[MAX_THREADS];
	double cpu_s = 0, millions = 0;

	for (unsigned i = 0; i < nthreads; i++) {
		askers[i] = (struct asker){.index = index, .asked = asked, .nkeys = nkeys,
					   .at = i * 97 % nkeys};
		check(pthread_create(&askers[i].thread, NULL, ask, &askers[i]) == 0);
	}
	for (unsigned i = 0; i < nthreads; i++) {
		pthread_join(askers[i].thread, NULL);
		cpu_s += askers[i].cpu_s;
		millions += (double)askers[i].nfinds * 1e-6;
	}
	printf("memory look-ups, %5u keys, %u threads  %6.1f million/s  %6.1f ns of CPU each\n",
	       nkeys, nthreads, millions / (RUN_MS * 1e-3), cpu_s * 1e3 / millions);
}

static struct asked *fill(struct index *index)
{
	struct asked *asked = mem_array(NKEYS, sizeof(*asked));

	for (unsigned i = 0; i < NKEYS; i++) {
		struct object_head head = {.status = 200};
		struct object *object;

		snprintf(asked[i].text, sizeof(asked[i].text), "http://www.example/%u", i);
		asked[i].url = head.url = str_of(asked[i].text);
		asked[i].key = index_key(index, asked[i].url);
		object = object_create_whole(&head, STR("body"));
		check(index_insert(index, asked[i].key, object));
		object_unref(object);
	}
	return asked;
}

int main(void)
{
	struct index *index = index_create(16, 256 << 20, 1);
	struct asked *asked = fill(index);

	for (unsigned nkeys = 1; nkeys <= NKEYS; nkeys += NKEYS - 1)
		for (unsigned nthreads = 1; nthreads <= MAX_THREADS; nthreads *= 2)
			run(index, asked, nkeys, nthreads);
	index_destroy(index);
	mem_free(asked);
	return 0;
}
