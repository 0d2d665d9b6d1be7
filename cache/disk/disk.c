/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk.h"

#include <string.h>
#include <unistd.h>

#include "cache/disk/disk_feed.h"
#include "cache/disk/disk_internal.h"
#include "cache/disk/disk_pages.h"
#include "cache/disk/disk_reader.h"
#include "cache/disk/disk_writer.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/base/random.h"

enum {
	DEFAULT_OBJECT_SHARE = 4, /* of the cap, for one object */
	DEFAULT_BATCH_WAIT_MS = 200,
};

/* ---- what the parts share (disk_internal.h) */

static uint64_t queue_limit(const struct disk *disk)
{
	return disk->config.queue_bytes ? disk->config.queue_bytes : DISK_QUEUE_BYTES;
}

bool disk_queue_charge(struct disk *disk, uint64_t nbytes)
{
	uint64_t queued = atomic_load_explicit(&disk->queued_bytes, memory_order_relaxed);
	uint64_t max = queue_limit(disk);

	do {
		if (queued != 0 && queued + nbytes > max)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&disk->queued_bytes, &queued,
							queued + nbytes, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

unsigned disk_pressure(struct disk *disk)
{
	uint64_t queued = atomic_load_explicit(&disk->queued_bytes, memory_order_relaxed);
	uint64_t eighths = queued * 8 / queue_limit(disk);

	return eighths < 4 ? 0 : eighths > 7 ? 4 : (unsigned)eighths - 3;
}

void disk_queue_release(struct disk *disk, uint64_t nbytes)
{
	atomic_fetch_sub_explicit(&disk->queued_bytes, nbytes, memory_order_relaxed);
}

/* ---- life */

static uint64_t part_of(uint64_t bytes, unsigned percent)
{
	return percent == 0 || percent >= 100 ? bytes : bytes / 100 * percent;
}

void disk_set_marks(struct disk *disk, struct disk_marks marks)
{
	uint64_t low = part_of(disk->config.max_bytes, marks.low_percent);
	uint64_t high = part_of(disk->config.max_bytes, marks.high_percent);

	atomic_store_explicit(&disk->low_bytes, low, memory_order_relaxed);
	atomic_store_explicit(&disk->high_bytes, low > high ? low : high, memory_order_relaxed);
}

static struct disk *create(const struct disk_config *config)
{
	struct disk *disk = mem_zalloc(sizeof(*disk));

	disk->config = *config;
	if (disk->config.max_object_bytes == 0)
		disk->config.max_object_bytes = config->max_bytes / DEFAULT_OBJECT_SHARE;
	if (disk->config.batch_wait_ms == 0)
		disk->config.batch_wait_ms = DEFAULT_BATCH_WAIT_MS;
	disk->directory = mem_strdup(config->directory);
	disk->config.directory = disk->directory;
	disk->path = mem_printf("%s/cache.db", config->directory);
	disk->lock_fd = -1;
	disk->index = disk_index_create();
	if (config->policy == EVICTION_LRU)
		disk_index_keep_ages(disk->index);
	disk->admission = disk_admission_create(config->max_bytes, config->policy);
	disk_set_marks(disk, config->marks);
	atomic_init(&disk->next_seq, 1);
	atomic_init(&disk->is_loading, true);
	lock_init(&disk->shared.lock);
	lock_init(&disk->door.lock);
	list_init(&disk->shared.pins);
	list_init(&disk->shared.doubts);
	list_init(&disk->shared.stores);
	for (unsigned i = 0; i < DISK_NRENEWALS; i++)
		list_init(&disk->shared.renewals[i]);
	return disk;
}

static const char seed_sql[] = "SELECT value FROM meta WHERE name = 'seed'";

/* Directory, lock, database and seed. */
static enum err open_files(struct disk *disk, sqlite3 **db, struct err_text *why)
{
	enum err err = disk_hold_directory(disk, why);
	int64_t seed = 0;

	if (err == ERR_OK)
		err = disk_open_database(disk->path, disk->config.max_bytes, disk->config.seed, db,
					 why);
	if (err != ERR_OK)
		return err;
	if (schema_number(*db, seed_sql, &seed) != SQLITE_OK) {
		err_say(why, "%s has no seed", disk->path);
		sqlite3_close(*db);
		*db = NULL;
		return ERR_DISK;
	}
	/* The writer makes the keys of another seed anew. */
	disk->seed = disk->config.seed ? disk->config.seed : (uint64_t)seed;
	return ERR_OK;
}

void disk_tell_health(struct disk *disk, enum disk_state state, const char *reason)
{
	char *what;

	if (state == DISK_NORMAL) {
		health_good(&disk->health);
		return;
	}
	what = mem_printf("cache_dir %s", disk->directory);
	health_bad(&disk->health, what, "%s: %s", state == DISK_OFF ? "not used" : "stores nothing",
		   reason ? reason : "a fault");
	mem_free(what);
}

/* A number in a file that another process may have, and which stays as it is; 0: it cannot be
 * read. */
static int64_t look_up(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	int64_t number = 0;

	if (access(path, R_OK) != 0 || schema_open_reader(path, &db, NULL) != SQLITE_OK)
		return 0;
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	schema_keep_log(db, true);
	schema_number(db, sql, &number);
	sqlite3_close(db);
	return number;
}

/* Serving goes on without the disk, and the writer opens it when it can. What another process has
 * is read until then, if it is as we would have made it: a program before an upgrade lets go in a
 * moment. */
static void begin_without(struct disk *disk, enum err err, const struct err_text *why)
{
	bool is_borrowed =
		err == ERR_BUSY && look_up(disk->path, "PRAGMA user_version") == SCHEMA_VERSION;
	uint64_t seed = is_borrowed ? (uint64_t)look_up(disk->path, seed_sql) : random_u64() | 1;
	enum disk_state state = is_borrowed ? DISK_PAUSED : DISK_OFF;

	disk->seed = disk->config.seed ? disk->config.seed : seed;
	atomic_store_explicit(&disk->is_borrowed, is_borrowed, memory_order_relaxed);
	atomic_store_explicit(&disk->state, state, memory_order_relaxed);
	disk_tell_health(disk, state, why->at);
	log_say(1, "Disk cache %s %s, trying again by itself: %s", disk->path,
	        is_borrowed ? "does not store for now, hits go on" : "is not used for now",
	        why->at);
}

enum err disk_open(const struct disk_config *config, struct disk **out, struct err_text *why)
{
	struct disk *disk;
	struct err_text reason = {""};
	sqlite3 *db = NULL;
	enum err err;

	schema_setup_once();
	disk_pages_setup_once();
	disk = create(config);
	err = open_files(disk, &db, &reason);
	if ((err == ERR_DISK || err == ERR_BUSY) && config->is_patient) {
		begin_without(disk, err, &reason);
		err = ERR_OK;
	}
	if (err != ERR_OK)
		err_say(why, "%s", reason.at);
	if (err == ERR_OK)
		err = disk_writer_start(disk, db, &disk->writer, why);
	if (err == ERR_OK)
		err = disk_feed_start(disk, &disk->feed, why);
	for (int i = 0; i < DISK_NREADERS && err == ERR_OK; i++)
		err = disk_reader_start(disk, &disk->readers[i], why);
	if (err != ERR_OK) {
		disk_close(disk);
		return ERR_DISK;
	}
	*out = disk;
	return ERR_OK;
}

void disk_hand_over(struct disk *disk)
{
	disk_writer_post(disk->writer, disk_item_create(ITEM_HAND_OVER, 0));
}

void disk_close(struct disk *disk)
{
	if (!disk)
		return;
	disk_feed_stop(disk->feed);
	for (int i = 0; i < DISK_NREADERS; i++)
		disk_reader_stop(disk->readers[i]);
	disk_writer_stop(disk->writer);
	health_good(&disk->health);
	disk_drop_lock(disk);
	disk_index_destroy(disk->index);
	disk_admission_destroy(disk->admission);
	lock_fini(&disk->shared.lock);
	lock_fini(&disk->door.lock);
	mem_free(disk->directory);
	mem_free(disk->path);
	mem_free(disk);
}

enum err disk_create_only(const struct disk_config *config, struct err_text *why)
{
	struct disk *disk;
	sqlite3 *db = NULL;
	enum err err;

	schema_setup_once();
	disk = create(config);
	err = open_files(disk, &db, why);
	if (err == ERR_OK)
		sqlite3_close(db);
	disk_close(disk);
	return err;
}

/* ---- questions */

static uint64_t used_soon(struct disk *disk)
{
	return atomic_load_explicit(&disk->counts[COUNT_USED_BYTES], memory_order_relaxed) +
	       atomic_load_explicit(&disk->queued_bytes, memory_order_relaxed);
}

uint64_t disk_seed(const struct disk *disk)
{
	return disk->seed;
}

const char *disk_directory(const struct disk *disk)
{
	return disk->directory;
}

uint64_t disk_read_seed(const char *directory)
{
	char *path = mem_printf("%s/cache.db", directory);
	uint64_t seed;

	schema_setup_once();
	seed = (uint64_t)look_up(path, seed_sql);
	mem_free(path);
	return seed;
}

unsigned disk_number(uint64_t disk_id)
{
	return (unsigned)(disk_id >> SCHEMA_ID_BITS);
}

uint64_t disk_row(uint64_t disk_id)
{
	return disk_id & ((UINT64_C(1) << SCHEMA_ID_BITS) - 1);
}

bool disk_takes(struct disk *disk, int64_t body_bytes)
{
	const struct disk_config *config = &disk->config;

	return disk_state(disk) == DISK_NORMAL && !config->no_store &&
	       (body_bytes < 0 || ((uint64_t)body_bytes >= config->min_object_bytes &&
				   (uint64_t)body_bytes <= config->max_object_bytes));
}

unsigned disk_fill(struct disk *disk)
{
	enum { ALL = 1000 };

	return (unsigned)(used_soon(disk) * ALL /
	                  (disk->config.max_bytes ? disk->config.max_bytes : 1));
}

bool disk_is_there(struct disk *disk)
{
	return disk_state(disk) != DISK_OFF;
}

bool disk_is_loading(struct disk *disk)
{
	return atomic_load_explicit(&disk->is_loading, memory_order_relaxed);
}

bool disk_may_have(struct disk *disk, uint64_t key)
{
	if (disk_state(disk) == DISK_OFF ||
	    atomic_load_explicit(&disk->is_void, memory_order_relaxed) ||
	    atomic_load_explicit(&disk->nstalled, memory_order_relaxed) == DISK_NREADERS)
		return false;
	/* Pairs with the writer's release after the last entry. */
	return atomic_load_explicit(&disk->is_loading, memory_order_acquire) ||
	       disk_index_has(disk->index, key);
}

bool disk_has(struct disk *disk, uint64_t key, uint64_t id)
{
	uint64_t ids[DISK_MAX_VARIANTS];
	unsigned n = disk_index_find(disk->index, key, ids, DISK_MAX_VARIANTS);

	while (n > 0)
		if (disk_tag(disk, ids[--n]) == id)
			return true;
	return false;
}

void disk_lookup(struct disk *disk, struct disk_query *query)
{
	struct disk_job *job = mem_zalloc(sizeof(*job));
	unsigned turn = atomic_fetch_add_explicit(&disk->next_reader, 1, memory_order_relaxed);
	struct disk_reader *reader = disk->readers[turn % DISK_NREADERS];

	list_init(&job->node);
	lock_init(&job->shared.lock);
	job->shared.query = query;
	job->loop = query->loop;
	job->key = query->key;
	job->keep_bytes = query->keep_bytes;
	job->is_lazy = query->is_lazy;
	job->is_for_variant = query->known != NULL;
	query->nhits = 0;
	query->job_ = job;
	if (!query->known)
		disk_admission_note(disk->admission, query->key);
	if (disk_reader_is_stalled(reader))
		reader = disk->readers[(turn + 1) % DISK_NREADERS];
	disk_reader_post(reader, job);
}

void disk_query_cancel(struct disk_query *query)
{
	struct disk_job *job = query->job_;

	if (!job)
		return;
	lock_take(&job->shared.lock);
	job->shared.query = NULL;
	lock_drop(&job->shared.lock);
	query->job_ = NULL;
}

void disk_query_give_up(struct disk_query *query)
{
	struct disk_job *job = query->job_;

	if (!job)
		return;
	disk_reader_note_stall(job->reader);
	disk_query_cancel(query);
}

/* ---- changes */

static bool suits_limits(const struct disk *disk, const struct object *object)
{
	const struct disk_config *config = &disk->config;
	bool is_known = object_state(object) == OBJECT_COMPLETE;
	uint64_t size = object_length(object);

	if (!is_known && object_state(object) == OBJECT_FILLING && object->body_bytes >= 0) {
		is_known = true;
		size = (uint64_t)object->body_bytes;
	}
	return object_state(object) != OBJECT_ABORTED && object->head.len <= DISK_MAX_HEAD_BYTES &&
	       object->url.len <= DISK_MAX_HEAD_BYTES && object->vary.len <= DISK_MAX_HEAD_BYTES &&
	       (!is_known ||
		(size >= config->min_object_bytes && size <= config->max_object_bytes));
}

/* At once while there is room, then by what it would push out; with little left of the budget only
 * what was asked for before. */
static bool is_worth_it(struct disk *disk, const struct object *object, uint64_t key)
{
	enum { HOT = 2 };
	int budget = atomic_load_explicit(&disk->budget, memory_order_relaxed);
	uint64_t bytes = object_length(object);

	disk_admission_note(disk->admission, key);
	if (budget == DISK_BUDGET_SPENT ||
	    (budget == DISK_BUDGET_SHORT && disk_admission_estimate(disk->admission, key) < HOT)) {
		disk_count(disk, COUNT_NOT_ADMITTED, 1);
		return false;
	}
	if (object->body_bytes > 0)
		bytes = (uint64_t)object->body_bytes;
	if (used_soon(disk) + 2 * disk_spare_bytes(disk) < disk_low_bytes(disk) ||
	    disk_admission_allows(disk->admission, key, disk_cost(object, bytes)))
		return true;
	disk_count(disk, COUNT_NOT_ADMITTED, 1);
	return false;
}

bool disk_store(struct disk *disk, struct object *object, uint64_t key)
{
	bool is_whole = object_is_whole(object);
	uint64_t cost = sizeof(struct disk_store) + sizeof(struct disk_item) +
			(is_whole ? object_memory_bytes(object) : 0);
	struct disk_store *store;
	struct disk_item *item;

	check(object_state(object) != OBJECT_EMPTY);
	if (disk_state(disk) != DISK_NORMAL || disk->config.no_store ||
	    atomic_load_explicit(&disk->is_void, memory_order_relaxed) ||
	    !suits_limits(disk, object) || !is_worth_it(disk, object, key) ||
	    !disk_queue_charge(disk, cost)) {
		disk_count(disk, COUNT_REFUSED, 1);
		return false;
	}
	object_publish(object);
	store = disk_store_create(disk, object, key, cost);
	if (!is_whole) {
		disk_feed_follow(disk->feed, store);
		return true;
	}
	item = disk_item_create(ITEM_STORE, 0);
	item->store = store;
	disk_writer_post(disk->writer, item);
	return true;
}

void disk_update_head(struct disk *disk, uint64_t id, struct object *object)
{
	struct disk_item *item;

	if (id == 0 || object->head.len > DISK_MAX_HEAD_BYTES ||
	    !disk_queue_charge(disk, sizeof(*item) + object->head.len))
		return; /* the old head stays: it is renewed again when it is found */
	item = disk_item_create(ITEM_UPDATE, 0);
	item->charged = sizeof(*item) + object->head.len;
	item->id = disk_row(id);
	item->renewal = disk_renewal_begin(disk, item->id, object);
	disk_writer_post(disk->writer, item);
}

unsigned disk_remove_all(struct disk *disk, uint64_t key)
{
	struct disk_doubt *doubt = mem_zalloc(sizeof(*doubt));
	struct disk_item *item;
	bool is_taken;
	unsigned n;

	is_taken = disk_doubt(disk, doubt, key); /* first, so that no store slips in behind */
	n = disk_index_remove_key(disk->index, key);
	if (!is_taken) {
		mem_free(doubt);
		return n;
	}
	if (n == 0 && !atomic_load_explicit(&disk->is_loading, memory_order_acquire) &&
	    atomic_load_explicit(&disk->queued_bytes, memory_order_relaxed) == 0) {
		disk_doubt_end(disk, doubt); /* neither there nor on its way */
		mem_free(doubt);
		return 0;
	}
	item = disk_item_create(ITEM_REMOVE_KEY, 0);
	item->key = key;
	item->doubt = doubt;
	disk_writer_post(disk->writer, item);
	return n;
}

void disk_remove(struct disk *disk, uint64_t key, uint64_t id)
{
	struct disk_item *item;

	if (id == 0)
		return;
	disk_index_remove(disk->index, key, disk_row(id));
	item = disk_item_create(ITEM_REMOVE, 0);
	item->key = key;
	item->id = disk_row(id);
	disk_writer_post(disk->writer, item);
}

static uint64_t reading(struct disk *disk, enum disk_count which)
{
	return atomic_load_explicit(&disk->counts[which], memory_order_relaxed);
}

void disk_stats(struct disk *disk, struct disk_stats *out)
{
	*out = (struct disk_stats){
		.state = disk_state(disk),
		.is_loading = atomic_load_explicit(&disk->is_loading, memory_order_relaxed),
		.objects = disk_index_count(disk->index),
		.used_bytes = reading(disk, COUNT_USED_BYTES),
		.max_bytes = disk->config.max_bytes,
		.policy = disk->config.policy,
		.low_bytes = disk_low_bytes(disk),
		.high_bytes = disk_high_bytes(disk),
		.index_bytes = disk_index_bytes(disk->index),
		.queued_bytes = atomic_load_explicit(&disk->queued_bytes, memory_order_relaxed),
		.lookups = reading(disk, COUNT_LOOKUPS),
		.hits = reading(disk, COUNT_HITS),
		.read_now = reading(disk, COUNT_READ_NOW),
		.stored = reading(disk, COUNT_STORED),
		.stored_bytes = reading(disk, COUNT_STORED_BYTES),
		.refused = reading(disk, COUNT_REFUSED),
		.dropped = reading(disk, COUNT_DROPPED),
		.evicted = reading(disk, COUNT_EVICTED),
		.removed = reading(disk, COUNT_REMOVED),
		.bad_pieces = reading(disk, COUNT_BAD_PIECES),
		.faults = reading(disk, COUNT_FAULTS),
		.recreated = reading(disk, COUNT_RECREATED),
		.commits = reading(disk, COUNT_COMMITS),
		.written_bytes = reading(disk, COUNT_WRITTEN_BYTES),
		.not_admitted = reading(disk, COUNT_NOT_ADMITTED),
		.budget = (enum disk_budget)atomic_load_explicit(&disk->budget,
								 memory_order_relaxed),
	};
}
