/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/cut_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { SECTOR = 512, MAX_FILES = 8 };

struct change {
	struct change *next;
	int64_t at;
	size_t len;
	char *bytes; /* NULL: the file is cut to `at` bytes */
};

/* What the device has of a file for certain, and what it was given since. */
struct shadow {
	char *path;
	char *bytes;
	size_t len;
	struct change *first, **end;
	size_t nchanges;
};

struct cut_file {
	sqlite3_file base;
	struct shadow *shadow; /* NULL: not watched */
	sqlite3_file *real;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct shadow shadows[MAX_FILES];
static size_t nshadows;
static const char *watched;
static bool is_lying;
static sqlite3_vfs vfs, *below;

/* ---- what the device has */

static void apply(struct shadow *shadow, const struct change *change, size_t from, size_t len)
{
	size_t end = (size_t)change->at + from + len;

	if (!change->bytes) {
		shadow->len = (size_t)change->at < shadow->len ? (size_t)change->at : shadow->len;
		return;
	}
	if (end > shadow->len) {
		shadow->bytes = mem_realloc(shadow->bytes, end);
		memset(shadow->bytes + shadow->len, 0, end - shadow->len);
		shadow->len = end;
	}
	memcpy(shadow->bytes + change->at + from, change->bytes + from, len);
}

static void forget_changes(struct shadow *shadow)
{
	struct change *change, *next;

	for (change = shadow->first; change; change = next) {
		next = change->next;
		mem_free(change->bytes);
		mem_free(change);
	}
	shadow->first = NULL;
	shadow->end = &shadow->first;
	shadow->nchanges = 0;
}

static void note(struct shadow *shadow, int64_t at, const void *bytes, size_t len)
{
	struct change *change = mem_zalloc(sizeof(*change));

	change->at = at;
	change->len = len;
	if (bytes) {
		change->bytes = mem_alloc(len + 1);
		memcpy(change->bytes, bytes, len);
	}
	*shadow->end = change;
	shadow->end = &change->next;
	shadow->nchanges++;
}

static void settle(struct shadow *shadow)
{
	for (struct change *change = shadow->first; change; change = change->next)
		apply(shadow, change, 0, change->len);
	forget_changes(shadow);
}

static void read_whole(struct shadow *shadow)
{
	FILE *file = fopen(shadow->path, "rb");
	long len = 0;

	if (file && fseek(file, 0, SEEK_END) == 0)
		len = ftell(file);
	shadow->bytes = mem_alloc((size_t)len + 1);
	shadow->len = (size_t)len;
	if (file) {
		rewind(file);
		check(fread(shadow->bytes, 1, shadow->len, file) == shadow->len);
		fclose(file);
	}
}

/* By its path; before the file is opened, lest closing it here drop SQLite's locks. */
static struct shadow *find_shadow(const char *path, bool is_new)
{
	struct shadow *shadow;

	for (size_t i = 0; i < nshadows; i++)
		if (strcmp(shadows[i].path, path) == 0)
			return &shadows[i];
	if (!is_new)
		return NULL;
	check(nshadows < MAX_FILES);
	shadow = &shadows[nshadows++];
	shadow->path = mem_strdup(path);
	shadow->end = &shadow->first;
	read_whole(shadow);
	return shadow;
}

/* ---- the cut */

void cut_vfs_lock(void)
{
	pthread_mutex_lock(&mutex);
}

void cut_vfs_unlock(void)
{
	pthread_mutex_unlock(&mutex);
}

static void leave_change(struct shadow *image, const struct change *change)
{
	enum { KEPT, LOST, TORN };
	int fate = rand() % 3;

	if (fate == LOST)
		return;
	if (fate == KEPT || !change->bytes) {
		apply(image, change, 0, change->len);
		return;
	}
	for (size_t at = 0; at < change->len; at += SECTOR)
		if (rand() % 2)
			apply(image, change, at,
			      change->len - at < SECTOR ? change->len - at : SECTOR);
}

static void shuffle(const struct change **changes, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)rand() % i;
		const struct change *other = changes[j];

		changes[j] = changes[i - 1];
		changes[i - 1] = other;
	}
}

void cut_vfs_leave(const char *suffix, const char *path)
{
	char *name = mem_printf("%s%s", watched, suffix);
	struct shadow *shadow = find_shadow(name, false);
	struct shadow image = {0};
	const struct change **changes;
	size_t n = 0;
	FILE *file = fopen(path, "wb");

	check(file);
	mem_free(name);
	if (shadow) {
		image.bytes = mem_alloc(shadow->len + 1);
		image.len = shadow->len;
		memcpy(image.bytes, shadow->bytes, shadow->len);
		changes = mem_alloc((shadow->nchanges + 1) * sizeof(*changes));
		for (struct change *change = shadow->first; change; change = change->next)
			changes[n++] = change;
		if (rand() % 2)
			shuffle(changes, n);
		for (size_t i = 0; i < n; i++)
			leave_change(&image, changes[i]);
		check(fwrite(image.bytes, 1, image.len, file) == image.len);
		mem_free(changes);
		mem_free(image.bytes);
	}
	fclose(file);
}

