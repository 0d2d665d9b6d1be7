/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_pages_internal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

enum {
	PAGE = DISK_PAGE,
	/* the log */
	LOG_HEADER = 32,
	FRAME_HEADER = 24,
	FRAME = FRAME_HEADER + PAGE,
	/* its index: regions of 4096 page numbers and 8192 slots of a hash table over them */
	INDEX_VERSION = 3007000,
	REGION_BYTES = 32768,
	REGION_FRAMES = 4096,
	INDEX_HEADER = 136,
	FIRST_FRAMES = REGION_FRAMES - INDEX_HEADER / 4,
	HASH_SLOTS = 8192,
	WORD_VERSION = 0, /* of the header */
	WORD_LAYOUT = 3,
	WORD_FRAMES = 4,
	WORD_PAGES = 5,
	COOKIE_AT = 40, /* in page 1: counts changes of the tables */
};

/* ---- descriptors: SQLite's own, seen as they pass a read that we ask for */

typedef ssize_t (*pread_function)(int fd, void *to, size_t len, off_t offset);

static pread_function sqlite_pread; /* before any thread, constant after */
static _Thread_local int *seen_fd;  /* where the next read notes its descriptor */

static ssize_t noting_pread(int fd, void *to, size_t len, off_t offset)
{
	if (seen_fd)
		*seen_fd = fd;
	return sqlite_pread(fd, to, len, offset);
}

static void setup(void)
{
	static const char *const names[] = {"pread64", "pread"}; /* SQLite has one of them */
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	if (!vfs || vfs->iVersion < 3 || !vfs->xGetSystemCall || sizeof(off_t) != 8)
		return;
	for (size_t i = 0; i < COUNT(names) && !sqlite_pread; i++) {
		sqlite_pread = (pread_function)vfs->xGetSystemCall(vfs, names[i]);
		if (sqlite_pread)
			vfs->xSetSystemCall(vfs, names[i], (sqlite3_syscall_ptr)noting_pread);
	}
}

void disk_pages_setup_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, setup);
}

static int fd_of(sqlite3_file *file)
{
	char byte;
	int fd = -1;

	if (!file || !file->pMethods)
		return -1;
	seen_fd = &fd;
	file->pMethods->xRead(file, &byte, 1, 0); /* an empty log is fine */
	seen_fd = NULL;
	return fd;
}

/* ---- the WAL-index */

/* SQLite's stores are plain ones of whole words, meant to be raced with (TSan sees those that it
 * makes by memset, and clang's sees atomic loads whatever they are marked). Acquire keeps a
 * sequence of loads in order. */
#ifdef __clang__
#define THREAD_SANITIZED __has_feature(thread_sanitizer)
#else
#define THREAD_SANITIZED 0
#endif

