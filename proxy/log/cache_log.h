/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/log/cache_log.h: where the lines of log_say go: cache.log by way of the log writer, stderr
 * (all when there is no cache.log; with -d those up to a level), and with -s syslog. Squid:
 * cache_log.
 *
 * Threads: open and close while there is one thread; reopen by the reload thread; lines from
 * any. */
#ifndef PROXY_CACHE_LOG_H
#define PROXY_CACHE_LOG_H
#include <stddef.h>

struct command_line;
struct config;
struct log_writer;

/* batch: the writer's, for lines from everywhere. A file that cannot be opened is said, and stderr
 * is used. writer must outlive what follows, up to cache_log_close. */
void cache_log_open(const struct command_line *line, const struct config *config,
                    struct log_writer *writer, unsigned batch);
/* The file may be another one after a reload. */
void cache_log_reopen(const struct config *config);
/* Tries a file again that could not be opened; now and then, by whoever reopens. */
void cache_log_heal(const struct config *config);
void cache_log_close(void); /* back to stderr */

/* A finished line, with its newline, from elsewhere. */
void cache_log_line(int level, const char *line, size_t len);

/* With -s: prepares syslog; cache_log_to_syslog then sends a finished line (as Squid: without its
 * time, levels 0 and 1). */
void cache_log_open_syslog(const struct command_line *line);
void cache_log_to_syslog(int level, const char *line, size_t len);

#endif
