/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/body_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/heap.h"
#include "lib/base/lock.h"

/* Sparse: only what is in use takes memory. A file that was handed out to its end is replaced. */
static const int64_t FILE_BYTES = INT64_C(1) << 40;

struct body_file {
	int fd;
	unsigned nrefs;  /* pieces, and one while it is the current file; under the lock */
	int64_t next;    /* the first offset that was never handed out; under the lock */
};

/* docs/ARCHITECTURE.md, shared state. */
static struct {
	pthread_once_t once;
	bool is_usable;
	int64_t page_bytes;
	struct {
		struct lock lock;
		struct body_file *current;
	} shared;
} files = {.once = PTHREAD_ONCE_INIT};

/* "always within_size advise [never] deny force": which word is in brackets? */
static bool is_off(const char *path)
{
	char text[128], *word;
	size_t n;
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	word = strchr(text, '[');
	/* inherit: as the general setting, which is looked at too. advise: nobody here advises
	 * it. */
	return word && (strncmp(word, "[never]", 7) == 0 || strncmp(word, "[deny]", 6) == 0 ||
			strncmp(word, "[advise]", 8) == 0 || strncmp(word, "[inherit]", 9) == 0);
}

static bool has_no_huge_pages(void)
{
	static const char base[] = "/sys/kernel/mm/transparent_hugepage";
	glob_t sizes;
	bool ok;

	if (access(base, F_OK) != 0)
		return errno == ENOENT;
	ok = is_off("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
	if (glob("/sys/kernel/mm/transparent_hugepage/hugepages-*/shmem_enabled", 0, NULL, &sizes) != 0)
		return ok;
	for (size_t i = 0; ok && i < sizes.gl_pathc; i++)
		ok = is_off(sizes.gl_pathv[i]);
	globfree(&sizes);
	return ok;
}

static void set_up(void)
{
	files.page_bytes = sysconf(_SC_PAGESIZE);
	lock_init(&files.shared.lock);
	files.is_usable = has_no_huge_pages();
}

bool body_file_is_usable(void)
{
	pthread_once(&files.once, set_up);
	return files.is_usable;
}

static struct body_file *create_file(void)
{
	struct body_file *file;
	int fd = memfd_create("bobtail-bodies", MFD_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, FILE_BYTES) != 0) {
		close(fd);
		return NULL;
	}
	file = mem_zalloc(sizeof(*file));
	file->fd = fd;
	return file;
}

/* Drops a reference; returns the file if it is to be freed, without the lock. */
static struct body_file *drop_locked(struct body_file *file)
{
	lock_check_held(&files.shared.lock);
	return file && --file->nrefs == 0 ? file : NULL;
}

static void free_file(struct body_file *file)
{
	if (!file)
		return;
	close(file->fd);
	mem_free(file);
}

/* A range of pages that was never used before. fresh: a file to go on with when the current one is
 * used up; NULL: there is none yet. Returns false when it needs one. */
static bool take_range_locked(int64_t bytes, struct body_file **fresh, struct body_piece *out,
			      struct body_file **old)
{
	struct body_file *file = files.shared.current;

	lock_check_held(&files.shared.lock);
	if (!file || FILE_BYTES - file->next < bytes) {
		if (!*fresh)
			return false;
		*old = drop_locked(file);
		file = files.shared.current = *fresh;
		file->nrefs = 1;
		*fresh = NULL;
	}
	file->nrefs++;
	out->file = file;
	out->fd = file->fd;
	out->offset = file->next;
	file->next += bytes;
	return true;
}

static bool take_range(int64_t bytes, struct body_piece *out)
{
	struct body_file *fresh = NULL, *old = NULL;
	bool ok;

	for (int i = 0; i < 2; i++) {
		lock_take(&files.shared.lock);
		ok = take_range_locked(bytes, &fresh, out, &old);
		lock_drop(&files.shared.lock);
		if (ok || !(fresh = create_file()))
			break;
	}
	free_file(fresh);
	free_file(old);
	return ok;
}

static void give_range(struct body_file *file)
{
	struct body_file *last;

	lock_take(&files.shared.lock);
	last = drop_locked(file);
	lock_drop(&files.shared.lock);
	free_file(last);
}

static int64_t pages(size_t len)
{
	return ((int64_t)len + files.page_bytes - 1) & ~(files.page_bytes - 1);
}

bool body_piece_take(size_t len, struct body_piece *out)
{
	struct body_piece piece = {.len = len};
	void *at;

	if (!body_file_is_usable())
		return false;
	if (!take_range(pages(len), &piece))
		return false;
	at = mmap(NULL, len, PROT_READ, MAP_SHARED, piece.fd, (off_t)piece.offset);
	if (at == MAP_FAILED) {
		give_range(piece.file);
		return false;
	}
	madvise(at, len, MADV_NOHUGEPAGE);
	piece.at = at;
	*out = piece;
	return true;
}

bool body_piece_write(const struct body_piece *piece, size_t at, const void *bytes, size_t len)
{
	const char *from = bytes;

	while (len > 0) {
		ssize_t n = pwrite(piece->fd, from, len, (off_t)(piece->offset + (int64_t)at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		at += (size_t)n;
		len -= (size_t)n;
	}
	return true;
}

void body_piece_give(struct body_piece *piece)
{
	munmap((void *)(uintptr_t)piece->at, piece->len);
	/* Whole pages: the rest of the last one is the piece's too. */
	fallocate(piece->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)piece->offset,
		  (off_t)pages(piece->len));
	give_range(piece->file);
	*piece = (struct body_piece){0};
}
