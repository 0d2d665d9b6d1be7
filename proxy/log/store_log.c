/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/log/store_log.h"

#include <inttypes.h>

#include "cache/disk/disk.h"
#include "cache/object.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "proxy/log/log_writer.h"
#include "squid-compat/config.h"

enum { LINE_MAX_BYTES = 65536, NO_FILE = -1 };

struct store_log {
	struct log_writer *writer;
	struct log_file *file;
	unsigned batch;
	bool keeps_query;
};

/* "stdio:PATH" and "daemon:PATH" are PATH. */
static const char *path_of(const char *place)
{
	static const struct str modules[] = {STR("stdio:"), STR("daemon:")};

	for (size_t i = 0; i < COUNT(modules); i++)
		if (str_starts_with(str_of(place), modules[i]))
			return place + modules[i].len;
	return place;
}

struct store_log *store_log_create(const struct config *config, struct log_writer *writer,
				   unsigned nworkers)
{
	struct err_text why = {""};
	struct store_log *log;

	if (!config->cache_store_log)
		return NULL;
	log = mem_zalloc(sizeof(*log));
	log->writer = writer;
	log->batch = nworkers;
	log->keeps_query = !config->strip_query_terms;
	if (log_writer_file_or_wait(writer, path_of(config->cache_store_log),
	                            config->logfile_rotate, &log->file, &why) == ERR_OK)
		return log;
	log_say(0, "ERROR: cache_store_log: %s; nothing is logged there", why.at);
	mem_free(log);
	return NULL;
}

void store_log_destroy(struct store_log *log)
{
	if (!log)
		return;
	log_writer_release(log->writer, log->file);
	mem_free(log);
}

/* Of lines of fields, without its parameters; "unknown": there is none. */
static struct str content_type(struct str lines)
{
	static const struct str name = STR("Content-Type:");
	struct str line;

	while (str_split(&lines, '\n', &line)) {
		struct str value = str_trim(str_from(line, name.len));

		if (str_eq_nocase(str_first(line, name.len), name) && value.len > 0)
			return str_trim(str_first(value, str_find_char(value, ';')));
	}
	return STR("unknown");
}

static int64_t or_none(int64_t time_s)
{
	return time_s > 0 ? time_s : -1;
}

/* id: of the row, 0: it is nowhere. */
static void add(struct store_log *log, const char *action, struct object *object, uint64_t id)
{
	int64_t now_us = clock_wall_us();
	struct str url = object->url, type = content_type(object->head);
	size_t query = str_find_char(url, '?');
	struct buf line;

	if (!log->keeps_query && query < url.len)
		url = str_first(url, query + 1);
	buf_init(&line, LINE_MAX_BYTES);
	buf_printf(&line,
	           "%9" PRId64 ".%03d %-7s %02d %08" PRIX64 " %032" PRIX64 " %4d %9" PRId64
	           " %9" PRId64 " %9" PRId64 " %.*s %" PRId64 "/%" PRIu64 " GET %.*s\n",
	           now_us / 1000000, (int)(now_us / 1000 % 1000), action,
	           id ? (int)disk_number(id) : NO_FILE, id ? disk_row(id) : UINT32_MAX, object->key,
	           object->status, or_none(object->facts.date_s), or_none(object->facts.modified_s),
	           or_none(object->facts.expires_s), STR_ARG(type), object->body_bytes,
	           (uint64_t)object_length(object), STR_ARG(url));
	if (!line.is_full)
		log_writer_add(log->writer, log->batch, log->file, now_us, buf_str(&line));
	buf_fini(&line);
}

void store_log_stored(struct store_log *log, struct object *object)
{
	add(log, "SWAPOUT", object,
	    atomic_load_explicit(&object->disk_id, memory_order_relaxed));
}

void store_log_released(struct store_log *log, struct object *object)
{
	add(log, "RELEASE", object, 0);
}
