/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/log/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"
#include "proxy/log/log_file_internal.h"
#include "proxy/log/log_target.h"

enum {
	FLUSH_MS = 100,
	MAX_FILES = 64,
	WRITE_MAX_BYTES = LOG_WRITER_MAX_BATCH_BYTES,
};

struct record {
	struct log_file *file;
	int64_t time_us;
	uint32_t len; /* of the text behind it; the next record is aligned */
};

struct batch {
	struct {
		struct lock lock;
		struct buf records;
		uint64_t ndropped;
	} shared;
	struct buf taken; /* the thread's */
	size_t at;
};

struct log_writer {
	pthread_t thread;
	bool is_started;
	unsigned nbatches;
	struct batch *batches;
	struct {
		pthread_mutex_t mutex;
		pthread_cond_t cond;
		struct log_file *files[MAX_FILES];
		unsigned nfiles;
		bool is_stopping, is_rotation_due;
		struct log_job *jobs; /* the newest first */
	} shared;
	bool is_pending;   /* the thread's: a target has not taken all */
	uint64_t ndropped; /* the thread's: not said yet, */
	int64_t said_ms;   /* since then */
	atomic_ullong nlost; /* relaxed: of all files, and what did not come to one */
	atomic_bool has_records; /* release when a batch fills, acquire-exchange by the thread */
};

/* ---- batches */

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static void wake(struct log_writer *writer)
{
	if (atomic_exchange_explicit(&writer->has_records, true, memory_order_acq_rel))
		return;
	pthread_mutex_lock(&writer->shared.mutex);
	pthread_cond_signal(&writer->shared.cond);
	pthread_mutex_unlock(&writer->shared.mutex);
}

void log_writer_add(struct log_writer *writer, unsigned batch, struct log_file *file,
		    int64_t time_us, struct str record)
{
	struct batch *to = &writer->batches[batch < writer->nbatches ? batch : 0];
	const struct record head = {file, time_us, (uint32_t)record.len};
	char *room;

	lock_take(&to->shared.lock);
	room = buf_reserve(&to->shared.records, sizeof(head) + padded(record.len));
	if (room) {
		memcpy(room, &head, sizeof(head));
		memcpy(room + sizeof(head), record.at, record.len);
		to->shared.records.len += sizeof(head) + padded(record.len);
	} else {
		to->shared.ndropped++;
	}
	lock_drop(&to->shared.lock);
	wake(writer);
}

static uint64_t take_batch(struct batch *batch)
{
	struct buf empty = batch->taken;
	uint64_t ndropped;

	buf_clear(&empty);
	lock_take(&batch->shared.lock);
	batch->taken = batch->shared.records;
	batch->shared.records = empty;
	ndropped = batch->shared.ndropped;
	batch->shared.ndropped = 0;
	lock_drop(&batch->shared.lock);
	batch->at = 0;
	return ndropped;
}

static struct record *front(struct batch *batch)
{
	return batch->at < batch->taken.len ? (struct record *)(void *)(batch->taken.at + batch->at)
					    : NULL;
}

/* The batch whose next record is the oldest. */
static struct batch *oldest(struct log_writer *writer)
{
	struct batch *best = NULL;

	for (unsigned i = 0; i < writer->nbatches; i++) {
		struct batch *batch = &writer->batches[i];

		if (front(batch) && (!best || front(batch)->time_us < front(best)->time_us))
			best = batch;
	}
	return best;
}

/* Takes those that nobody writes to any more out of the list, into *files. Their last records are
 * in the batches by now. */
static unsigned take_unused(struct log_writer *writer, struct log_file **files)
{
	unsigned n = 0, left = 0;

	pthread_mutex_lock(&writer->shared.mutex);
	for (unsigned i = 0; i < writer->shared.nfiles; i++) {
		struct log_file *file = writer->shared.files[i];

		if (file->nusers == 0)
			files[n++] = file;
		else
			writer->shared.files[left++] = file;
	}
	writer->shared.nfiles = left;
	pthread_mutex_unlock(&writer->shared.mutex);
	return n;
}

static bool is_any_pending(struct log_file *const *files, unsigned nfiles)
{
	struct pollfd fd;

	for (unsigned i = 0; i < nfiles; i++)
		if (files[i]->target ? log_target_is_pending(files[i]->target, &fd)
				     : files[i]->out.len > 0)
			return true;
	return false;
}

