/* SPDX-License-Identifier: BSD-2-Clause */
/* What leaves a disk that is full. */
#include "cache/disk/disk_budget.h"
#include "cache/disk/disk_victims.h"
#include "cache/disk/disk_writer_internal.h"

enum {
	AGES = 16,               /* while as much is stored as the cap */
	AT_ONCE_BYTES = 8 << 20, /* a transaction; more than a batch stores */
	STEP_BYTES = 1 << 20,    /* towards the low mark, at least */
	STEP_PART = 8,           /* of what is above it */
};

static int next_victims(struct disk_writer *writer, struct disk_victim *out, unsigned *n)
{
	sqlite3_stmt *stmt = rows_bind(&writer->rows, ROW_SWEEP, writer->hand, DISK_VICTIMS);
	int rc;

	*n = 0;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && *n < DISK_VICTIMS)
		out[(*n)++] = (struct disk_victim){(uint64_t)sqlite3_column_int64(stmt, 0),
					      (uint64_t)sqlite3_column_int64(stmt, 1),
					      (uint64_t)sqlite3_column_int64(stmt, 2),
					      (uint64_t)sqlite3_column_int64(stmt, 3), 0};
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static bool is_in_this_transaction(const struct disk_writer *writer, uint64_t id)
{
	LIST_EACH(node, &writer->done) {
		const struct disk_item *item = CONTAINER(node, struct disk_item, node);

		if (item->store && item->store->id == id)
			return true;
	}
	return false;
}

/* What this transaction stores is not in the index before it is committed: its rows stay. While the
 * index is being read, what it does not know yet is as good as any; later on, that is what somebody
 * changed. */
static bool may_go_unknown(struct disk_writer *writer, uint64_t id)
{
	if (atomic_load_explicit(&writer->disk->is_loading, memory_order_relaxed))
		return id < writer->first_new_id;
	if (is_in_this_transaction(writer, id))
		return false;
	lost_look(writer);
	return true;
}

static int remove_victim(struct disk_writer *writer, const struct disk_victim *victim,
			 uint64_t *freed)
{
	struct disk *disk = writer->disk;
	int rc = writer_remove(writer, victim->key, victim->id);

	if (rc != SQLITE_OK)
		return rc;
	disk_admission_evicted(disk->admission, victim->key, victim->size);
	*freed += victim->size;
	disk_count(disk, COUNT_EVICTED, 1);
	return SQLITE_OK;
}

/* ---- our own policy: the hand spares what was hit since it came by (SIEVE) */

static bool is_due(struct disk_writer *writer, const struct disk_victim *victim)
{
	struct disk *disk = writer->disk;

	if (disk_is_pinned(disk, victim->id))
		return false;
	switch (disk_index_judge(disk->index, victim->key, victim->id)) {
	case DISK_INDEX_SPARED:
		return false;
	case DISK_INDEX_UNKNOWN:
		return may_go_unknown(writer, victim->id);
	default:
		return true;
	}
}

static int take_due(struct disk_writer *writer, struct disk_victim *victims, unsigned n,
		    uint64_t goal, uint64_t *freed)
{
	int rc = SQLITE_OK;

	for (unsigned i = 0; i < n && *freed < goal && rc == SQLITE_OK; i++) {
		writer->hand = victims[i].id;
		if (is_due(writer, &victims[i]))
			rc = remove_victim(writer, &victims[i], freed);
	}
	return rc;
}

/* ---- the others: the lowest of those that the hand has come to */

static bool may_go(struct disk_writer *writer, const struct disk_victim *victim)
{
	struct disk *disk = writer->disk;

	return !disk_is_pinned(disk, victim->id) &&
	       (disk_index_age(disk->index, victim->key, victim->id) >= 0 ||
		may_go_unknown(writer, victim->id));
}

static int take_lowest(struct disk_writer *writer, struct disk_victim *victims, unsigned n,
		       uint64_t goal, uint64_t *freed)
{
	struct disk *disk = writer->disk;
	unsigned nchosen = 0;
	int rc = SQLITE_OK;

	if (n == 0)
		return SQLITE_OK;
	writer->hand = victims[n - 1].id;
	for (unsigned i = 0; i < n; i++)
		if (may_go(writer, &victims[i]))
			victims[nchosen++] = victims[i];
	nchosen = disk_victims_choose(disk->config.policy, disk->index, disk->admission, victims,
				      nchosen);
	for (unsigned i = 0; i < nchosen && *freed < goal && rc == SQLITE_OK; i++)
		rc = remove_victim(writer, &victims[i], freed);
	return rc;
}

