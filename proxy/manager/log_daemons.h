/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/log_daemons.h: log daemons beside the pools of helpers: one child each, which
 * answers nothing. Threads: a worker's. */
#ifndef PROXY_LOG_DAEMONS_H
#define PROXY_LOG_DAEMONS_H
#include <stdbool.h>

struct buf;
struct log_writer;

/* Number i of them, behind an empty line unless it is the first thing: false when there are no
 * more. */
bool log_daemon_write(struct log_writer *writer, unsigned i, bool is_first, struct buf *out);
/* The same as an object and a newline. */
bool log_daemon_write_json(struct log_writer *writer, unsigned i, struct buf *out);

#endif