/* Takes over what the file has lost since. */
static void add_lost(struct log_writer *writer, struct log_file *file)
{
	uint64_t nlost = file->target ? log_target_lost(file->target) : file->nlost;

	atomic_fetch_add_explicit(&writer->nlost, nlost - file->ncounted, memory_order_relaxed);
	file->ncounted = nlost;
}

uint64_t log_writer_lost(const struct log_writer *writer)
{
	return atomic_load_explicit(&writer->nlost, memory_order_relaxed);
}

static unsigned snapshot_files(struct log_writer *writer, struct log_file **files)
{
	unsigned n;

	pthread_mutex_lock(&writer->shared.mutex);
	n = writer->shared.nfiles;
	memcpy(files, writer->shared.files, n * sizeof(*files));
	pthread_mutex_unlock(&writer->shared.mutex);
	return n;
}

/* For those who look at daemons. */
static void show(struct log_writer *writer, struct log_file *const *files, unsigned nfiles)
{
	pthread_mutex_lock(&writer->shared.mutex);
	for (unsigned i = 0; i < nfiles; i++)
		if (files[i]->target)
			files[i]->is_daemon = log_target_view(files[i]->target, &files[i]->view);
	pthread_mutex_unlock(&writer->shared.mutex);
}

bool log_writer_daemon(struct log_writer *writer, unsigned i, struct log_daemon_view *out)
{
	unsigned ndaemons = 0;
	bool is_there = false;

	pthread_mutex_lock(&writer->shared.mutex);
	for (unsigned n = 0; n < writer->shared.nfiles && !is_there; n++) {
		const struct log_file *file = writer->shared.files[n];

		is_there = file->is_daemon && ndaemons++ == i;
		if (is_there)
			*out = file->view;
	}
	pthread_mutex_unlock(&writer->shared.mutex);
	return is_there;
}

static void flush(struct log_writer *writer, bool has_haste)
{
	struct log_file *files[MAX_FILES], *unused[MAX_FILES];
	unsigned nunused = take_unused(writer, unused), nfiles = snapshot_files(writer, files);
	struct batch *batch;

	for (unsigned i = 0; i < writer->nbatches; i++) {
		uint64_t ndropped = take_batch(&writer->batches[i]);

		writer->ndropped += ndropped;
		atomic_fetch_add_explicit(&writer->nlost, ndropped, memory_order_relaxed);
	}
	while ((batch = oldest(writer))) {
		const struct record *record = front(batch);

		log_file_add(record->file,
			   (struct str){(const char *)(record + 1), record->len});
		batch->at += sizeof(*record) + padded(record->len);
	}
	for (unsigned i = 0; i < nfiles; i++) {
		if (has_haste || !log_file_may_wait(files[i]))
			log_file_write(files[i]);
		add_lost(writer, files[i]);
	}
	show(writer, files, nfiles);
	for (unsigned i = 0; i < nunused; i++) {
		log_file_write(unused[i]);
		add_lost(writer, unused[i]);
		log_file_destroy(unused[i]);
	}
	writer->is_pending = is_any_pending(files, nfiles);
	if (writer->ndropped > 0 && log_file_may_say(&writer->said_ms)) {
		fprintf(stderr,
		        "WARNING: %llu log records were dropped: the log could not keep up\n",
		        (unsigned long long)writer->ndropped);
		writer->ndropped = 0;
	}
}

static void rotate_all(struct log_writer *writer)
{
	struct log_file *files[MAX_FILES];
	unsigned n = snapshot_files(writer, files);

	for (unsigned i = 0; i < n; i++) {
		log_file_rotate(files[i]);
		log_file_write(files[i]);
	}
}

/* ---- the thread */

static bool wait_for_work(struct log_writer *writer, bool *rotate)
{
	bool go_on;

	pthread_mutex_lock(&writer->shared.mutex);
	while (!writer->is_pending && !writer->shared.is_stopping &&
	       !writer->shared.is_rotation_due && !writer->shared.jobs &&
	       !atomic_load_explicit(&writer->has_records, memory_order_acquire))
		pthread_cond_wait(&writer->shared.cond, &writer->shared.mutex);
	*rotate = writer->shared.is_rotation_due;
	writer->shared.is_rotation_due = false;
	go_on = !writer->shared.is_stopping;
	pthread_mutex_unlock(&writer->shared.mutex);
	return go_on;
}

