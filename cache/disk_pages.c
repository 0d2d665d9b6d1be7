/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk_pages.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"

enum {
	PAGE = SCHEMA_PAGE_BYTES,
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
	MAX_REGIONS = 16, /* a log of half a gigabyte; the writer pauses long before */
	WORD_VERSION = 0, /* of the header */
	WORD_LAYOUT = 3,
	WORD_FRAMES = 4,
	WORD_PAGES = 5,
	WORD_SALT = 8,
	/* tables */
	TYPE_INTERIOR = 5,
	TYPE_LEAF = 13,
	MAX_DEPTH = 8,
	MAX_LOCAL = PAGE - 35,
	MIN_LOCAL = (PAGE - 12) * 32 / 255 - 23,
	OVERFLOW_BYTES = PAGE - 4,
	RUN_PAGES = 9, /* of overflow, read at once: those of a piece */
	NSLOTS = 64,
	COOKIE_AT = 40, /* in page 1: counts changes of the tables */
};

/* An interior page, as the frame of the log of that salt has it (0: the database). */
struct slot {
	struct lock lock;
	uint32_t number, frame, salt[2];
	unsigned char *page; /* in pages->kept */
};

struct disk_pages {
	/* immutable after create */
	sqlite3_file *db_file;
	int db_fd, log_fd;
	uint32_t cookie;
	_Atomic(uint32_t *) regions[MAX_REGIONS]; /* release when mapped, acquire by readers */
	atomic_bool is_unusable;
	struct {
		struct lock lock;
		struct disk_snapshot snapshot; /* under which the cookie was last seen unchanged */
	} checked;
	struct slot slots[NSLOTS];
	unsigned char *kept; /* touched as it fills */
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

/* SQLite's stores are plain ones of whole words, meant to be raced with (TSan sees those that it makes
 * by memset, and clang's sees atomic loads whatever they are marked). Acquire keeps a sequence of
 * loads in order. */
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
	return n < MAX_REGIONS ? atomic_load_explicit(&pages->regions[n], memory_order_acquire) :
				 NULL;
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

/* Where the snapshot has that page: *frame of the log, or 0: in the database. False: not now. */
static bool find_frame(struct disk_pages *pages, const struct disk_snapshot *snapshot,
		       uint32_t number, uint32_t *frame)
{
	uint32_t last = snapshot->word[WORD_FRAMES];

	*frame = 0;
	if (number == 0 || (last != 0 && number > snapshot->word[WORD_PAGES]))
		return false;
	if (last == 0)
		return true;
	for (unsigned n = region_of(last) + 1; n-- > 0 && *frame == 0;) {
		const uint32_t *map = region(pages, n);

		if (!map || !find_in_region(map, n, last, number, frame))
			return false;
	}
	return true;
}

/* ---- reading */

static bool read_now(struct disk_pages *pages, int fd, const struct iovec *iov, int niov,
		     uint64_t offset, size_t len)
{
	ssize_t n = preadv2(fd, iov, niov, (off_t)offset, RWF_NOWAIT);

	if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
		atomic_store_explicit(&pages->is_unusable, true, memory_order_relaxed);
	return n == (ssize_t)len;
}

static uint64_t database_offset(uint32_t number)
{
	return (uint64_t)(number - 1) * PAGE;
}

static uint64_t log_offset(uint32_t frame)
{
	return LOG_HEADER + (uint64_t)(frame - 1) * FRAME + FRAME_HEADER;
}

static bool read_page(struct disk_pages *pages, uint32_t number, uint32_t frame, void *to, size_t len)
{
	const struct iovec iov = {to, len};

	return frame ? read_now(pages, pages->log_fd, &iov, 1, log_offset(frame), len) :
		       read_now(pages, pages->db_fd, &iov, 1, database_offset(number), len);
}

uint64_t disk_big_endian(const unsigned char *at, size_t len)
{
	uint64_t number = 0;

	while (len-- > 0)
		number = number << 8 | *at++;
	return number;
}

size_t disk_varint(const unsigned char *at, const unsigned char *end, uint64_t *out)
{
	uint64_t number = 0;

	for (size_t i = 0; i < 9 && at + i < end; i++) {
		if (i == 8) {
			*out = number << 8 | at[i];
			return 9;
		}
		number = number << 7 | (at[i] & 127);
		if (at[i] < 128) {
			*out = number;
			return i + 1;
		}
	}
	return 0;
}

/* ---- the tables' trees */

static unsigned page_type(const unsigned char *page)
{
	return page[0];
}

/* Cell number i of a page whose header is header_bytes long; NULL: out of bounds. */
static const unsigned char *cell_at(const unsigned char *page, size_t header_bytes, unsigned i)
{
	size_t pointer = header_bytes + 2 * (size_t)i;
	size_t at;

	if (pointer + 2 > PAGE)
		return NULL;
	at = (size_t)disk_big_endian(page + pointer, 2);
	return at >= header_bytes && at + 4 < PAGE ? page + at : NULL;
}

/* The first of the page's cells whose id is id or more, by halves; cells + 1: a broken page. *found:
 * the id of that cell. skip: bytes, or one number, before the id. */
static unsigned find_cell(const unsigned char *page, uint64_t id, uint64_t *found)
{
	bool is_leaf = page_type(page) == TYPE_LEAF;
	unsigned ncells = (unsigned)disk_big_endian(page + 3, 2);
	unsigned low = 0, high = ncells;

	*found = 0;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		const unsigned char *cell = cell_at(page, is_leaf ? 8 : 12, middle);
		uint64_t number = 0;
		size_t skip = 4;

		if (cell && is_leaf)
			skip = disk_varint(cell, page + PAGE, &number);
		if (!cell || skip == 0 || !disk_varint(cell + skip, page + PAGE, &number))
			return ncells + 1;
		if (number < id) {
			low = middle + 1;
		} else {
			high = middle;
			*found = number;
		}
	}
	return low;
}

