/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

enum {
	GATHER_BYTES = 120 << 10, /* less than malloc would map anew each time */
	FRAME_HEADER = 24,        /* of the log; its second word is not 0 in a transaction's last */
	SHM_WRITE_LOCK = 0,
};

struct gather_file {
	sqlite3_file base; /* first: SQLite's view of it */
	sqlite3_file *below;
	struct gather_file *log;      /* of a database; NULL: not open */
	struct gather_file *database; /* of a log; NULL: nothing is gathered */
	bool is_last_frame;  /* the page that comes next ends the transaction */
	sqlite3_int64 at;    /* where the gathered bytes begin */
	sqlite3_int64 end;   /* behind what was last written or gathered */
	int len;             /* of the gathered bytes */
	int failure;         /* SQLITE_OK, or what all else comes to until the lock is let go of */
	char *bytes;         /* GATHER_BYTES; NULL: none yet */
};

static struct gather_file *gather_of(sqlite3_file *file)
{
	return (struct gather_file *)file;
}

/* ---- gathering */

static void drop(struct gather_file *file)
{
	mem_free(file->bytes);
	file->bytes = NULL;
	file->len = 0;
	file->failure = SQLITE_OK;
}

static int write_out(struct gather_file *file)
{
	sqlite3_file *below = file->below;

	if (file->len > 0 && file->failure == SQLITE_OK)
		file->failure = below->pMethods->xWrite(below, file->bytes, file->len, file->at);
	file->len = 0;
	return file->failure;
}

/* All of it, and no memory is held. */
static int flush(struct gather_file *file)
{
	int rc = write_out(file);

	mem_free(file->bytes);
	file->bytes = NULL;
	return rc;
}

static int append(struct gather_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	int rc = SQLITE_OK;

	if (file->len + len > GATHER_BYTES)
		rc = write_out(file);
	if (rc != SQLITE_OK)
		return rc;
	if (!file->bytes)
		file->bytes = mem_alloc(GATHER_BYTES);
	if (file->len == 0)
		file->at = at;
	memcpy(file->bytes + file->len, bytes, (size_t)len);
	file->len += len;
	return SQLITE_OK;
}

static int write_through(struct gather_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	int rc = write_out(file);

	if (rc == SQLITE_OK)
		rc = file->below->pMethods->xWrite(file->below, bytes, len, at);
	return rc;
}

/* Frames that are appended. What is written over (a page changed again after it was spilled, then
 * the headers from there on) goes to its place at once. */
static int write_log(struct gather_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	bool ends = file->is_last_frame && len != FRAME_HEADER;
	int rc;

	file->is_last_frame = false;
	if (len == FRAME_HEADER) {
		const unsigned char *size = (const unsigned char *)bytes + 4;

		file->is_last_frame = size[0] | size[1] | size[2] | size[3];
	}
	rc = at == file->end && len <= GATHER_BYTES ? append(file, bytes, len, at)
						    : write_through(file, bytes, len, at);
	file->end = at + len;
	if (rc == SQLITE_OK && ends)
		rc = flush(file);
	return rc;
}

/* ---- SQLite's methods */

static int gather_close(sqlite3_file *sqlite_file)
{
	struct gather_file *file = gather_of(sqlite_file);
	int rc;

	drop(file); /* what counts has been written */
	if (file->database)
		file->database->log = NULL;
	if (file->log)
		file->log->database = NULL;
	rc = file->below->pMethods->xClose(file->below);
	mem_free(file->below);
	file->below = NULL;
	return rc;
}

static int gather_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at)
{
	sqlite3_file *below = gather_of(file)->below;
	int rc = write_out(gather_of(file));

	return rc == SQLITE_OK ? below->pMethods->xRead(below, to, len, at) : rc;
}

static int gather_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	if (gather_of(file)->database)
		return write_log(gather_of(file), bytes, len, at);
	return write_through(gather_of(file), bytes, len, at);
}

static int gather_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	sqlite3_file *below = gather_of(file)->below;
	int rc = flush(gather_of(file));

	return rc == SQLITE_OK ? below->pMethods->xTruncate(below, size) : rc;
}

static int gather_sync(sqlite3_file *file, int flags)
{
	sqlite3_file *below = gather_of(file)->below;
	int rc = flush(gather_of(file));

	return rc == SQLITE_OK ? below->pMethods->xSync(below, flags) : rc;
}

static int gather_size(sqlite3_file *file, sqlite3_int64 *size)
{
	sqlite3_file *below = gather_of(file)->below;
	int rc = write_out(gather_of(file));

	return rc == SQLITE_OK ? below->pMethods->xFileSize(below, size) : rc;
}

