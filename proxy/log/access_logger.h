/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/log/access_logger.h: the access_log lines of one configuration, with their files open.
 * Threads: immutable after access_logger_create; writing is for workers. */
#ifndef PROXY_ACCESS_LOGGER_H
#define PROXY_ACCESS_LOGGER_H
#include <stdbool.h>

#include "lib/base/err.h"

struct access_logger; /* opaque */
struct acl_facts;
struct config;
struct log_facts;
struct log_writer;
struct worker;

/* Opens the files of config's lines; one that cannot be opened is said and gets no records. */
struct access_logger *access_logger_create(const struct config *config, struct log_writer *writer);
void access_logger_destroy(struct access_logger *logger); /* accepts NULL */

/* Is there any line to write? */
bool access_logger_is_on(const struct access_logger *logger);

/* Are the fields of the reply asked for (facts' reply_head, and reply in acl_facts), or is no more
 * than its type? */
bool access_logger_wants_reply(const struct access_logger *logger);

/* One record for each line whose ACLs match, up to a `none` that does. */
void access_logger_write(struct access_logger *logger, struct worker *worker,
			 struct acl_facts *acl_facts, struct log_facts *facts);

#endif
