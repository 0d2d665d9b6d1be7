/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/limits/ban_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "proxy/limits/ban_table.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"

enum { LOOK_MS = 1000, SWEEP_EVERY = 10, MAX_FILE_BYTES = 16 << 20, SAY_EVERY_S = 60 };

/* Which file, and as it was when. */
struct mark {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct ban_file {
	struct ban_table *table;
	struct loop *loop;
	struct timer timer;
	char *path, *path_new; /* NULL: no file */
	uint64_t version;      /* of the table, as the file has it */
	struct mark known;     /* the file that was read or written last */
	struct mark seen;      /* at the last look; who edits has done when it stays so */
	unsigned nlooks;
	int64_t said_s; /* a fault; 0: never */
};

char *ban_file_path(const struct config *config)
{
	const struct cache_dir *dir = config->cache_dirs->first;

	if (config->ban_file)
		return mem_strdup(config->ban_file);
	return dir ? mem_printf("%.*s/bans", STR_ARG(dir->path)) : NULL;
}

static void say_fault(struct ban_file *file, const char *what, int error)
{
	int64_t now_s = clock_mono_ms() / 1000;

	if (file->said_s && now_s - file->said_s < SAY_EVERY_S)
		return;
	file->said_s = now_s;
	log_say(0, "ERROR: cannot %s the bans in %s: %s; they hold until the program ends", what,
		file->path, strerror(error));
}

/* ---- reading */

/* nloaded counts. */
static bool take_line(struct ban_table *table, struct str line, int64_t now_s, unsigned *nloaded)
{
	struct ban ban = {.until_s = INT64_MAX};
	struct str address, until, rule;

	line = str_first(line, str_find_char(line, '#'));
	if (!str_word(&line, &address))
		return true;
	if (!ban_prefix_parse(address, &ban.prefix) || !str_word(&line, &until) ||
	    (!str_eq(until, STR("forever")) && !str_to_i64(until, &ban.until_s)))
		return false;
	if (!str_word(&line, &rule))
		rule = STR("manual");
	str_copy(str_first(rule, BAN_NAME_MAX_BYTES), ban.rule, sizeof(ban.rule));
	return ban.until_s <= now_s ||
	       ((*nloaded)++ < BAN_TABLE_MAX && ban_table_load(table, &ban));
}

/* The table has the bans of text then, and those that no file has had yet. There is no moment
 * without them. */
static void take_text(struct ban_file *file, struct str text)
{
	bool has_more = ban_table_version(file->table) != file->version;
	uint64_t version = ban_table_next_version(file->table);
	unsigned nbad = 0, nloaded = 0;
	struct str line;

	while (str_split(&text, '\n', &line))
		nbad += !take_line(file->table, line, clock_wall_s(), &nloaded);
	ban_table_forget(file->table, file->version);
	if (!has_more)
		file->version = version;
	if (nbad > 0)
		log_say(1, "WARNING: %u lines of %s are no bans (ADDRESS[/BITS] TIME RULE), or "
			"too many: left out", nbad, file->path);
}

static bool read_all(int fd, struct buf *text)
{
	char piece[16384];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(text, piece, (size_t)n);
	return n == 0;
}

static struct mark mark_of(const struct stat *st)
{
	return (struct mark){st->st_dev, st->st_ino, st->st_size, st->st_mtim};
}

static bool is_same(const struct mark *a, const struct mark *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static void read_file(struct ban_file *file)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	struct buf text;

	if (fd < 0) {
		if (errno != ENOENT)
			say_fault(file, "read", errno);
		return;
	}
	buf_init(&text, MAX_FILE_BYTES);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !read_all(fd, &text)) {
		say_fault(file, "read", errno);
	} else {
		take_text(file, buf_str(&text));
		file->known = mark_of(&st);
	}
	buf_fini(&text);
	close(fd);
}

/* The file is another one than we know. */
static bool is_edited(struct ban_file *file)
{
	struct stat st;

	if (stat(file->path, &st) != 0)
		return false;
	file->seen = mark_of(&st);
	return !is_same(&file->seen, &file->known);
}

/* ---- writing */