/* The hand passes in the order of ids, which is the order of the rows in the file. Returns when
 * some goal bytes are free, or after a few rounds. */
static int pass_hand(struct disk_writer *writer, uint64_t goal)
{
	enum { ROUNDS = 8 }; /* one more than counters go up to */
	bool is_own = writer->disk->config.policy == EVICTION_OWN;
	struct disk_victim victims[DISK_VICTIMS];
	uint64_t freed = 0;
	int rc = SQLITE_OK;

	for (int round = 0; round < ROUNDS && freed < goal && rc == SQLITE_OK;) {
		unsigned n;

		rc = next_victims(writer, victims, &n);
		if (rc != SQLITE_OK)
			return rc;
		if (n == 0) {
			writer->hand = 0;
			round++;
		}
		rc = is_own ? take_due(writer, victims, n, goal, &freed)
			    : take_lowest(writer, victims, n, goal, &freed);
	}
	return rc;
}

static void tell_used(struct disk_writer *writer, uint64_t used)
{
	atomic_store_explicit(&writer->disk->counts[COUNT_USED_BYTES], used, memory_order_relaxed);
}

/* Ages are counted by what was stored, so that they mean the same whatever the load. */
static void grow_older(struct disk_writer *writer)
{
	struct disk *disk = writer->disk;

	if (disk->config.policy != EVICTION_LRU ||
	    writer->aged_bytes < disk->config.max_bytes / AGES)
		return;
	writer->aged_bytes = 0;
	disk_index_grow_older(disk->index);
}

int evict_for_batch(struct disk_writer *writer)
{
	enum { ATTEMPTS = 8 };
	struct disk *disk = writer->disk;
	uint64_t limit = disk_high_bytes(disk), used = 0, first;
	int rc = rows_used_bytes(&writer->rows, &used);

	grow_older(writer);
	first = used;
	for (int i = 0; i < ATTEMPTS && rc == SQLITE_OK; i++) {
		uint64_t goal = used - limit + disk_spare_bytes(disk);

		if (used <= limit || used + AT_ONCE_BYTES <= first)
			break;
		rc = pass_hand(writer, goal < AT_ONCE_BYTES ? goal : AT_ONCE_BYTES);
		if (rc == SQLITE_OK)
			rc = rows_used_bytes(&writer->rows, &used);
	}
	tell_used(writer, used);
	return rc;
}

/* The more is above the mark, the faster (Squid does as well). */
static uint64_t step_bytes(uint64_t excess)
{
	uint64_t step = excess / STEP_PART;

	if (step < STEP_BYTES)
		step = excess < STEP_BYTES ? excess : STEP_BYTES;
	return step < AT_ONCE_BYTES ? step : AT_ONCE_BYTES;
}

void evict_tick(struct disk_writer *writer)
{
	struct disk *disk = writer->disk;
	uint64_t low = disk_low_bytes(disk);
	uint64_t used = atomic_load_explicit(&disk->counts[COUNT_USED_BYTES], memory_order_relaxed);
	int rc;

	if (used <= low || disk_is_spent(disk) || !writer_may_write(writer) ||
	    upkeep_log_is_full(writer))
		return;
	rc = rows_used_bytes(&writer->rows, &used);
	tell_used(writer, used); /* purges do not */
	if (rc == SQLITE_OK && used <= low)
		return;
	if (rc == SQLITE_OK)
		rc = rows_begin(&writer->rows);
	if (rc == SQLITE_OK)
		rc = pass_hand(writer, step_bytes(used - low));
	if (rc == SQLITE_OK && writer->nremovals == 0) {
		rows_rollback(&writer->rows); /* what is left is the tables' own */
		return;
	}
	if (rc == SQLITE_OK)
		rc = rows_used_bytes(&writer->rows, &used);
	if (rc == SQLITE_OK)
		rc = budget_save(writer);
	if (rc == SQLITE_OK)
		rc = rows_commit(&writer->rows);
	writer_settle_removals(writer, rc == SQLITE_OK);
	if (rc != SQLITE_OK) {
		writer_fault(writer, rc);
		return;
	}
	tell_used(writer, used);
	disk_count(disk, COUNT_COMMITS, 1);
	writer_is_well(writer);
	upkeep_after_commit(writer);
}