/* Until a target takes more. */
static void wait_for_targets(struct log_writer *writer)
{
	struct log_file *files[MAX_FILES];
	struct pollfd fds[MAX_FILES];
	unsigned nfiles = snapshot_files(writer, files), nfds = 0;

	for (unsigned i = 0; i < nfiles; i++)
		if (files[i]->target && log_target_is_pending(files[i]->target, &fds[nfds]))
			nfds++;
	poll(fds, nfds, FLUSH_MS);
}

/* Lets records gather, unless there is haste. */
static void gather(struct log_writer *writer)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += FLUSH_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&writer->shared.mutex);
	while (!writer->shared.is_stopping && !writer->shared.is_rotation_due)
		if (pthread_cond_timedwait(&writer->shared.cond, &writer->shared.mutex, &until))
			break;
	pthread_mutex_unlock(&writer->shared.mutex);
}

static void run_jobs(struct log_writer *writer)
{
	struct log_job *job, *next;

	pthread_mutex_lock(&writer->shared.mutex);
	job = writer->shared.jobs;
	writer->shared.jobs = NULL;
	pthread_mutex_unlock(&writer->shared.mutex);
	for (; job; job = next) {
		next = job->next_;
		job->run(job);
	}
}

void log_writer_post(struct log_writer *writer, struct log_job *job)
{
	pthread_mutex_lock(&writer->shared.mutex);
	job->next_ = writer->shared.jobs;
	writer->shared.jobs = job;
	pthread_cond_signal(&writer->shared.cond);
	pthread_mutex_unlock(&writer->shared.mutex);
}

static void *run(void *arg)
{
	struct log_writer *writer = arg;
	bool go_on, rotate;

	do {
		go_on = wait_for_work(writer, &rotate);
		if (go_on && !rotate && writer->is_pending)
			wait_for_targets(writer);
		else if (go_on && !rotate)
			gather(writer);
		atomic_store_explicit(&writer->has_records, false, memory_order_release);
		flush(writer, !go_on || rotate);
		if (rotate)
			rotate_all(writer);
		run_jobs(writer);
	} while (go_on);
	return NULL;
}

struct log_writer *log_writer_create(unsigned nbatches)
{
	struct log_writer *writer = mem_zalloc(sizeof(*writer));
	pthread_condattr_t monotonic;

	writer->nbatches = nbatches;
	writer->batches = mem_array(nbatches, sizeof(*writer->batches));
	for (unsigned i = 0; i < nbatches; i++) {
		lock_init(&writer->batches[i].shared.lock);
		buf_init(&writer->batches[i].shared.records, LOG_WRITER_MAX_BATCH_BYTES);
		buf_init(&writer->batches[i].taken, LOG_WRITER_MAX_BATCH_BYTES);
	}
	pthread_mutex_init(&writer->shared.mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC); /* the other one may jump */
	pthread_cond_init(&writer->shared.cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return writer;
}

enum err log_writer_start(struct log_writer *writer, struct err_text *why)
{
	pthread_attr_t attr;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	error = pthread_create(&writer->thread, &attr, run, writer);
	pthread_attr_destroy(&attr);
	if (error != 0) {
		err_say(why, "cannot start the log thread: %s", strerror(error));
		return ERR_IO;
	}
	writer->is_started = true;
	return ERR_OK;
}

static void stop_thread(struct log_writer *writer)
{
	pthread_mutex_lock(&writer->shared.mutex);
	writer->shared.is_stopping = true;
	pthread_cond_signal(&writer->shared.cond);
	pthread_mutex_unlock(&writer->shared.mutex);
	if (writer->is_started)
		pthread_join(writer->thread, NULL);
	else
		flush(writer, true);
}

void log_writer_destroy(struct log_writer *writer)
{
	if (!writer)
		return;
	stop_thread(writer);
	for (unsigned i = 0; i < writer->shared.nfiles; i++)
		log_file_destroy(writer->shared.files[i]);
	for (unsigned i = 0; i < writer->nbatches; i++) {
		buf_fini(&writer->batches[i].shared.records);
		buf_fini(&writer->batches[i].taken);
		lock_fini(&writer->batches[i].shared.lock);
	}
	pthread_cond_destroy(&writer->shared.cond);
	pthread_mutex_destroy(&writer->shared.mutex);
	mem_free(writer->batches);
	mem_free(writer);
}

static struct log_file *find_file(struct log_writer *writer, const char *path)
{
	for (unsigned i = 0; i < writer->shared.nfiles; i++)
		if (strcmp(writer->shared.files[i]->path, path) == 0)
			return writer->shared.files[i];
	return NULL;
}

static enum err add_file(struct log_writer *writer, struct log_file *file, struct log_file **out,
			 struct err_text *why)
{
	if (writer->shared.nfiles == MAX_FILES) {
		err_say(why, "more than %d log files", MAX_FILES);
		return ERR_LIMIT;
	}
	buf_init(&file->out, WRITE_MAX_BYTES);
	file->nusers = 1;
	writer->shared.files[writer->shared.nfiles++] = file;
	*out = file;
	return ERR_OK;
}

static struct log_file *make_file(const char *path, int keep)
{
	struct log_file *file = mem_zalloc(sizeof(*file));