static int gather_lock(sqlite3_file *file, int level)
{
	sqlite3_file *below = gather_of(file)->below;

	return below->pMethods->xLock(below, level);
}

static int gather_unlock(sqlite3_file *file, int level)
{
	sqlite3_file *below = gather_of(file)->below;

	return below->pMethods->xUnlock(below, level);
}

static int gather_check_reserved(sqlite3_file *file, int *out)
{
	sqlite3_file *below = gather_of(file)->below;

	return below->pMethods->xCheckReservedLock(below, out);
}

static int gather_control(sqlite3_file *file, int op, void *arg)
{
	sqlite3_file *below = gather_of(file)->below;

	return below->pMethods->xFileControl(below, op, arg);
}

static int gather_sector(sqlite3_file *file)
{
	sqlite3_file *below = gather_of(file)->below;

	return below->pMethods->xSectorSize(below);
}

static int gather_characteristics(sqlite3_file *file)
{
	sqlite3_file *below = gather_of(file)->below;

	return below->pMethods->xDeviceCharacteristics(below);
}

static int gather_shm_map(sqlite3_file *file, int region, int len, int extend, void volatile **out)
{
	sqlite3_file *below = gather_of(file)->below;

	return below->pMethods->xShmMap(below, region, len, extend, out);
}

static int gather_shm_lock(sqlite3_file *sqlite_file, int first, int n, int flags)
{
	struct gather_file *file = gather_of(sqlite_file);

	if (flags & SQLITE_SHM_UNLOCK && flags & SQLITE_SHM_EXCLUSIVE && first == SHM_WRITE_LOCK &&
	    file->log)
		drop(file->log);
	return file->below->pMethods->xShmLock(file->below, first, n, flags);
}

static void gather_shm_barrier(sqlite3_file *file)
{
	sqlite3_file *below = gather_of(file)->below;

	below->pMethods->xShmBarrier(below);
}

static int gather_shm_unmap(sqlite3_file *file, int is_deleted)
{
	sqlite3_file *below = gather_of(file)->below;

	return below->pMethods->xShmUnmap(below, is_deleted);
}

/* Version 2: without memory maps of the file, which nobody asks for here. */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = gather_close,
	.xRead = gather_read,
	.xWrite = gather_write,
	.xTruncate = gather_truncate,
	.xSync = gather_sync,
	.xFileSize = gather_size,
	.xLock = gather_lock,
	.xUnlock = gather_unlock,
	.xCheckReservedLock = gather_check_reserved,
	.xFileControl = gather_control,
	.xSectorSize = gather_sector,
	.xDeviceCharacteristics = gather_characteristics,
	.xShmMap = gather_shm_map,
	.xShmLock = gather_shm_lock,
	.xShmBarrier = gather_shm_barrier,
	.xShmUnmap = gather_shm_unmap,
};

/* ---- the VFS */

/* A log and its database know each other; one that the library does not name is not gathered. */
static void pair(struct gather_file *log, const char *name)
{
	sqlite3_file *database = sqlite3_database_file_object(name);

	if (!database || database->pMethods != &methods)
		return;
	log->database = gather_of(database);
	log->database->log = log;
}

static int gather_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *sqlite_file, int flags,
		       int *out_flags)
{
	struct gather_file *file = gather_of(sqlite_file);
	sqlite3_vfs *below = sqlite3_vfs_find(NULL);
	int rc;

	(void)vfs;
	*file = (struct gather_file){.end = -1, .below = mem_zalloc((size_t)below->szOsFile)};
	rc = below->xOpen(below, name, file->below, flags, out_flags);
	if (rc == SQLITE_OK && file->below->pMethods->iVersion >= methods.iVersion) {
		if (flags & SQLITE_OPEN_WAL)
			pair(file, name);
		file->base.pMethods = &methods;
		return SQLITE_OK;
	}
	if (file->below->pMethods)
		file->below->pMethods->xClose(file->below);
	mem_free(file->below);
	return rc == SQLITE_OK ? SQLITE_CANTOPEN : rc;
}

static void set_up(void)
{
	static sqlite3_vfs gather;
	sqlite3_vfs *below = sqlite3_vfs_find(NULL);

	check(below);
	gather = *below; /* all but files is its */
	gather.szOsFile = sizeof(struct gather_file);
	gather.zName = DISK_VFS_NAME;
	gather.pNext = NULL;
	gather.xOpen = gather_open;
	check(sqlite3_vfs_register(&gather, 0) == SQLITE_OK);
}

void disk_vfs_setup_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_up);
}
