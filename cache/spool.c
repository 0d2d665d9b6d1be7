/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/net/loop_thread.h"

enum {
	PAGE_BYTES = 4096,
	READ_BYTES = 4096,  /* the loop wants a buffer; nothing is read there */
	REST_MS = 60000,    /* of a place that failed */
};

struct place {
	struct spool_place at; /* with a directory of its own */
	_Atomic(uint64_t) used, nspools, nrefused; /* relaxed: counts */
	int64_t rests_until_ms; /* the thread's */
};

struct spools {
	struct loop *loop;
	pthread_t thread;
	struct list writing; /* struct spool; the thread's */
	struct mail stop;
	bool is_stopped; /* set while one thread runs */
	unsigned nplaces;
	struct place places[];
};

struct spool {
	/* immutable */
	struct spools *spools;
	struct place *place;
	int fd;
	/* the thread's */
	struct list node;
	uint64_t from, end;
	bool is_full; /* it was refused room since it got some */
	void (*stop)(void *owner);
	void *owner;
	struct mail close; /* of who destroys it */
};

static void count(_Atomic(uint64_t) *what, int n)
{
	atomic_fetch_add_explicit(what, (uint64_t)n, memory_order_relaxed);
}

static void free_spool(struct spool *spool)
{
	close(spool->fd);
	atomic_fetch_sub_explicit(&spool->place->used, spool->end - spool->from,
				  memory_order_relaxed);
	count(&spool->place->nspools, -1);
	mem_free(spool);
}

static void close_spool(struct mail *mail)
{
	free_spool(CONTAINER(mail, struct spool, close));
}

static void stop_all(struct mail *mail)
{
	struct spools *spools = CONTAINER(mail, struct spools, stop);

	LIST_EACH_SAFE(node, &spools->writing) {
		struct spool *spool = CONTAINER(node, struct spool, node);

		spool->stop(spool->owner);
	}
	loop_stop(spools->loop);
}

struct spools *spools_create(const struct spool_place *places, unsigned nplaces,
			     struct err_text *why)
{
	struct spools *spools = mem_zalloc(sizeof(*spools) + nplaces * sizeof(spools->places[0]));

	check(nplaces <= SPOOLS_MAX_PLACES);
	spools->nplaces = nplaces;
	for (unsigned i = 0; i < nplaces; i++) {
		spools->places[i].at = places[i];
		if (places[i].directory)
			spools->places[i].at.directory = str_dup(str_of(places[i].directory));
	}
	list_init(&spools->writing);
	spools->stop.deliver = stop_all;
	spools->loop = loop_create(READ_BYTES, why);
	if (!spools->loop || !loop_thread_start(&spools->thread, "spool", spools->loop, why)) {
		spools_destroy(spools);
		return NULL;
	}
	return spools;
}

void spools_stop(struct spools *spools)
{
	if (!spools)
		return;
	loop_post(spools->loop, &spools->stop);
	pthread_join(spools->thread, NULL);
	spools->is_stopped = true;
}

void spools_destroy(struct spools *spools)
{
	if (!spools)
		return;
	loop_destroy(spools->loop);
	for (unsigned i = 0; i < spools->nplaces; i++)
		mem_free((void *)(uintptr_t)spools->places[i].at.directory);
	mem_free(spools);
}

struct loop *spools_loop(struct spools *spools)
{
	return spools->loop;
}

static uint64_t reading(const _Atomic(uint64_t) *what)
{
	return atomic_load_explicit(what, memory_order_relaxed);
}

uint64_t spools_used_bytes(const struct spools *spools)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < spools->nplaces; i++)
		bytes += reading(&spools->places[i].used);
	return bytes;
}

bool spools_stats(const struct spools *spools, unsigned nth, struct spool_stats *out)
{
	const struct place *place;

	if (!spools || nth >= spools->nplaces)
		return false;
	place = &spools->places[nth];
	*out = (struct spool_stats){
		.directory = place->at.directory,
		.objects = reading(&place->nspools),
		.used_bytes = reading(&place->used),
		.max_bytes = place->at.max_bytes,
		.refused = reading(&place->nrefused),
	};
	return true;
}

static bool charge(struct place *place, uint64_t bytes)
{
	uint64_t used = atomic_fetch_add_explicit(&place->used, bytes, memory_order_relaxed);

	if (used + bytes <= place->at.max_bytes)
		return true;
	atomic_fetch_sub_explicit(&place->used, bytes, memory_order_relaxed);
	return false;
}

/* The last place, if that is memory. */
static struct place *memory_of(struct spools *spools)
{
	struct place *last = spools->nplaces > 0 ? &spools->places[spools->nplaces - 1] : NULL;

	return last && !last->at.directory ? last : NULL;
}

bool spools_hold(struct spools *spools, uint64_t bytes)
{
	struct place *memory = memory_of(spools);

	if (memory && charge(memory, bytes))
		return true;
	if (memory)
		count(&memory->nrefused, 1);
	return false;
}