	file->path = mem_strdup(path);
	atomic_init(&file->keep, keep);
	file->fd = -1;
	return file;
}

/* True: it is there already, and in use once more. */
static bool use_file(struct log_writer *writer, const char *path, int keep, struct log_file **out)
{
	struct log_file *file;

	pthread_mutex_lock(&writer->shared.mutex);
	file = find_file(writer, path);
	if (file) {
		file->nusers++;
		atomic_store_explicit(&file->keep, keep, memory_order_relaxed);
		*out = file;
	}
	pthread_mutex_unlock(&writer->shared.mutex);
	return file != NULL;
}

/* Takes file. */
static enum err enter_file(struct log_writer *writer, struct log_file *file, struct log_file **out,
			   struct err_text *why)
{
	enum err err;

	pthread_mutex_lock(&writer->shared.mutex);
	err = add_file(writer, file, out, why);
	pthread_mutex_unlock(&writer->shared.mutex);
	if (err != ERR_OK)
		log_file_destroy(file);
	return err;
}

static enum err open_file(struct log_writer *writer, const char *path, int keep, bool may_wait,
			  struct log_file **out, struct err_text *why)
{
	struct log_file *file;

	if (use_file(writer, path, keep, out))
		return ERR_OK;
	file = make_file(path, keep);
	file->fd = log_file_open(path);
	if (file->fd < 0) {
		err_say(why, "Cannot open %s: (%d) %s", path, errno, strerror(errno));
		if (!may_wait) {
			log_file_destroy(file);
			return ERR_IO;
		}
		log_file_tell_unopened(file, errno);
	}
	return enter_file(writer, file, out, why);
}

enum err log_writer_file(struct log_writer *writer, const char *path, int keep,
			 struct log_file **out, struct err_text *why)
{
	return open_file(writer, path, keep, false, out, why);
}

enum err log_writer_file_or_wait(struct log_writer *writer, const char *path, int keep,
				 struct log_file **out, struct err_text *why)
{
	return open_file(writer, path, keep, true, out, why);
}

enum err log_writer_target(struct log_writer *writer, const struct log_target_options *options,
			   struct log_file **out, struct err_text *why)
{
	/* Another program or count means another target. */
	char *key = mem_printf("%s %s %d %d", options->name,
			       options->program ? options->program : "", options->keep,
			       options->is_buffered);
	enum err err = ERR_OK;

	if (!use_file(writer, key, options->keep, out)) {
		struct log_file *file = make_file(key, options->keep);

		err = log_target_create(options, &file->target, why);
		if (err == ERR_OK)
			file->is_daemon = log_target_view(file->target, &file->view);
		if (err == ERR_OK)
			err = enter_file(writer, file, out, why);
		else
			log_file_destroy(file);
	}
	mem_free(key);
	return err;
}

void log_writer_hold(struct log_file *file, bool may_hold)
{
	atomic_store_explicit(&file->may_hold, may_hold, memory_order_relaxed);
}

void log_writer_release(struct log_writer *writer, struct log_file *file)
{
	bool is_unused;

	if (!file)
		return;
	pthread_mutex_lock(&writer->shared.mutex);
	is_unused = --file->nusers == 0;
	pthread_mutex_unlock(&writer->shared.mutex);
	if (is_unused)
		wake(writer);
}

void log_writer_rotate(struct log_writer *writer)
{
	pthread_mutex_lock(&writer->shared.mutex);
	writer->shared.is_rotation_due = true;
	pthread_cond_signal(&writer->shared.cond);
	pthread_mutex_unlock(&writer->shared.mutex);
}
