/* SPDX-License-Identifier: BSD-2-Clause */
/* The directory of a disk, its lock, and its file: made, held, set aside. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cache/disk/disk_internal.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/base/random.h"

static void delete_beside(const char *path, const char *suffix)
{
	char *beside = mem_printf("%s%s", path, suffix);

	unlink(beside);
	mem_free(beside);
}

void disk_set_aside(const char *path)
{
	char *aside = mem_printf("%s.damaged", path);
	struct statvfs fs;
	struct stat st;

	if (rename(path, aside) != 0)
		unlink(path);
	/* It is kept for who wants to look, but not when the new one needs its room. */
	else if (stat(aside, &st) == 0 && statvfs(aside, &fs) == 0 &&
		 (uint64_t)fs.f_bavail * fs.f_frsize < (uint64_t)st.st_size)
		unlink(aside);
	delete_beside(path, "-wal");
	delete_beside(path, "-shm");
	mem_free(aside);
}

static uint64_t max_file_bytes(uint64_t max_bytes)
{
	enum { SPARE_BYTES = 16 << 20 };

	return max_bytes + max_bytes / 20 + SPARE_BYTES;
}

enum err disk_open_database(const char *path, uint64_t max_bytes, uint64_t seed, sqlite3 **db,
			    struct err_text *why)
{
	struct err_text reason = {""};
	sqlite3 *opened = NULL;
	enum schema_state state =
		schema_open_writer(path, max_file_bytes(max_bytes), &opened, &reason);
	int rc;

	if (state == SCHEMA_DAMAGED) {
		log_say(1, "Disk cache %s is damaged (%s): setting it aside, starting an empty one",
		        path, reason.at);
		disk_set_aside(path);
		state = schema_open_writer(path, max_file_bytes(max_bytes), &opened, &reason);
	}
	if (state == SCHEMA_EMPTY) {
		rc = schema_create(opened, seed ? seed : random_u64() | 1);
		if (rc != SQLITE_OK) {
			err_say(why, "cannot make the tables of %s: %s", path,
				sqlite3_errmsg(opened));
			sqlite3_close(opened);
			return ERR_DISK;
		}
	} else if (state != SCHEMA_OURS) {
		err_say(why, "%s", reason.at);
		return state == SCHEMA_FOREIGN || state == SCHEMA_NEWER ? ERR_INPUT : ERR_DISK;
	}
	*db = opened;
	return ERR_OK;
}

/* SQLite's shared memory and locks do not work there. */
static bool is_network(const struct statfs *fs)
{
	static const uint32_t types[] = {
		NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, 0xff534d42 /* CIFS */, 0xfe534d42 /* SMB 2 */,
		V9FS_MAGIC, AFS_SUPER_MAGIC, AFS_FS_MAGIC, CODA_SUPER_MAGIC, 0x00c36400 /* Ceph */,
		0x0bd00bd0 /* Lustre */, 0x01161970 /* GFS2 */, 0x7461636f /* OCFS2 */,
	};

	for (size_t i = 0; i < COUNT(types); i++)
		if ((uint32_t)fs->f_type == types[i])
			return true;
	return false;
}

static enum err make_directory(const char *path, struct err_text *why)
{
	struct statfs fs;

	if (mkdir(path, 0750) != 0 && errno != EEXIST) {
		err_say(why, "cannot make the directory %s: %s", path, strerror(errno));
		return ERR_DISK;
	}
	if (statfs(path, &fs) != 0) {
		err_say(why, "cannot use the directory %s: %s", path, strerror(errno));
		return ERR_DISK;
	}
	if (is_network(&fs)) {
		err_say(why, "%s lies on a network file system", path);
		return ERR_INPUT;
	}
	return ERR_OK;
}

/* Somebody may have deleted the file that our lock is on: then it keeps nobody out. */
static bool is_locked(const struct disk *disk, const char *path)
{
	struct stat held, there;

	return disk->lock_fd >= 0 && fstat(disk->lock_fd, &held) == 0 && stat(path, &there) == 0 &&
	       held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

void disk_drop_lock(struct disk *disk)
{
	if (disk->lock_fd >= 0)
		close(disk->lock_fd);
	disk->lock_fd = -1;
}

static enum err take_lock(struct disk *disk, struct err_text *why)
{
	char *path = mem_printf("%s.lock", disk->path);
	enum err err = ERR_OK;

	if (is_locked(disk, path)) {
		mem_free(path);
		return ERR_OK;
	}
	disk_drop_lock(disk);
	disk->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (disk->lock_fd < 0) {
		err_say(why, "cannot open %s: %s", path, strerror(errno));
		err = ERR_DISK;
	} else if (flock(disk->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		err_say(why, "%s is in use by another process", disk->path);
		disk_drop_lock(disk);
		err = ERR_BUSY;
	}
	mem_free(path);
	return err;
}

enum err disk_hold_directory(struct disk *disk, struct err_text *why)
{
	enum err err = make_directory(disk->directory, why);

	return err == ERR_OK ? take_lock(disk, why) : err;
}