__attribute__((no_sanitize("thread"))) static uint32_t load(const uint32_t *at)
{
	return THREAD_SANITIZED ? *(const volatile uint32_t *)at
				: __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

__attribute__((no_sanitize("thread"))) static uint32_t load_short(const uint16_t *at)
{
	return THREAD_SANITIZED ? *(const volatile uint16_t *)at
				: __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static unsigned region_of(uint32_t frame)
{
	return (frame + REGION_FRAMES - FIRST_FRAMES - 1) / REGION_FRAMES;
}

static const uint32_t *region(struct disk_pages *pages, unsigned n)
{
	return n < DISK_MAX_REGIONS ? atomic_load_explicit(&pages->regions[n], memory_order_acquire)
	                            : NULL;
}

static bool header_equals(const uint32_t *copy, const struct disk_snapshot *snapshot)
{
	for (size_t i = 0; i < COUNT(snapshot->word); i++)
		if (load(copy + i) != snapshot->word[i])
			return false;
	return true;
}

/* SQLite writes the second copy first. */
static bool read_header(struct disk_pages *pages, struct disk_snapshot *snapshot)
{
	const uint32_t *header = region(pages, 0);
	uint8_t layout[4]; /* is it filled; big-endian sums; the page size, 16 bits */
	uint16_t page_bytes;

	for (size_t i = 0; i < COUNT(snapshot->word); i++)
		snapshot->word[i] = load(header + i);
	memcpy(layout, &snapshot->word[WORD_LAYOUT], 4);
	memcpy(&page_bytes, layout + 2, 2);
	return header_equals(header + COUNT(snapshot->word), snapshot) && layout[0] == 1 &&
	       page_bytes == PAGE && snapshot->word[WORD_VERSION] == INDEX_VERSION;
}

bool disk_pages_is_current(struct disk_pages *pages, const struct disk_snapshot *snapshot)
{
	const uint32_t *header = region(pages, 0);
	atomic_int fence = 0;

	/* What was read before is read before the header is (a fence that TSan knows). */
	atomic_exchange_explicit(&fence, 1, memory_order_acq_rel);
	return header_equals(header, snapshot) &&
	       header_equals(header + COUNT(snapshot->word), snapshot);
}

/* The newest frame of page number up to last in one region; 0: none there. */
static bool find_in_region(const uint32_t *map, unsigned n, uint32_t last, uint32_t number,
			   uint32_t *frame)
{
	const uint32_t *numbers = n == 0 ? map + INDEX_HEADER / 4 : map;
	const uint16_t *hash = (const uint16_t *)(map + REGION_FRAMES);
	uint32_t zero = n == 0 ? 0 : FIRST_FRAMES + (n - 1) * REGION_FRAMES;
	uint32_t size = n == 0 ? FIRST_FRAMES : REGION_FRAMES;
	uint32_t at = number * 383 % HASH_SLOTS;

	for (int i = 0; i < HASH_SLOTS; i++) {
		uint32_t entry = load_short(hash + at);

		if (entry == 0)
			return true;
		if (entry > size)
			return false;
		if (zero + entry <= last && load(numbers + entry - 1) == number)
			*frame = zero + entry;
		at = (at + 1) % HASH_SLOTS;
	}
	return false;
}

bool disk_place_find(struct disk_pages *pages, const struct disk_snapshot *snapshot,
                     uint32_t number, struct disk_place *place)
{
	uint32_t last = snapshot->word[WORD_FRAMES];

	*place = (struct disk_place){.number = number};
	if (number == 0 || (last != 0 && number > snapshot->word[WORD_PAGES]))
		return false;
	if (last == 0)
		return true;
	for (unsigned n = region_of(last) + 1; n-- > 0 && place->frame == 0;) {
		const uint32_t *map = region(pages, n);

		if (!map || !find_in_region(map, n, last, number, &place->frame))
			return false;
	}
	return true;
}

/* ---- reading */

static uint64_t offset_of(const struct disk_place *place)
{
	if (place->frame == 0)
		return (uint64_t)(place->number - 1) * PAGE;
	return LOG_HEADER + (uint64_t)(place->frame - 1) * FRAME + FRAME_HEADER;
}

bool disk_place_read(struct disk_pages *pages, const struct disk_place *place, size_t offset,
		     const struct iovec *iov, int niov, size_t len)
{
	int fd = place->frame ? pages->log_fd : pages->db_fd;
	ssize_t n = preadv2(fd, iov, niov, (off_t)(offset_of(place) + offset), RWF_NOWAIT);

	if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
		atomic_store_explicit(&pages->is_unusable, true, memory_order_relaxed);
	return n == (ssize_t)len;
}

/* ---- begin */

static bool is_checked(struct disk_pages *pages, const struct disk_snapshot *snapshot)
{
	bool is;

	lock_take(&pages->checked.lock);
	is = memcmp(&pages->checked.snapshot, snapshot, sizeof(*snapshot)) == 0;
	lock_drop(&pages->checked.lock);
	return is;
}

/* Tables that SQL typed elsewhere changed or moved (VACUUM) change the cookie of page 1. */
static bool check_cookie(struct disk_pages *pages, const struct disk_snapshot *snapshot)
{
	unsigned char cookie[4];
	const struct iovec iov = {cookie, sizeof(cookie)};
	struct disk_place place;

	if (is_checked(pages, snapshot))
		return true;
	if (!disk_place_find(pages, snapshot, 1, &place) ||
	    !disk_place_read(pages, &place, COOKIE_AT, &iov, 1, sizeof(cookie)) ||
	    !disk_pages_is_current(pages, snapshot))
		return false;
	if (disk_big_endian(cookie, sizeof(cookie)) != pages->cookie) {
		atomic_store_explicit(&pages->is_unusable, true, memory_order_relaxed);
		return false;
	}
	lock_take(&pages->checked.lock);
	pages->checked.snapshot = *snapshot;
	lock_drop(&pages->checked.lock);
	return true;
}

bool disk_pages_begin(struct disk_pages *pages, struct disk_snapshot *snapshot)
{
	return disk_pages_is_usable(pages) && read_header(pages, snapshot) &&
	       check_cookie(pages, snapshot);
}

bool disk_pages_is_usable(struct disk_pages *pages)
{
	return !atomic_load_explicit(&pages->is_unusable, memory_order_relaxed);
}

/* ---- life */

static bool map_region(struct disk_pages *pages, unsigned n)
{
	const sqlite3_io_methods *methods = pages->db_file->pMethods;
	void volatile *at = NULL;

	if (!methods || methods->iVersion < 2 ||
	    methods->xShmMap(pages->db_file, (int)n, REGION_BYTES, 0, &at) != SQLITE_OK || !at)
		return false;
	atomic_store_explicit(&pages->regions[n], (uint32_t *)(uintptr_t)at, memory_order_release);
	return true;
}

void disk_pages_refresh(struct disk_pages *pages)
{
	struct disk_snapshot snapshot;
	unsigned last;

	if (!read_header(pages, &snapshot))
		return;
	last = region_of(snapshot.word[WORD_FRAMES]);
	for (unsigned n = 1; n <= last && n < DISK_MAX_REGIONS; n++)
		if (!region(pages, n) && !map_region(pages, n))
			return;
}

/* The cookie, and that the file is laid out as usual. */
static bool read_layout(struct disk_pages *pages, sqlite3 *db)
{
	int64_t page_bytes = 0, cookie = 0;
	int reserved = -1;

	if (schema_number(db, "PRAGMA page_size", &page_bytes) != SQLITE_OK ||
	    schema_number(db, "PRAGMA schema_version", &cookie) != SQLITE_OK || page_bytes != PAGE)
		return false;
	pages->cookie = (uint32_t)cookie;
	sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
	return reserved == 0;
}

static bool learn(struct disk_pages *pages, sqlite3 *db)
{
	sqlite3_file *log = NULL;

	if (!read_layout(pages, db) ||
	    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &pages->db_file) !=
		    SQLITE_OK ||
	    sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK)
		return false;
	pages->db_fd = fd_of(pages->db_file);
	pages->log_fd = fd_of(log);
	return pages->db_fd >= 0 && pages->log_fd >= 0 && map_region(pages, 0);
}

struct disk_pages *disk_pages_create(sqlite3 *db)
{
	struct disk_pages *pages = mem_zalloc(sizeof(*pages));

	lock_init(&pages->checked.lock);
	pages->memory = disk_memory_create();
	if (!learn(pages, db)) {
		disk_pages_destroy(pages);
		return NULL;
	}
	disk_pages_refresh(pages);
	return pages;
}

void disk_pages_destroy(struct disk_pages *pages)
{
	if (!pages)
		return;
	disk_memory_destroy(pages->memory);
	lock_fini(&pages->checked.lock);
	mem_free(pages);
}
