/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the database's file is still there, whole, and the one that the writer has open. */
#include "cache/disk/disk_writer_internal.h"

#include <endian.h>
#include <sys/stat.h>

#include "lib/base/heap.h"
#include "lib/base/log.h"

enum {
	LOOK_MS = 1000,
	HEADER_NPAGES_AT = 28, /* big-endian; sqlite.org/fileformat2.html 1.3.8 */
};

uint64_t upkeep_inode(struct disk_writer *writer, const char *suffix)
{
	char *path = mem_printf("%s%s", writer->disk->path, suffix);
	struct stat st;
	uint64_t inode = stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;

	mem_free(path);
	return inode;
}

bool upkeep_file_has_moved(struct disk_writer *writer)
{
	int has_moved = 0;

	if (writer->rows.db)
		sqlite3_file_control(writer->rows.db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved);
	if (has_moved)
		log_say(1, "Disk cache %s was moved or deleted: opening what is there now",
			writer->disk->path);
	return has_moved;
}

/* Is the file shorter than its own header says, and than it was? (Both: while its log is written
 * back, the header is ahead of the file, which then only grows.) */
static bool was_cut(struct disk_writer *writer)
{
	sqlite3_file *file = NULL;
	sqlite3_int64 size, before = writer->file_size;
	uint32_t npages;

	sqlite3_file_control(writer->rows.db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (!file || !file->pMethods || file->pMethods->xFileSize(file, &size) != SQLITE_OK)
		return false;
	writer->file_size = size;
	if (size >= before)
		return false;
	return file->pMethods->xRead(file, &npages, sizeof(npages), HEADER_NPAGES_AT) !=
	               SQLITE_OK ||
	       (int64_t)be32toh(npages) * SCHEMA_PAGE_BYTES > size;
}

void upkeep_look_for_file(struct disk_writer *writer)
{
	uint64_t inode;

	if (loop_now_ms(writer->loop) - writer->looked_ms < LOOK_MS)
		return;
	writer->looked_ms = loop_now_ms(writer->loop);
	if (upkeep_file_has_moved(writer)) {
		writer_reopen(writer);
		return;
	}
	if (was_cut(writer)) {
		writer_replace(writer, "it was cut short");
		return;
	}
	inode = upkeep_inode(writer, "-wal");
	if (writer->wal_inode != 0 && inode != writer->wal_inode) {
		writer_replace(writer, "its -wal file was removed");
		return;
	}
	writer->wal_inode = inode;
	writer->shm_inode = upkeep_inode(writer, "-shm");
}
