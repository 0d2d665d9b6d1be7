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

struct ban_file {
	struct ban_table *table;
	struct loop *loop;
	struct timer timer;
	char *path, *path_new; /* NULL: no file */
	uint64_t version;      /* of the table, as the file has it */
	struct timespec changed; /* the file, as we know it */
	off_t size;
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

static bool take_line(struct ban_table *table, struct str line, int64_t now_s)
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
	return ban.until_s <= now_s || ban_table_add(table, &ban);
}

static void take_text(struct ban_file *file, struct str text)
{
	unsigned nbad = 0;
	struct str line;

	ban_table_clear(file->table);
	while (str_split(&text, '\n', &line))
		nbad += !take_line(file->table, line, clock_wall_s());
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

static void note_file(struct ban_file *file, const struct stat *st)
{
	file->changed = st->st_mtim;
	file->size = st->st_size;
	file->version = ban_table_version(file->table);
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
		note_file(file, &st);
	}
	buf_fini(&text);
	close(fd);
}

/* Somebody has edited it. */
static bool has_changed(const struct ban_file *file)
{
	struct stat st;

	return stat(file->path, &st) == 0 &&
	       (st.st_mtim.tv_sec != file->changed.tv_sec ||
		st.st_mtim.tv_nsec != file->changed.tv_nsec || st.st_size != file->size);
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

static bool write_new(struct ban_file *file, struct str text, struct stat *st)
{
	int fd = open(file->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	bool is_good;

	if (fd < 0)
		return false;
	is_good = write_text(fd, text) && fstat(fd, st) == 0 &&
		  rename(file->path_new, file->path) == 0;
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
		note_file(file, &st);
		file->version = version;
	} else {
		say_fault(file, "write", errno);
	}
	buf_fini(&text);
}

/* ---- life */

static void look(struct ban_file *file)
{
	if (file->nlooks++ % SWEEP_EVERY == 0)
		ban_table_sweep(file->table, clock_wall_s());
	if (!file->path)
		return;
	if (has_changed(file))
		read_file(file);
	if (ban_table_version(file->table) != file->version)
		write_file(file);
}

static void look_due(struct timer *timer)
{
	struct ban_file *file = CONTAINER(timer, struct ban_file, timer);

	look(file);
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
	look_due(&file->timer);
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
	look(file);
	mem_free(file->path);
	mem_free(file->path_new);
	mem_free(file);
}
