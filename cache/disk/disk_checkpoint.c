/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_checkpoint.h"

#include <sys/stat.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/loop_thread.h"

/* The writer's, but for what is said; question and answer hand the rest over. */
struct disk_checkpoint {
	struct disk *disk;
	struct loop *writer_loop;
	disk_checkpoint_done *done;
	void *owner;
	bool is_under_way, is_stopped;
	struct loop *loop; /* the thread's */
	pthread_t thread;
	struct mail question, answer, stop;
	int code, ndone;
	unsigned generation;
	uint64_t inode;
	sqlite3 *db; /* the thread's; NULL: not open */
	unsigned db_generation;
};

static void close_db(struct disk_checkpoint *checkpoint)
{
	sqlite3_close(checkpoint->db);
	checkpoint->db = NULL;
}

/* Is the file there the one that is meant? */
static bool is_there(const struct disk_checkpoint *checkpoint)
{
	struct stat st;

	return stat(checkpoint->disk->path, &st) == 0 && (uint64_t)st.st_ino == checkpoint->inode;
}

/* Is what was opened that one? The log beside it would be written into any other. */
static bool is_meant(const struct disk_checkpoint *checkpoint)
{
	int has_moved = 1;

	sqlite3_file_control(checkpoint->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved);
	return !has_moved && is_there(checkpoint);
}

static int open_db(struct disk_checkpoint *checkpoint)
{
	int rc;

	if (checkpoint->db && checkpoint->db_generation == checkpoint->generation)
		return SQLITE_OK;
	close_db(checkpoint);
	/* To open another would begin -shm anew, from which the writer and the readers have theirs
	 * mapped: locks do not keep out who is in the same process. So no statement before both
	 * looks. */
	if (!is_there(checkpoint))
		return SQLITE_BUSY;
	rc = schema_open(checkpoint->disk->path, SQLITE_OPEN_READWRITE, NULL, &checkpoint->db,
	                 NULL);
	if (rc != SQLITE_OK)
		return rc;
	checkpoint->db_generation = checkpoint->generation;
	sqlite3_db_config(checkpoint->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	schema_keep_log(checkpoint->db, true);
	rc = is_meant(checkpoint) ? SQLITE_OK : SQLITE_BUSY; /* the writer sees to that */
	/* Only what has been read is known to have a log: a checkpoint would do nothing. */
	if (rc == SQLITE_OK)
		rc = schema_run(checkpoint->db, "PRAGMA schema_version");
	if (rc != SQLITE_OK)
		close_db(checkpoint);
	return rc;
}

static void deliver_question(struct mail *mail)
{
	struct disk_checkpoint *checkpoint = CONTAINER(mail, struct disk_checkpoint, question);

	checkpoint->ndone = 0;
	checkpoint->code = open_db(checkpoint);
	if (checkpoint->code == SQLITE_OK)
		checkpoint->code = sqlite3_wal_checkpoint_v2(checkpoint->db, NULL,
							     SQLITE_CHECKPOINT_PASSIVE, NULL,
							     &checkpoint->ndone);
	loop_post(checkpoint->writer_loop, &checkpoint->answer);
}

static void deliver_answer(struct mail *mail)
{
	struct disk_checkpoint *checkpoint = CONTAINER(mail, struct disk_checkpoint, answer);

	checkpoint->is_under_way = false;
	if (!checkpoint->is_stopped)
		checkpoint->done(checkpoint->owner, checkpoint->code, checkpoint->ndone,
				 checkpoint->generation);
}

void disk_checkpoint_ask(struct disk_checkpoint *checkpoint, uint64_t inode)
{
	check(!checkpoint->is_under_way);
	checkpoint->is_under_way = true;
	checkpoint->inode = inode;
	checkpoint->generation =
		atomic_load_explicit(&checkpoint->disk->generation, memory_order_relaxed);
	loop_post(checkpoint->loop, &checkpoint->question);
}

bool disk_checkpoint_is_under_way(const struct disk_checkpoint *checkpoint)
{
	return checkpoint->is_under_way;
}

struct order {
	struct mail mail;
	struct disk_checkpoint *checkpoint;
};

static void deliver_forget(struct mail *mail)
{
	struct order *order = CONTAINER(mail, struct order, mail);

	close_db(order->checkpoint);
	mem_free(order);
}

void disk_checkpoint_forget(struct disk_checkpoint *checkpoint)
{
	struct order *order;

	if (!checkpoint || checkpoint->is_stopped)
		return;
	order = mem_zalloc(sizeof(*order));
	order->checkpoint = checkpoint;
	order->mail.deliver = deliver_forget;
	loop_post(checkpoint->loop, &order->mail);
}

static void deliver_stop(struct mail *mail)
{
	struct disk_checkpoint *checkpoint = CONTAINER(mail, struct disk_checkpoint, stop);

	close_db(checkpoint);
	loop_stop(checkpoint->loop);
}

enum err disk_checkpoint_start(struct disk *disk, struct loop *loop, disk_checkpoint_done *done,
			       void *owner, struct disk_checkpoint **out, struct err_text *why)
{
	enum { READ_BYTES = 4096 }; /* the loop wants a buffer; nothing is read here */
	struct disk_checkpoint *checkpoint = mem_zalloc(sizeof(*checkpoint));

	checkpoint->disk = disk;
	checkpoint->writer_loop = loop;
	checkpoint->done = done;
	checkpoint->owner = owner;
	checkpoint->question.deliver = deliver_question;
	checkpoint->answer.deliver = deliver_answer;
	checkpoint->stop.deliver = deliver_stop;
	checkpoint->loop = loop_create(READ_BYTES, why);
	if (!checkpoint->loop ||
	    !loop_thread_start(&checkpoint->thread, "disk-log", checkpoint->loop, why)) {
		loop_destroy(checkpoint->loop);
		mem_free(checkpoint);
		return ERR_DISK;
	}
	*out = checkpoint;
	return ERR_OK;
}

void disk_checkpoint_stop(struct disk_checkpoint *checkpoint)
{
	if (!checkpoint || checkpoint->is_stopped)
		return;
	checkpoint->is_stopped = true;
	loop_post(checkpoint->loop, &checkpoint->stop);
	pthread_join(checkpoint->thread, NULL);
}

void disk_checkpoint_destroy(struct disk_checkpoint *checkpoint)
{
	if (!checkpoint)
		return;
	disk_checkpoint_stop(checkpoint);
	loop_destroy(checkpoint->loop);
	mem_free(checkpoint);
}
