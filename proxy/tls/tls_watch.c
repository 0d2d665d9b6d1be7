/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tls/tls_watch.h"

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "proxy/process/transcript.h"
#include "proxy/tls/tls_table.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"
#include "squid-compat/tls/tls_outgoing.h"

/* A look at thousands of files takes some milliseconds: it may be a hundredth of the time. */
enum { INTERVAL_MS = 1000, MAX_INTERVAL_MS = 3000, SHARE = 100 };

/* ---- watching */

/* 0: there is nothing to watch. */
static uint64_t stamp_of(const struct config *config)
{
	struct arena scratch;
	uint64_t stamp = 0;

	arena_init(&scratch, NULL, 0);
	for (const struct port *port = config->ports->first; port; port = port->next)
		if (port->is_tls)
			stamp = stamp * 31 + tls_files_stamp(&port->tls, &scratch);
	for (const struct peer *peer = config->peers->first; peer; peer = peer->next)
		if (peer->is_tls)
			stamp = stamp * 31 + tls_files_stamp(&peer->tls.options, &scratch);
	if (config->tls_outgoing->options.is_required)
		stamp = stamp * 31 + tls_files_stamp(&config->tls_outgoing->options, &scratch);
	arena_fini(&scratch);
	return stamp;
}

static void look(struct timer *timer)
{
	struct tls_watch *watch = CONTAINER(timer, struct tls_watch, timer_);
	int64_t began_ms = clock_mono_ms(), now_ms, wait_ms;
	uint64_t stamp = stamp_of(watch->config_);

	if (stamp != watch->stamp_ && watch->changed(watch->owner))
		watch->stamp_ = stamp;
	now_ms = clock_mono_ms();
	wait_ms = INTERVAL_MS + (now_ms - began_ms) * SHARE;
	timer_set(watch->loop, &watch->timer_,
	          now_ms + (wait_ms < MAX_INTERVAL_MS ? wait_ms : MAX_INTERVAL_MS));
}

void tls_watch_init(struct tls_watch *watch, struct loop *loop, bool (*changed)(void *owner),
                    void *owner)
{
	*watch = (struct tls_watch){.loop = loop, .changed = changed, .owner = owner};
	timer_init(&watch->timer_, look);
}

void tls_watch_stop(struct tls_watch *watch)
{
	if (watch->loop)
		timer_cancel(&watch->timer_);
}

void tls_watch_follow(struct tls_watch *watch, const struct config *config)
{
	watch->config_ = config;
	watch->stamp_ = stamp_of(config);
	if (watch->stamp_ == 0)
		timer_cancel(&watch->timer_);
	else
		timer_set(watch->loop, &watch->timer_, clock_mono_ms() + INTERVAL_MS);
}

/* ---- reading again */

/* table NULL: only so that world sees what is read. */
struct reader {
	const struct world *world;
	struct tls_table *table;
};

static void read_port(const struct reader *reader, const struct port *port)
{
	struct tls_files files;
	struct arena arena;

	if (!port->is_tls)
		return;
	arena_init(&arena, NULL, 0);
	tls_files_read(&port->tls, reader->world, &arena, &files);
	if (reader->table)
		tls_table_set_port(reader->table, port, &files, true);
	arena_fini(&arena);
}

static void read_outgoing(const struct reader *reader, struct str name,
                          const struct tls_outgoing *outgoing)
{
	struct tls_files files;
	struct arena arena;

	arena_init(&arena, NULL, 0);
	tls_files_read(&outgoing->options, reader->world, &arena, &files);
	if (reader->table)
		tls_table_set_peer(reader->table, name, outgoing, &files, true);
	arena_fini(&arena);
}

static void read_all(const struct config *config, const struct world *world,
                     struct tls_table *table)
{
	const struct reader reader = {world, table};

	for (const struct port *port = config->ports->first; port; port = port->next)
		read_port(&reader, port);
	for (const struct peer *peer = config->peers->first; peer; peer = peer->next)
		if (peer->is_tls)
			read_outgoing(&reader, peer->name, &peer->tls);
	if (config->tls_outgoing->options.is_required)
		read_outgoing(&reader, STR(""), config->tls_outgoing);
}

int tls_watch_record(const struct config *config)
{
	struct transcript *transcript = transcript_create();
	struct config_options options = {.world = NULL};
	int fd;

	transcript_record(transcript, &options);
	read_all(config, options.world, NULL);
	fd = transcript_send(transcript);
	transcript_destroy(transcript);
	return fd;
}

void tls_watch_replay(const struct config *config, struct tls_table *table, int fd)
{
	struct transcript *transcript = transcript_receive(fd);
	struct config_options options = {.world = NULL};

	if (!transcript) {
		log_say(0, "ERROR: the renewed certificates did not arrive; going on with the old "
		           "ones");
		return;
	}
	transcript_replay(transcript, &options);
	read_all(config, options.world, table);
	transcript_destroy(transcript);
}

void tls_watch_renew(const struct config *config, struct tls_table *table,
                     const struct world *world)
{
	read_all(config, world, table);
}
