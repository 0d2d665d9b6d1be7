/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/log/log_place.h: opens the place that a line of squid.conf names as MODULE:PLACE.
 * Threads: any; it may ask the system for an address and wait. */
#ifndef PROXY_LOG_PLACE_H
#define PROXY_LOG_PLACE_H
#include "lib/base/err.h"

struct access_log; /* squid-compat/log/access_log.h */
struct config;
struct log_file;   /* proxy/log/log_writer.h */
struct log_writer;

/* A file whose directory may come later, or a target that is none; a daemon's log without
 * logfile_daemon is a file. The caller releases *out. ERR_OK with a why that is not empty: it
 * cannot be written yet. On failure *out is untouched. */
enum err log_place_open(const struct access_log *log, const struct config *config,
			struct log_writer *writer, struct log_file **out, struct err_text *why);

#endif