static void put_bans(struct ban_file *file, struct buf *text)
{
	struct buf bans;
	const struct ban *ban;

	buf_init(&bans, BAN_TABLE_MAX * sizeof(*ban));
	ban_table_copy(file->table, &bans);
	buf_add_str(text, STR("# ADDRESS[/BITS] UNTIL RULE; bobtailctl ban, or an editor\n"));
	for (size_t at = 0; at < bans.len; at += sizeof(*ban)) {
		char prefix[BAN_PREFIX_TEXT_BYTES];

		ban = (const struct ban *)(const void *)(bans.at + at);
		ban_prefix_text(&ban->prefix, prefix);
		if (ban->until_s == INT64_MAX)
			buf_printf(text, "%s forever %s\n", prefix, ban->rule);
		else
			buf_printf(text, "%s %" PRId64 " %s\n", prefix, ban->until_s, ban->rule);
	}
	buf_fini(&bans);
}

static bool write_text(int fd, struct str text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.at, text.len);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			text = str_from(text, (size_t)n);
	}
	return true;
}

/* Puts path_new in the place of path, unless that is another file than we know: then it stays.
 * Where names cannot be exchanged, what is edited in this very moment is lost. */
static bool put_in_place(struct ban_file *file)
{
	const char *from = file->path_new, *to = file->path;
	struct mark there;
	struct stat st;

	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return true;
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) != 0)
		return rename(from, to) == 0;
	if (stat(from, &st) == 0) {
		there = mark_of(&st);
		if (!is_same(&there, &file->known)) {
			renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE);
			errno = EAGAIN;
			return false;
		}
	}
	unlink(from);
	return true;
}

static bool write_new(struct ban_file *file, struct str text, struct stat *st)
{
	int fd = open(file->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	bool is_good;

	if (fd < 0)
		return false;
	is_good = write_text(fd, text) && fstat(fd, st) == 0 && put_in_place(file);
	close(fd);
	return is_good;
}

static void write_file(struct ban_file *file)
{
	uint64_t version = ban_table_version(file->table);
	struct buf text;
	struct stat st;

	buf_init(&text, MAX_FILE_BYTES);
	put_bans(file, &text);
	if (write_new(file, buf_str(&text), &st)) {
		file->known = mark_of(&st);
		file->version = version;
	} else if (errno != EAGAIN) { /* edited just now: it is read with the next look */
		say_fault(file, "write", errno);
	}
	buf_fini(&text);
}

/* ---- life */

/* What differs is read once two looks have found it the same, or at once if there will be no second
 * one. Nothing is written over it meanwhile. */
static void look(struct ban_file *file, bool is_only)
{
	struct mark before = file->seen;
	bool is_other;

	if (file->nlooks++ % SWEEP_EVERY == 0)
		ban_table_sweep(file->table, clock_wall_s());
	if (!file->path)
		return;
	is_other = is_edited(file);
	if (is_other && (is_only || is_same(&file->seen, &before)))
		read_file(file);
	else if (is_other)
		return;
	if (ban_table_version(file->table) != file->version)
		write_file(file);
}

static void look_due(struct timer *timer)
{
	struct ban_file *file = CONTAINER(timer, struct ban_file, timer);

	look(file, false);
	timer_set(file->loop, timer, loop_now_ms(file->loop) + LOOK_MS);
}

struct ban_file *ban_file_start(struct ban_table *table, const char *path, struct loop *loop)
{
	struct ban_file *file = mem_zalloc(sizeof(*file));

	file->table = table;
	file->loop = loop;
	file->version = ban_table_version(table);
	if (path) {
		file->path = mem_strdup(path);
		file->path_new = mem_printf("%s.new", path);
	}
	timer_init(&file->timer, look_due);
	look(file, true);
	timer_set(loop, &file->timer, loop_now_ms(loop) + LOOK_MS);
	return file;
}

bool ban_file_is_at(const struct ban_file *file, const char *path)
{
	return file && (path ? file->path && strcmp(file->path, path) == 0 : !file->path);
}

void ban_file_stop(struct ban_file *file)
{
	if (!file)
		return;
	timer_cancel(&file->timer);
	look(file, true);
	mem_free(file->path);
	mem_free(file->path_new);
	mem_free(file);
}
