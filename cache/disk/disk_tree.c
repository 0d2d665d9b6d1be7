/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of the tables: b-trees and lists of overflow pages
 * (https://www.sqlite.org/fileformat.html). */
#include <string.h>

#include "cache/disk/disk_pages_internal.h"
#include "lib/base/heap.h"

enum {
	PAGE = DISK_PAGE,
	TYPE_INTERIOR = 5,
	TYPE_LEAF = 13,
	MAX_DEPTH = 8,
	MAX_LOCAL = PAGE - 35,
	MIN_LOCAL = (PAGE - 12) * 32 / 255 - 23,
	OVERFLOW_BYTES = PAGE - 4,
	RUN_PAGES = 9, /* of overflow, read at once: those of a piece */
	NSLOTS = 64,
};

/* An interior page, as the frame of the log of that salt has it (0: the database). */
struct slot {
	struct lock lock;
	struct disk_place place;
	uint32_t salt[2];
	unsigned char *page; /* in memory->kept */
};

/* What is remembered of one version of a page holds for as long as the log is the same (its salt)
 * and its index leads to that frame for the page, or to the database: then nobody has written the
 * page. */
struct disk_memory {
	struct slot slots[NSLOTS];
	unsigned char *kept; /* touched as it fills */
};

struct disk_memory *disk_memory_create(void)
{
	struct disk_memory *memory = mem_zalloc(sizeof(*memory));

	memory->kept = mem_alloc((size_t)NSLOTS * PAGE);
	for (size_t i = 0; i < NSLOTS; i++) {
		lock_init(&memory->slots[i].lock);
		memory->slots[i].page = memory->kept + i * PAGE;
	}
	return memory;
}

void disk_memory_destroy(struct disk_memory *memory)
{
	for (size_t i = 0; i < NSLOTS; i++)
		lock_fini(&memory->slots[i].lock);
	mem_free(memory->kept);
	mem_free(memory);
}

/* ---- numbers */

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

/* The first of the page's cells whose id is id or more, by halves; cells + 1: a broken page.
 * *found: the id of that cell. skip: bytes, or one number, before the id. */
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

static bool is_same_place(const struct disk_place *a, const struct disk_place *b)
{
	return a->number == b->number && a->frame == b->frame;
}

static bool has_salt(const struct disk_snapshot *snapshot, const uint32_t *salt)
{
	return memcmp(salt, disk_snapshot_salt(snapshot), 2 * sizeof(*salt)) == 0;
}

/* The child by a page that is kept; 0: it is not. */
static uint32_t child_by_slot(struct disk_pages *pages, const struct disk_snapshot *snapshot,
			      const struct disk_place *place, uint64_t id)
{
	struct slot *slot = &pages->memory->slots[place->number % NSLOTS];
	uint32_t child = 0;

	lock_take(&slot->lock);
	if (is_same_place(&slot->place, place) && has_salt(snapshot, slot->salt))
		child = child_of(slot->page, id);
	lock_drop(&slot->lock);
	return child;
}

static void keep_page(struct disk_pages *pages, const struct disk_snapshot *snapshot,
		      const struct disk_place *place, const unsigned char *page)
{
	struct slot *slot = &pages->memory->slots[place->number % NSLOTS];

	lock_take(&slot->lock);
	slot->place = *place;
	memcpy(slot->salt, disk_snapshot_salt(snapshot), sizeof(slot->salt));
	memcpy(slot->page, page, PAGE);
	lock_drop(&slot->lock);
}

/* The leaf for id into page. */
static bool find_leaf(struct disk_pages *pages, const struct disk_snapshot *snapshot, uint32_t root,
		      uint64_t id, unsigned char *page)
{
	const struct iovec iov = {page, PAGE};
	uint32_t number = root;
	struct disk_place place;

	for (int depth = 0; depth < MAX_DEPTH; depth++) {
		if (!disk_place_find(pages, snapshot, number, &place))
			return false;
		number = child_by_slot(pages, snapshot, &place, id);
		if (number == 0) {
			if (!disk_place_read(pages, &place, 0, &iov, 1, PAGE))
				return false;
			if (page_type(page) != TYPE_INTERIOR)
				return page_type(page) == TYPE_LEAF;
			keep_page(pages, snapshot, &place, page);
			number = child_of(page, id);
		}
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

/* ---- overflow: a list of pages, each with the number of the next before its bytes. They mostly
 * lie one behind the other, so as many as are wanted are read at once, and what the numbers belie
 * is read again. */

struct run {
	struct disk_place place; /* of the first */
	unsigned npages;
	unsigned char next[RUN_PAGES][4];
};

/* Pages from first on that lie in the database; or one, in the log. */
static bool plan_run(struct disk_pages *pages, const struct disk_snapshot *snapshot, uint32_t first,
		     size_t len, struct run *run)
{
	unsigned wanted = (unsigned)((len + OVERFLOW_BYTES - 1) / OVERFLOW_BYTES);
	struct disk_place other;

	if (!disk_place_find(pages, snapshot, first, &run->place))
		return false;
	run->npages = 1;
	if (run->place.frame != 0)
		return true;
	while (run->npages < wanted && run->npages < RUN_PAGES &&
	       disk_place_find(pages, snapshot, first + run->npages, &other) && other.frame == 0)
		run->npages++;
	return true;
}

static bool read_run(struct disk_pages *pages, struct run *run, char *to, size_t len)
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
	return disk_place_read(pages, &run->place, 0, iov, 2 * (int)run->npages, total);
}

/* How many of the run's pages follow each other, and where the next one is. */
static unsigned good_pages(const struct run *run, uint32_t *next)
{
	for (unsigned i = 0; i < run->npages; i++) {
		*next = (uint32_t)disk_big_endian(run->next[i], 4);
		if (*next != run->place.number + i + 1)
			return i + 1;
	}
	return run->npages;
}

bool disk_pages_read_rest(struct disk_pages *pages, const struct disk_snapshot *snapshot,
			  const struct disk_cell *cell, char *to, size_t len)
{
	uint32_t number = cell->overflow;

	while (len > 0) {
		struct run run;
		size_t done;

		if (!plan_run(pages, snapshot, number, len, &run) ||
		    !read_run(pages, &run, to, len))
			return false;
		done = (size_t)good_pages(&run, &number) * OVERFLOW_BYTES;
		done = done < len ? done : len;
		to += done;
		len -= done;
	}
	return true;
}
