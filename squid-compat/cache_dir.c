/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/cache_dir.h"

#include "lib/base/check.h"
#include "squid-compat/values.h"

enum { MAX_MEGABYTES = 1 << 30 }; /* a pebibyte */

/* Types that Squid had; the store is the same for all of them. */
static const char *const types[] = {"ufs", "aufs", "diskd", "rock", "coss"};

struct reading_dir {
	struct cache_dir *dir;
	struct report *report;
	struct str value;
};

static bool read_bytes(struct reading_dir *reading, int64_t *out)
{
	if (str_to_i64(reading->value, out) && *out >= -1)
		return true;
	report_say(reading->report, REPORT_FATAL, "cache_dir %.*s: invalid size '%.*s'",
		   STR_ARG(reading->dir->path), STR_ARG(reading->value));
	return false;
}

static void take_min_size(struct reading_dir *reading)
{
	read_bytes(reading, &reading->dir->min_object_bytes);
}

static void take_max_size(struct reading_dir *reading)
{
	read_bytes(reading, &reading->dir->max_object_bytes);
}

/* SIZE/day, SIZE as 2GB or 500MB. */
static void take_write_budget(struct reading_dir *reading)
{
	enum { MIN_BYTES = 1 << 20 };
	struct str size = str_first(reading->value, str_find_char(reading->value, '/'));
	struct str per = str_from(reading->value, size.len);
	size_t ndigits = 0;

	while (ndigits < size.len && size.at[ndigits] >= '0' && size.at[ndigits] <= '9')
		ndigits++;
	if (ndigits < size.len && str_eq(per, STR("/day")) &&
	    value_size_text(str_first(size, ndigits), str_from(size, ndigits),
			    &reading->dir->write_budget_bytes) &&
	    reading->dir->write_budget_bytes >= MIN_BYTES)
		return;
	report_say(reading->report, REPORT_FATAL,
		   "cache_dir %.*s: invalid write-budget '%.*s': a size of 1MB or more, and /day",
		   STR_ARG(reading->dir->path), STR_ARG(reading->value));
}

static void take_read_only(struct reading_dir *reading)
{
	reading->dir->is_read_only = true;
}

/* How Squid's own stores work inside. */
static void take_nothing(struct reading_dir *reading)
{
	(void)reading;
}

static const struct {
	const char *name;
	bool has_value;
	void (*take)(struct reading_dir *reading);
} options[] = {
	{"min-size", true, take_min_size},
	{"max-size", true, take_max_size},
	{"write-budget", true, take_write_budget},
	{"no-store", false, take_read_only},
	{"read-only", false, take_read_only},
	{"Q1", true, take_nothing},
	{"Q2", true, take_nothing},
	{"IOEngine", true, take_nothing},
	{"slot-size", true, take_nothing},
	{"swap-timeout", true, take_nothing},
	{"max-swap-rate", true, take_nothing},
	{"block-size", true, take_nothing},
	{"overwrite-percent", true, take_nothing},
};

static void read_option(struct reading_dir *reading, struct str word)
{
	size_t equals = str_find_char(word, '=');
	bool has_value = equals < word.len;
	uint64_t number;

	reading->value = str_from(word, equals + 1);
	for (size_t i = 0; i < COUNT(options); i++)
		if (str_eq(str_first(word, equals), str_of(options[i].name)) &&
		    has_value == options[i].has_value) {
			options[i].take(reading);
			return;
		}
	if (str_to_u64(word, &number)) /* L1 or L2: how many folders there would be */
		return;
	report_say(reading->report, REPORT_FATAL, "cache_dir %.*s: unknown option '%.*s'",
		   STR_ARG(reading->dir->path), STR_ARG(word));
}

static bool is_known_type(struct str type, struct report *report)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (str_eq(type, str_of(types[i])))
			return true;
	report_say(report, REPORT_ERROR,
		   "This proxy does not support the '%.*s' cache type. Ignoring.", STR_ARG(type));
	return false;
}

static bool is_there_already(const struct cache_dirs *dirs, struct str path)
{
	for (const struct cache_dir *dir = dirs->first; dir; dir = dir->next)
		if (str_eq(dir->path, path))
			return true;
	return false;
}

void cache_dirs_init(struct cache_dirs *dirs, struct arena *arena)
{
	*dirs = (struct cache_dirs){.last_ = &dirs->first, .arena_ = arena};
}

static void append(struct cache_dirs *dirs, struct cache_dir *dir, struct report *report)
{
	if (is_there_already(dirs, dir->path)) {
		report_say(report, REPORT_ERROR, "cache_dir %s is configured already. Ignoring.",
			   dir->path.at);
		return;
	}
	*dirs->last_ = dir;
	dirs->last_ = &dir->next;
	dirs->n++;
}

void cache_dirs_parse(struct cache_dirs *dirs, const struct words *words,
		      int64_t maximum_object_bytes, struct report *report)
{
	struct cache_dir *dir = arena_zalloc(dirs->arena_, sizeof(*dir));
	struct reading_dir reading = {.dir = dir, .report = report};
	size_t nfatal = report_count(report, REPORT_FATAL);
	struct str path = words_text(words, 2);
	uint64_t megabytes;

	if (words->n >= 3 && !is_known_type(words_text(words, 1), report))
		return;
	if (words->n < 4 || path.len == 0) {
		report_say(report, REPORT_FATAL, "cache_dir needs a type, a directory and a size");
		return;
	}
	while (path.len > 1 && path.at[path.len - 1] == '/')
		path.len--;
	dir->type = arena_str(dirs->arena_, words_text(words, 1));
	dir->path = arena_str(dirs->arena_, path);
	dir->file = arena_printf(dirs->arena_, "%.*s/cache.db", STR_ARG(path));
	dir->max_object_bytes = maximum_object_bytes;
	dir->replacement = dirs->replacement;
	if (str_to_u64(words_text(words, 3), &megabytes) && megabytes > 0 &&
	    megabytes <= MAX_MEGABYTES)
		dir->max_bytes = megabytes << 20;
	else
		report_say(report, REPORT_FATAL, "cache_dir %s: invalid size value '%.*s'",
			   dir->path.at, STR_ARG(words_text(words, 3)));
	for (size_t i = 4; i < words->n; i++)
		read_option(&reading, words_text(words, i));
	if (report_count(report, REPORT_FATAL) == nfatal)
		append(dirs, dir, report);
}