void spools_let_go(struct spools *spools, uint64_t bytes)
{
	if (bytes > 0)
		atomic_fetch_sub_explicit(&memory_of(spools)->used, bytes, memory_order_relaxed);
}

/* ---- making one */

static int open_file(const struct place *place)
{
	if (!place->at.directory)
		return memfd_create("bobtail-spool", MFD_CLOEXEC);
	return open(place->at.directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static void fails(struct spools *spools, struct place *place, int error)
{
	if (loop_now_ms(spools->loop) < place->rests_until_ms)
		return; /* said already */
	log_say(1, "Spool in %s: %s: going on without it for a minute",
		place->at.directory ? place->at.directory : "memory", strerror(error));
	place->rests_until_ms = loop_now_ms(spools->loop) + REST_MS;
}

/* The one with most room; NULL: none has any. */
static struct place *choose_place(struct spools *spools)
{
	struct place *best = NULL;
	uint64_t most = 0;

	for (unsigned i = 0; i < spools->nplaces; i++) {
		struct place *place = &spools->places[i];
		uint64_t used = reading(&place->used);

		if (loop_now_ms(spools->loop) < place->rests_until_ms ||
		    used + most >= place->at.max_bytes)
			continue;
		most = place->at.max_bytes - used;
		best = place;
	}
	return best;
}

struct spool *spool_create(struct spools *spools, void (*stop)(void *owner), void *owner)
{
	struct place *place;
	struct spool *spool;
	int fd;

	check(loop_is_current(spools->loop));
	while ((place = choose_place(spools)) && (fd = open_file(place)) < 0)
		fails(spools, place, errno);
	if (!place && spools->nplaces > 0)
		count(&spools->places[spools->nplaces - 1].nrefused, 1);
	if (!place)
		return NULL;
	count(&place->nspools, 1);
	spool = mem_zalloc(sizeof(*spool));
	*spool = (struct spool){
		.spools = spools, .place = place, .fd = fd, .stop = stop, .owner = owner};
	spool->close.deliver = close_spool;
	list_push_back(&spools->writing, &spool->node);
	return spool;
}

void spool_end_writing(struct spool *spool)
{
	list_remove(&spool->node);
}

void spool_destroy(struct spool *spool)
{
	if (!spool)
		return;
	if (spool->spools->is_stopped || loop_is_current(spool->spools->loop))
		free_spool(spool);
	else /* freeing the space of a large file takes a while */
		loop_post(spool->spools->loop, &spool->close);
}

/* ---- writing */

static bool write_all(int fd, const struct iovec *iov, uint64_t offset)
{
	size_t done = 0;

	while (done < iov->iov_len) {
		ssize_t n = pwrite(fd, (const char *)iov->iov_base + done, iov->iov_len - done,
				   (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

enum spool_wrote spool_append(struct spool *spool, const struct iovec *iov, int niov)
{
	uint64_t bytes = 0, at = spool->end;

	for (int i = 0; i < niov; i++)
		bytes += iov[i].iov_len;
	if (!charge(spool->place, bytes)) {
		if (!spool->is_full)
			count(&spool->place->nrefused, 1);
		spool->is_full = true;
		return SPOOL_FULL;
	}
	spool->is_full = false;
	spool->end += bytes;
	for (int i = 0; i < niov; at += iov[i++].iov_len) {
		if (!write_all(spool->fd, &iov[i], at)) {
			fails(spool->spools, spool->place, errno);
			return SPOOL_BROKEN;
		}
	}
	return SPOOL_WROTE;
}

void spool_trim(struct spool *spool, uint64_t offset)
{
	uint64_t from = offset & ~(uint64_t)(PAGE_BYTES - 1);
	uint64_t until = from < spool->end ? from : spool->end;

	if (until > spool->from &&
	    fallocate(spool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)spool->from,
		      (off_t)(until - spool->from)) == 0) {
		atomic_fetch_sub_explicit(&spool->place->used, until - spool->from,
					  memory_order_relaxed);
		spool->from = until;
	}
	if (offset < spool->end)
		return;
	/* All of it: what comes is appended at offset. */
	atomic_fetch_sub_explicit(&spool->place->used, spool->end - spool->from,
	                          memory_order_relaxed);
	spool->from = spool->end = offset;
}

/* ---- reading */

ssize_t spool_read(const struct spool *spool, uint64_t offset, void *into, size_t len)
{
	ssize_t n;

	do {
		n = pread(spool->fd, into, len, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return -EIO;
	return n > 0 ? n : -errno;
}

ssize_t spool_read_now(const struct spool *spool, uint64_t offset, void *into, size_t len)
{
	struct iovec iov = {into, len};
	ssize_t n;

	if (!spool->place->at.directory)
		return spool_read(spool, offset, into, len);
	n = preadv2(spool->fd, &iov, 1, (off_t)offset, RWF_NOWAIT);
	/* What the file system cannot tell, and what looks wrong, is read the other way. */
	return n > 0 ? n : -EAGAIN;
}
