/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/log/key_log.h"

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/net/stream_tls.h"
#include "proxy/log/log_place.h"
#include "proxy/log/log_writer.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/log/access_log.h"

struct key_log {
	struct log_writer *writer;
	struct log_file *file;
	const struct acl_condition *condition; /* the configuration's */
	unsigned batch;
};

struct key_log *key_log_create(const struct config *config, struct log_writer *writer,
			       unsigned batch)
{
	const struct access_log *line = config->logs->keys.first;
	struct log_file *file = NULL;
	struct err_text why = {""};
	struct key_log *log;

	if (!line)
		return NULL;
	if (log_place_open(line, config, writer, &file, &why) != ERR_OK) {
		log_say(0, "ERROR: tls_key_log: %s; no secrets are written", why.at);
		return NULL;
	}
	if (why.at[0])
		log_say(0, "ERROR: tls_key_log: %s; nothing is written until it can be", why.at);
	log_say(0,
	        "WARNING: tls_key_log: who can read '%s' can read the TLS connections whose secrets "
	        "go there",
	        line->place.at);
	log = mem_alloc(sizeof(*log));
	*log = (struct key_log){writer, file, line->condition, batch};
	return log;
}

void key_log_destroy(struct key_log *log)
{
	if (!log)
		return;
	log_writer_release(log->writer, log->file);
	mem_free(log);
}

static void add(void *owner, struct str line)
{
	struct key_log *log = owner;

	log_writer_add(log->writer, log->batch, log->file, clock_wall_us(), line);
}

void key_log_follow(struct key_log *log, struct stream *stream, const struct acl_facts *facts)
{
	struct acl_facts asked = *facts;
	struct arena arena;

	if (!log)
		return;
	arena_init(&arena, NULL, 0);
	asked.arena = &arena;
	asked.is_fast = true;
	if (!log->condition || acl_condition_holds(log->condition, &asked))
		stream_log_keys(stream, (struct tls_key_sink){add, log});
	arena_fini(&arena);
}