/* ---- SQLite's files */

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct cut_file *)file)->real;
}

static int cut_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int cut_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xRead(real_of(file), bytes, len, at);
}

static int cut_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	struct shadow *shadow = ((struct cut_file *)file)->shadow;
	int rc;

	if (!shadow)
		return real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at);
	cut_vfs_lock();
	rc = real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at);
	if (rc == SQLITE_OK)
		note(shadow, at, bytes, (size_t)len);
	cut_vfs_unlock();
	return rc;
}

static int cut_truncate(sqlite3_file *file, sqlite3_int64 len)
{
	struct shadow *shadow = ((struct cut_file *)file)->shadow;
	int rc;

	if (!shadow)
		return real_of(file)->pMethods->xTruncate(real_of(file), len);
	cut_vfs_lock();
	rc = real_of(file)->pMethods->xTruncate(real_of(file), len);
	if (rc == SQLITE_OK)
		note(shadow, len, NULL, 0);
	cut_vfs_unlock();
	return rc;
}

/* The device is not asked: what is left of its files is never read after a real cut. */
static int cut_sync(sqlite3_file *file, int flags)
{
	struct shadow *shadow = ((struct cut_file *)file)->shadow;

	(void)flags;
	if (!shadow)
		return SQLITE_OK;
	cut_vfs_lock();
	if (!is_lying)
		settle(shadow);
	cut_vfs_unlock();
	return SQLITE_OK;
}

static int cut_size(sqlite3_file *file, sqlite3_int64 *out)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), out);
}

static int cut_lock(sqlite3_file *file, int how)
{
	return real_of(file)->pMethods->xLock(real_of(file), how);
}

static int cut_unlock(sqlite3_file *file, int how)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), how);
}

static int cut_check_lock(sqlite3_file *file, int *out)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int cut_control(sqlite3_file *file, int op, void *argument)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int cut_sector_size(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

/* A device without any guarantee. */
static int cut_traits(sqlite3_file *file)
{
	(void)file;
	return 0;
}

static int cut_shm_map(sqlite3_file *file, int page, int size, int extends, void volatile **out)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extends, out);
}

static int cut_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void cut_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int cut_shm_unmap(sqlite3_file *file, int deletes)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), deletes);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = cut_close,
	.xRead = cut_read,
	.xWrite = cut_write,
	.xTruncate = cut_truncate,
	.xSync = cut_sync,
	.xFileSize = cut_size,
	.xLock = cut_lock,
	.xUnlock = cut_unlock,
	.xCheckReservedLock = cut_check_lock,
	.xFileControl = cut_control,
	.xSectorSize = cut_sector_size,
	.xDeviceCharacteristics = cut_traits,
	.xShmMap = cut_shm_map,
	.xShmLock = cut_shm_lock,
	.xShmBarrier = cut_shm_barrier,
	.xShmUnmap = cut_shm_unmap,
};

static int cut_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *out)
{
	struct cut_file *cut = (struct cut_file *)file;
	int rc;

	(void)self;
	*cut = (struct cut_file){.real = (sqlite3_file *)(cut + 1)};
	if (name && watched && strncmp(name, watched, strlen(watched)) == 0) {
		cut_vfs_lock();
		cut->shadow = find_shadow(name, true);
		cut_vfs_unlock();
	}
	rc = below->xOpen(below, name, cut->real, flags, out);
	if (cut->real->pMethods)
		cut->base.pMethods = &methods;
	return rc;
}

void cut_vfs_lie(bool lies)
{
	cut_vfs_lock();
	is_lying = lies;
	cut_vfs_unlock();
}

void cut_vfs_install(const char *prefix)
{
	cut_vfs_lock();
	while (nshadows > 0) {
		struct shadow *shadow = &shadows[--nshadows];

		forget_changes(shadow);
		mem_free(shadow->bytes);
		mem_free(shadow->path);
		*shadow = (struct shadow){0};
	}
	watched = prefix;
	is_lying = false;
	cut_vfs_unlock();
	if (below)
		return;
	below = sqlite3_vfs_find(NULL);
	vfs = *below;
	vfs.zName = "cut";
	vfs.szOsFile = (int)sizeof(struct cut_file) + below->szOsFile;
	vfs.xOpen = cut_open;
	check(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}
