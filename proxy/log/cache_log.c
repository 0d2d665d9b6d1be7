/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/log/cache_log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/health.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "proxy/log/log_writer.h"
#include "squid-compat/command_line.h"
#include "squid-compat/config.h"

/* Set while there is one thread, but for file, which a reload may change (docs/ARCHITECTURE.md,
 * shared state). */
static struct {
	struct log_writer *writer;
	unsigned batch;
	_Atomic(struct log_file *)
		file; /* NULL: stderr; release by a reload, acquire by any line */
	int stderr_level;
	bool to_syslog;
	bool is_missing; /* who reopens has it */
	struct health_note health;
} cache_log = {.stderr_level = -1};

void cache_log_open_syslog(const struct command_line *line)
{
	if (!line->to_syslog)
		return;
	openlog("squid", LOG_PID | LOG_NDELAY | LOG_CONS, line->syslog_facility);
	cache_log.to_syslog = true;
}

void cache_log_to_syslog(int level, const char *line, size_t len)
{
	const char *bar = memchr(line, '|', len);
	const char *text = bar && bar + 2 < line + len ? bar + 2 : line;

	if (cache_log.to_syslog && level <= 1)
		syslog(level == 0 ? LOG_WARNING : LOG_NOTICE, "%.*s", (int)(line + len - text) - 1,
		       text);
}

void cache_log_line(int level, const char *line, size_t len)
{
	struct log_file *file = atomic_load_explicit(&cache_log.file, memory_order_acquire);

	if (!file || level <= cache_log.stderr_level)
		(void)!write(STDERR_FILENO, line, len);
	cache_log_to_syslog(level, line, len);
	if (file)
		log_writer_add(cache_log.writer, cache_log.batch, file, clock_wall_us(),
		               (struct str){line, len});
}

static void tell_unopened(const char *path, const char *why)
{
	char *what = mem_printf("cache_log %s", path);

	if (!cache_log.is_missing)
		log_say(0, "WARNING: cache_log: %s; messages go to stderr instead", why);
	cache_log.is_missing = true;
	health_bad(&cache_log.health, what, "%s; messages go to stderr", why);
	mem_free(what);
}

static void cache_log_is_there(void)
{
	cache_log.is_missing = false;
	health_good(&cache_log.health);
}

void cache_log_reopen(const struct config *config)
{
	struct log_file *file = NULL;
	struct err_text why;

	if (config->cache_log && log_writer_file(cache_log.writer, config->cache_log,
	                                         config->logfile_rotate, &file, &why) != ERR_OK)
		tell_unopened(config->cache_log, why.at);
	else
		cache_log_is_there();
	atomic_store_explicit(&cache_log.file, file, memory_order_release);
}

void cache_log_heal(const struct config *config)
{
	if (cache_log.is_missing)
		cache_log_reopen(config);
}

void cache_log_open(const struct command_line *line, const struct config *config,
                    struct log_writer *writer, unsigned batch)
{
	cache_log.writer = writer;
	cache_log.batch = batch;
	cache_log.stderr_level = line->stderr_level;
	cache_log_reopen(config);
	log_set_sink(cache_log_line);
}

void cache_log_close(void)
{
	log_set_sink(NULL);
	health_good(&cache_log.health);
	atomic_store_explicit(&cache_log.file, NULL, memory_order_release);
	cache_log.writer = NULL;
}