/* The child of an interior page that leads to id; 0: a broken page. */
static uint32_t child_of(const unsigned char *page, uint64_t id)
{
	unsigned ncells = (unsigned)disk_big_endian(page + 3, 2);
	uint64_t found;
	unsigned i = find_cell(page, id, &found);
	const unsigned char *cell;

	if (i > ncells)
		return 0;
	if (i == ncells)
		return (uint32_t)disk_big_endian(page + 8, 4);
	cell = cell_at(page, 12, i);
	return cell ? (uint32_t)disk_big_endian(cell, 4) : 0;
}

static bool slot_has_locked(const struct slot *slot, const struct disk_snapshot *snapshot,
			    uint32_t number, uint32_t frame)
{
	return slot->number == number && slot->frame == frame &&
	       slot->salt[0] == snapshot->word[WORD_SALT] &&
	       slot->salt[1] == snapshot->word[WORD_SALT + 1];
}

/* The child by a page that is kept; 0: it is not. What a slot holds never changes while its frame
 * and salt are the snapshot's. */
static uint32_t child_by_slot(struct disk_pages *pages, const struct disk_snapshot *snapshot,
			      uint32_t number, uint32_t frame, uint64_t id)
{
	struct slot *slot = &pages->slots[number % NSLOTS];
	uint32_t child = 0;

	lock_take(&slot->lock);
	if (slot_has_locked(slot, snapshot, number, frame))
		child = child_of(slot->page, id);
	lock_drop(&slot->lock);
	return child;
}

static void keep_page(struct disk_pages *pages, const struct disk_snapshot *snapshot,
		      uint32_t number, uint32_t frame, const unsigned char *page)
{
	struct slot *slot = &pages->slots[number % NSLOTS];

	lock_take(&slot->lock);
	slot->number = number;
	slot->frame = frame;
	memcpy(slot->salt, &snapshot->word[WORD_SALT], sizeof(slot->salt));
	memcpy(slot->page, page, PAGE);
	lock_drop(&slot->lock);
}

/* The leaf for id into page. */
static bool find_leaf(struct disk_pages *pages, const struct disk_snapshot *snapshot, uint32_t root,
		      uint64_t id, unsigned char *page)
{
	uint32_t number = root;

	for (int depth = 0; depth < MAX_DEPTH; depth++) {
		uint32_t frame, child;

		if (!find_frame(pages, snapshot, number, &frame))
			return false;
		child = child_by_slot(pages, snapshot, number, frame, id);
		if (child == 0) {
			if (!read_page(pages, number, frame, page, PAGE))
				return false;
			if (page_type(page) != TYPE_INTERIOR)
				return page_type(page) == TYPE_LEAF;
			keep_page(pages, snapshot, number, frame, page);
			child = child_of(page, id);
		}
		number = child;
	}
	return false;
}

/* How much of a record of len bytes lies in its leaf. */
static size_t local_bytes(uint64_t len)
{
	size_t bytes;

	if (len <= MAX_LOCAL)
		return (size_t)len;
	bytes = MIN_LOCAL + (size_t)((len - MIN_LOCAL) % OVERFLOW_BYTES);
	return bytes <= MAX_LOCAL ? bytes : MIN_LOCAL;
}

static bool read_cell(struct disk_cell *cell, const unsigned char *at)
{
	const unsigned char *end = cell->page + PAGE;
	size_t n = disk_varint(at, end, &cell->len);
	uint64_t id;

	at += n;
	n = n ? disk_varint(at, end, &id) : 0;
	if (n == 0 || cell->len > INT32_MAX)
		return false;
	cell->at = at + n;
	cell->local = local_bytes(cell->len);
	cell->overflow = 0;
	if (cell->local + (cell->len > cell->local ? 4 : 0) > (size_t)(end - cell->at))
		return false;
	if (cell->len > cell->local)
		cell->overflow = (uint32_t)disk_big_endian(cell->at + cell->local, 4);
	return true;
}

