/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/unit/proxy/server_fixture.h: a server that serves nobody: one worker whose loop turns only
 * when a test says so, made of a configuration in memory, and the lines of the log. */
#ifndef TESTS_UNIT_PROXY_SERVER_FIXTURE_H
#define TESTS_UNIT_PROXY_SERVER_FIXTURE_H
#include <stdio.h>

#include "cache/index.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "proxy/log/log_writer.h"
#include "proxy/server.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"
#include "tests/support/config_files.h"
#include "tests/support/config_lines.h"

/* What every configuration here begins with. */
#define SERVER_FIXTURE_LINES                                                                       \
	"http_port 80 accel\nhttp_access allow all\nvisible_hostname rig.example\n"                \
	"hosts_file none\npid_filename none\n"

struct server_fixture {
	struct server server;
	struct worker *worker;
	struct snapshot *snapshot; /* server.current */
};

static char server_fixture_log[65536];

static inline void server_fixture_hear(int level, const char *line, size_t len)
{
	size_t at = strlen(server_fixture_log);

	(void)level;
	if (at + len < sizeof(server_fixture_log))
		memcpy(server_fixture_log + at, line, len); /* what follows is zero */
}

static inline void hear_log(void)
{
	memset(server_fixture_log, 0, sizeof(server_fixture_log));
	log_set_sink(server_fixture_hear);
}

/* How often the log said it since hear_log. */
static inline unsigned log_count(const char *part)
{
	unsigned n = 0;

	for (const char *at = server_fixture_log; (at = strstr(at, part)); at++)
		n++;
	return n;
}

/* The caller has a reference. lines come behind those that every configuration has; where they log
 * nothing, nothing is logged. */
static inline struct config *config_of(const char *lines)
{
	char *text = mem_printf("%s%saccess_log none\n", SERVER_FIXTURE_LINES, lines);
	struct config_file files[] = {{"squid.conf", text, 0}, {NULL, NULL, 0}};
	struct source source = {files, config_files_read, config_files_expand};
	struct config_options options = {
		.source = &source, .world = &test_world, .memory_bytes = 1 << 30};
	struct report *report = report_create();
	struct config *config = config_read("squid.conf", &options, report);

	if (!config)
		fail_msg("%s", config_files_printed(report));
	report_destroy(report);
	mem_free(text);
	return config;
}

static inline void server_fixture_init(struct server_fixture *fixture, const char *lines)
{
	struct err_text why;

	*fixture = (struct server_fixture){0};
	hear_log();
	fixture->server.log = log_writer_create(2);
	if (server_prepare(&fixture->server, config_of(lines), &why) != ERR_OK)
		fail_msg("%s", why.at);
	fixture->worker = fixture->server.workers[0];
	fixture->snapshot = fixture->server.current;
}

/* One turn of the worker's loop. */
static inline void worker_turn(struct worker *worker)
{
	loop_stop(worker->loop);
	loop_run(worker->loop);
}

static inline void server_fixture_reconfigure(struct server_fixture *fixture, const char *lines)
{
	server_reconfigure(&fixture->server, config_of(lines));
	fixture->snapshot = fixture->server.current;
	worker_turn(fixture->worker);
	assert_ptr_equal(fixture->worker->snapshot, fixture->snapshot);
}

static inline void server_fixture_fini(struct server_fixture *fixture)
{
	snapshot_unref(fixture->server.current);
	server_stop(&fixture->server);
	log_writer_destroy(fixture->server.log);
	log_set_sink(NULL);
}

static inline const struct config *fixture_config(const struct server_fixture *fixture)
{
	return snapshot_config(fixture->snapshot);
}

/* Turns the loop until done says so; fails when that takes seconds. */
static inline void turn_until(struct worker *worker, bool (*done)(void *arg), void *arg)
{
	int64_t until_ms = clock_mono_ms() + 5000;

	while (!done(arg)) {
		if (clock_mono_ms() > until_ms)
			fail_msg("nothing happened");
		worker_turn(worker);
	}
}

#endif
