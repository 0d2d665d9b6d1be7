/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_writer_internal.h: the writer's own parts: batches (disk_writer.c), items
 * (disk_items.c), faults (disk_fault.c), eviction (disk_evict.c, disk_lost.c) and upkeep
 * (disk_upkeep.c). All of it is one thread's. */
#ifndef CACHE_DISK_WRITER_INTERNAL_H
#define CACHE_DISK_WRITER_INTERNAL_H
#include "cache/disk/disk_checkpoint.h"
#include "cache/disk/disk_rows.h"
#include "cache/disk/disk_writer.h"

enum {
	BATCH_BYTES = 2 << 20,
	BATCH_OBJECTS = 64,
	BATCH_READY_BYTES = 1 << 20, /* do not wait any longer */
	TICK_MS = 200,
	QUICK_TICK_MS = 20, /* while another process has the file, mostly for a moment: */
	MAX_QUICK = 250,    /* so often */
	NRECREATIONS = 3, /* within ten minutes, then the tier rests */
};

struct disk_ids {
	uint64_t *at;
	size_t n, cap;
};

/* What the transaction under way removes. */
struct disk_removal {
	uint64_t key, id;
	bool was_indexed, is_pinned;
};

struct disk_writer {
	struct disk *disk;
	struct loop *loop;
	pthread_t thread;
	bool is_started, is_stopping;
	bool is_done; /* nothing will be written any more */
	struct disk_rows rows; /* db NULL: closed */

	/* the queue and the transaction under way */
	struct list queue, done; /* struct disk_item */
	struct list stores;      /* struct disk_store: those that come in pieces */
	unsigned nqueued;
	uint64_t queue_bytes;
	uint64_t peak_bytes; /* the most that was waiting, here or on its way, since memory was given back */
	struct loop_task batch_task;
	struct timer batch_timer;
	uint64_t batch_bytes;
	unsigned batch_objects;
	uint64_t next_id, id_limit, id_limit_committed; /* of ids handed out, and what `meta` says */
	struct disk_removal *removals;
	size_t nremovals, removals_cap;

	/* upkeep */
	struct timer tick;
	unsigned nquick; /* quick ones */
	struct loop_task load_task;
	uint64_t load_at;
	uint64_t hand; /* the eviction hand: the last id seen */
	uint64_t aged_bytes; /* stored since the index grew older */
	bool looks_for_lost; /* disk_lost.c: */
	unsigned lost_step;
	int64_t lost_at; /* the last id seen */
	uint64_t nlost;
	uint64_t first_new_id; /* of what was stored since the file was opened */
	int64_t data_version;
	int64_t schema_version; /* when the file was opened */
	uint64_t purge_seen; /* last row of `purge` that memory knows of */
	bool has_purge_rows;
	struct list purges; /* struct disk_purge, one at a time */
	struct loop_task purge_task;
	struct disk_ids doomed; /* whose pieces are to go */
	int wal_pages;          /* after the last commit; 0: all of it is in the database */
	int wal_done;           /* of them, what the database has */
	struct disk_checkpoint *checkpoint;
	int64_t file_size;
	uint64_t inode, wal_inode, shm_inode; /* of cache.db and what lies beside it; 0: not seen yet */
	int64_t active_ms, flushed_ms, looked_ms;

	uint64_t budget_day, spent_bytes; /* cache/disk/disk_budget.h */

	/* faults */
	int64_t retry_ms, busy_since_ms; /* 0: not set */
	int64_t pause_ms, failed_ms;     /* the last wait before a retry, and when that was */
	int64_t recreated_ms[NRECREATIONS];

	char piece[DISK_PIECE_BYTES];
};

/* ---- disk_items.c: one item at a time */
/* Does an item's work in the open transaction. *more: it is not done, and the batch is full. */
int item_run(struct disk_writer *writer, struct disk_item *item, bool *more);
/* After the transaction: its effect in memory if committed; frees the item. */
void item_settle(struct disk_writer *writer, struct disk_item *item, bool committed);
/* May it be tried in another transaction? */
bool item_is_lasting(const struct disk_item *item);
/* The row goes now; its pieces when nobody reads them any more. */
int writer_remove(struct disk_writer *writer, uint64_t key, uint64_t id);
/* After the transaction: what it removed and did not commit is found again. */
void writer_settle_removals(struct disk_writer *writer, bool committed);
void store_fail(struct disk_writer *writer, struct disk_store *store);

/* ---- disk_writer.c */
/* Gives up what waits in the queue, but for removals, so that it holds no memory. */
void writer_drop_stores(struct disk_writer *writer);

/* ---- disk_fault.c */
/* Does the code say that the file is no good, whatever the device? */
bool writer_is_damage(int code);
/* Ends the transaction and does what the code asks for: wait, pause, go without, start anew. */
void writer_fault(struct disk_writer *writer, int code);
/* The file works: storing goes on. */
void writer_is_well(struct disk_writer *writer);
/* Opens the file again after it moved, or when its rest is over. */
void writer_reopen(struct disk_writer *writer);
/* False: no transaction now. */
bool writer_may_write(struct disk_writer *writer);
/* Nothing will be written any more. */
void writer_leave(struct disk_writer *writer, const char *reason);
void writer_pause(struct disk_writer *writer, const char *reason, int64_t retry_in_ms);
/* Sets the file aside and makes an empty one. */
void writer_replace(struct disk_writer *writer, const char *reason);
/* Reads from a file just opened what the writer must know. An SQLite code. */
int writer_adopt(struct disk_writer *writer, sqlite3 *db);
/* Makes its keys those of our seed. An SQLite code. */
int writer_take_seed(struct disk_writer *writer, sqlite3 *db);

/* ---- disk_purge.c */
void purge_slice(struct disk_writer *writer); /* goes on with the first on the list */
void purge_cut_all(struct disk_writer *writer);

/* ---- disk_lost.c: rows that contradict each other, since somebody took the triggers away and
 * typed */
/* One was met: all of the file is gone through, a slice a tick. */
void lost_look(struct disk_writer *writer);
/* Another program has committed: if it changed the schema, too (the triggers?), the same, from the
 * start. */
void lost_doubt(struct disk_writer *writer);
void lost_tick(struct disk_writer *writer);

/* ---- disk_evict.c */
/* Makes room for what the open transaction stores, below the high mark. An SQLite code. */
int evict_for_batch(struct disk_writer *writer);
/* Goes a step towards the low mark, in a transaction of its own. */
void evict_tick(struct disk_writer *writer);

/* ---- disk_upkeep.c */
void upkeep_start(struct disk_writer *writer); /* a file was opened: loads the index, sweeps */
void upkeep_tick(struct disk_writer *writer);
void upkeep_load(struct disk_writer *writer);
void upkeep_flush_hits(struct disk_writer *writer);
/* Another file stands under the name, or none. Says so in the log. */
bool upkeep_file_has_moved(struct disk_writer *writer);
/* Once a second: opens what is there now, or starts anew where the file or its log was damaged. */
void upkeep_look_for_file(struct disk_writer *writer);
/* The inode of cache.db with suffix behind its name; 0: there is none. */
uint64_t upkeep_inode(struct disk_writer *writer, const char *suffix);
void upkeep_after_commit(struct disk_writer *writer);
/* struct disk_writer: a disk_checkpoint_done. */
void upkeep_after_checkpoint(void *owner, int code, int ndone, unsigned generation);
/* Is the log so long that it has to be written back first? */
bool upkeep_log_is_full(struct disk_writer *writer);
void writer_doom(struct disk_writer *writer, uint64_t id);

#endif