enum disk_find disk_pages_find(struct disk_pages *pages, const struct disk_snapshot *snapshot,
			       uint32_t root, uint64_t id, struct disk_cell *cell)
{
	const unsigned char *at;
	uint64_t found;
	unsigned i;

	if (!find_leaf(pages, snapshot, root, id, cell->page))
		return DISK_FIND_NOT_NOW;
	i = find_cell(cell->page, id, &found);
	if (i > disk_big_endian(cell->page + 3, 2))
		return DISK_FIND_NOT_NOW;
	if (found != id)
		return DISK_FIND_NONE;
	at = cell_at(cell->page, 8, i);
	return at && read_cell(cell, at) ? DISK_FIND_ROW : DISK_FIND_NOT_NOW;
}

/* ---- overflow: a list of pages, each with the number of the next before its bytes. They mostly lie
 * one behind the other, so as many as are wanted are read at once, and what the numbers belie is
 * read again. */

struct run {
	uint32_t first;
	unsigned npages;
	unsigned char next[RUN_PAGES][4];
};

/* Pages from first on that lie in the database; or one, in the log. *frame: of that one. */
static bool plan_run(struct disk_pages *pages, const struct disk_snapshot *snapshot, size_t len,
		     struct run *run, uint32_t *frame)
{
	unsigned wanted = (unsigned)((len + OVERFLOW_BYTES - 1) / OVERFLOW_BYTES);
	uint32_t other;

	if (!find_frame(pages, snapshot, run->first, frame))
		return false;
	run->npages = 1;
	if (*frame != 0)
		return true;
	while (run->npages < wanted && run->npages < RUN_PAGES &&
	       find_frame(pages, snapshot, run->first + run->npages, &other) && other == 0)
		run->npages++;
	return true;
}

static bool read_run(struct disk_pages *pages, struct run *run, uint32_t frame, char *to, size_t len)
{
	struct iovec iov[2 * RUN_PAGES];
	size_t total = 0;

	for (unsigned i = 0; i < run->npages; i++) {
		size_t n = len < OVERFLOW_BYTES ? len : OVERFLOW_BYTES;

		iov[2 * i] = (struct iovec){run->next[i], 4};
		iov[2 * i + 1] = (struct iovec){to, n};
		to += n;
		len -= n;
		total += 4 + n;
	}
	return frame ? read_now(pages, pages->log_fd, iov, 2, log_offset(frame), total) :
		       read_now(pages, pages->db_fd, iov, 2 * (int)run->npages,
				database_offset(run->first), total);
}

/* How many of the run's pages follow each other, and where the next one is. */
static unsigned good_pages(const struct run *run, uint32_t *next)
{
	for (unsigned i = 0; i < run->npages; i++) {
		*next = (uint32_t)disk_big_endian(run->next[i], 4);
		if (*next != run->first + i + 1)
			return i + 1;
	}
	return run->npages;
}

bool disk_pages_read_rest(struct disk_pages *pages, const struct disk_snapshot *snapshot,
			  const struct disk_cell *cell, char *to, size_t len)
{
	struct run run = {.first = cell->overflow};

	while (len > 0) {
		uint32_t frame, next = 0;
		size_t done;

		if (!plan_run(pages, snapshot, len, &run, &frame) ||
		    !read_run(pages, &run, frame, to, len))
			return false;
		done = (size_t)good_pages(&run, &next) * OVERFLOW_BYTES;
		done = done < len ? done : len;
		to += done;
		len -= done;
		run.first = next;
	}
	return true;
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
	unsigned char page[100];
	uint32_t frame;

	if (is_checked(pages, snapshot))
		return true;
	if (!find_frame(pages, snapshot, 1, &frame) ||
	    !read_page(pages, 1, frame, page, sizeof(page)) ||
	    !disk_pages_is_current(pages, snapshot))
		return false;
	if (disk_big_endian(page + COOKIE_AT, 4) != pages->cookie) {
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
	for (unsigned n = 1; n <= last && n < MAX_REGIONS; n++)
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
	pages->kept = mem_alloc((size_t)NSLOTS * PAGE);
	for (size_t i = 0; i < NSLOTS; i++) {
		lock_init(&pages->slots[i].lock);
		pages->slots[i].page = pages->kept + i * PAGE;
	}
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
	for (int i = 0; i < NSLOTS; i++)
		lock_fini(&pages->slots[i].lock);
	lock_fini(&pages->checked.lock);
	mem_free(pages->kept);
	mem_free(pages);
}
