/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/serve.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/net/addr.h"
#include "lib/net/loop.h"
#include "proxy/limits/ban_file.h"
#include "proxy/limits/memory_room.h"
#include "proxy/log/cache_log.h"
#include "proxy/log/log_writer.h"
#include "proxy/manager/manager.h"
#include "proxy/manager/minutes.h"
#include "proxy/manager/statistics.h"
#include "proxy/manager/tally.h"
#include "proxy/process/process.h"
#include "proxy/process/startup.h"
#include "proxy/server.h"
#include "proxy/tls/ocsp_fetcher.h"
#include "proxy/version.h"
#include "proxy/worker.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/command_line.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

enum { DEBUG_ALL = 9, HEAL_MS = 2000 };

/* The main thread's, but for server, which has its own rules, and ended, which the joiner posts. */
struct serve {
	struct server server;
	struct serve_options options;
	struct config *config;
	struct statistics *statistics;
	struct minutes *minutes; /* NULL: no stats_file */
	struct ban_file *bans;   /* NULL: nobody is ever banned */
	struct memory_room *room;
	struct ocsp_fetcher *ocsp;
	struct manager *manager;
	unsigned nstops;
	int64_t wait_ms; /* said with the first stop */
	pthread_t joiner;
	struct mail ended;
	struct timer heal_timer;
};

/* ---- what is tried again */

static void heal_due(struct timer *timer)
{
	struct serve *serve = CONTAINER(timer, struct serve, heal_timer);

	cache_log_heal(serve->config);
	timer_set(serve->options.loop, timer, clock_mono_ms() + HEAL_MS);
}

static void start_healing(struct serve *serve)
{
	timer_init(&serve->heal_timer, heal_due);
	timer_set(serve->options.loop, &serve->heal_timer, clock_mono_ms() + HEAL_MS);
}

/* ---- bans: read before anybody is served; a reload goes on with the same file */

static void start_bans(struct serve *serve)
{
	char *path = ban_file_path(serve->config);

	if (config_has_bans(serve->config) && !ban_file_is_at(serve->bans, path)) {
		ban_file_stop(serve->bans);
		serve->bans = ban_file_start(serve->server.bans, path, serve->options.loop);
	}
	mem_free(path);
}

static void stop_bans(struct serve *serve)
{
	ban_file_stop(serve->bans);
	serve->bans = NULL;
}

/* ---- start */

static void set_level(const struct serve *serve)
{
	log_set_level(serve->options.line->full_debug ? DEBUG_ALL : serve->config->debug_level);
}

static void say_start(const struct serve *serve)
{
	log_say(0, "Starting Squid Cache version " VERSION_TEXT "...");
	log_say(0, "Service Name: %s", serve->options.line->service_name);
	log_say(1, "Process ID %d", (int)getpid());
	log_say(1, "Process Roles: %s", serve->options.role);
	log_say(1, "With %lu file descriptors available", process_max_files());
}

static enum err start_server(struct serve *serve, struct err_text *why)
{
	struct server *server = &serve->server;
	enum err err = log_writer_start(server->log, why);

	serve->manager = server->manager = manager_create(serve, serve->options.loop);
	if (err == ERR_OK)
		err = server_prepare(server, config_ref(serve->config), why);
	if (err == ERR_OK)
		err = server_start(server, why);
	return err;
}

/* What began to run before a failure ends with the process. */
enum err serve_start(const struct serve_options *options, struct serve **out, struct err_text *why)
{
	struct serve *serve = mem_zalloc(sizeof(*serve));
	unsigned nworkers = options->config->nworkers;
	enum err err;

	if (nworkers > SERVER_MAX_WORKERS)
		nworkers = SERVER_MAX_WORKERS;
	serve->options = *options;
	serve->config = config_ref(options->config);
	serve->server.log = log_writer_create(nworkers + 1);
	set_level(serve);
	cache_log_open(options->line, serve->config, serve->server.log, nworkers);
	say_start(serve);
	err = start_server(serve, why);
	if (err == ERR_OK) {
		serve->statistics = statistics_create(&serve->server, options->loop);
		if (serve->config->stats_file)
			serve->minutes = minutes_create(&serve->server, options->loop,
							serve->config->stats_file);
		start_healing(serve);
		start_bans(serve);
		serve->room = memory_room_start(&serve->server, options->loop);
		serve->ocsp = ocsp_fetcher_create(&serve->server, options->loop);
		*out = serve;
		return ERR_OK;
	}
	startup_fail(why->at);
	cache_log_close();
	log_writer_destroy(serve->server.log);
	return err;
}

const struct config *serve_config(const struct serve *serve)
{
	return serve->config;
}

struct config *serve_config_ref(const struct serve *serve)
{
	return config_ref(serve->config);
}

struct server *serve_server(struct serve *serve)
{
	return &serve->server;
}

const struct statistics *serve_statistics(const struct serve *serve)
{
	return serve->statistics;
}

const char *serve_service_name(const struct serve *serve)
{
	return serve->options.line->service_name;
}

void serve_want_reload(struct serve *serve)
{
	serve->options.reload(serve->options.owner);
}

void serve_keep_wishes(struct serve *serve)
{
	if (serve->options.keep_wishes)
		serve->options.keep_wishes(serve->options.owner);
}

void serve_want_shutdown(struct serve *serve)
{
	serve->options.shutdown(serve->options.owner);
}

/* ---- ports */

static const struct port *find_port(const struct serve *serve, const char *spec, bool is_https)
{
	const struct port *port = serve->config->ports->first;

	while (port && (port->is_https_line != is_https || !str_eq(port->spec, str_of(spec))))
		port = port->next;
	return port;
}

static void say_listening(const struct serve *serve, const char *spec, bool is_https, int fd)
{
	const struct port *port = find_port(serve, spec, is_https);
	struct addr addr;
	socklen_t len = sizeof(addr.as);
	char text[ADDR_TEXT_BYTES] = "-";

	if (getsockname(fd, &addr.as.any, &len) == 0)
		addr_text(&addr, text);
	log_say(1, "Accepting %s%s Socket connections at local=%s FD %d",
	        port && port->is_accel ? "reverse-proxy " : "", is_https ? "HTTPS" : "HTTP",
	        port && port->unix_path.at ? spec : text, fd);
}

void serve_listen(struct serve *serve, const char *spec, bool is_https, const int *fds,
                  unsigned nfds)
{
	if (nfds > 0)
		say_listening(serve, spec, is_https, fds[0]);
	/* More sockets than workers: the program that opened them had more. */
	for (unsigned i = 0; i < nfds; i++)
		worker_post_listener(serve->server.workers[i % serve->server.nworkers], spec,
		                     is_https, fds[i]);
}

void serve_unlisten(struct serve *serve, const char *spec, bool is_https)
{
	log_say(1, "Closing HTTP%s port %s", is_https ? "S" : "", spec);
	for (unsigned i = 0; i < serve->server.nworkers; i++)
		worker_post_unlisten(serve->server.workers[i], spec, is_https);
}

/* ---- reload, rotation */

struct config *serve_read_config(struct serve *serve, struct transcript *transcript, bool is_replay)
{
	struct config *config;
	int status;

	log_say(1, "Reconfiguring Squid Cache (version " VERSION_TEXT ")...");
	config = startup_read_by(serve->options.line, STARTUP_SAY, transcript, is_replay, &status);
	if (!config)
		log_say(0, "ERROR: the configuration cannot be used; going on with the old one");
	return config;
}

static bool has_same_dirs(const struct config *a, const struct config *b)
{
	const struct cache_dir *one = a->cache_dirs->first, *other = b->cache_dirs->first;

	for (; one && other; one = one->next, other = other->next)
		if (!str_eq(one->path, other->path) || one->max_bytes != other->max_bytes ||
		    one->replacement != other->replacement)
			return false;
	return one == other;
}

static void warn_of_restart(const struct config *old, const struct config *new)
{
	if (old->nworkers != new->nworkers)
		log_say(1, "WARNING: a change of workers takes effect at the next restart");
	if (old->memory_replacement != new->memory_replacement)
		log_say(1, "WARNING: a change of memory_replacement_policy takes effect at the next"
			   " restart");
	if (!has_same_dirs(old, new))
		log_say(1, "WARNING: a change of cache_dir or its policy takes effect at the next"
			   " restart");
}

void serve_take_config(struct serve *serve, struct config *config)
{
	struct config *old = serve->config;

	warn_of_restart(old, config);
	serve->config = config;
	set_level(serve);
	cache_log_reopen(config);
	start_bans(serve);
	server_reconfigure(&serve->server, config_ref(config));
	config_unref(old);
}

void serve_rotate(struct serve *serve)
{
	if (serve->nstops > 0)
		return;
	log_say(1, "Rotating logs and replacing helpers");
	log_writer_rotate(serve->server.log);
	server_renew_helpers(&serve->server);
}

void serve_toggle_debug(struct serve *serve)
{
	if (log_level() == DEBUG_ALL)
		set_level(serve);
	else
		log_set_level(DEBUG_ALL);
	log_say(0, "Full debug %s", log_level() == DEBUG_ALL ? "on" : "off");
}

/* ---- the end */

static void all_ended(struct mail *mail)
{
	struct serve *serve = CONTAINER(mail, struct serve, ended);

	pthread_join(serve->joiner, NULL);
	serve->options.stopped(serve->options.owner);
}

/* Waits where the main thread must not: it has to hear a second signal. */
static void *join_workers(void *arg)
{
	struct serve *serve = arg;

	server_join(&serve->server);
	loop_post(serve->options.loop, &serve->ended);
	return NULL;
}

static void say_requests(void *owner, const struct tally *tally)
{
	const struct serve *serve = owner;

	log_say(1, "Preparing for shutdown after %llu requests",
	        (unsigned long long)tally->counters.client_requests);
	log_say(1, "Waiting %d seconds for active connections to finish",
	        (int)(serve->wait_ms / 1000));
}

static void begin_stop(struct serve *serve, bool is_patient)
{
	int error;

	/* Asked before they are stopped, so answered. */
	tally_ask(&serve->server, serve->options.loop, say_requests, serve);
	if (is_patient)
		server_post_drain(&serve->server, serve->wait_ms);
	else
		server_post_stop(&serve->server, serve->wait_ms);
	serve->ended.deliver = all_ended;
	error = pthread_create(&serve->joiner, NULL, join_workers, serve);
	if (error == 0)
		return;
	log_say(0, "ERROR: cannot start a thread: %s; stopping at once", strerror(error));
	_exit(1);
}

static void stop_once(struct serve *serve, int64_t wait_ms, bool is_patient)
{
	statistics_stop(serve->statistics);
	minutes_stop(serve->minutes);
	timer_cancel(&serve->heal_timer);
	stop_bans(serve);
	memory_room_stop(serve->room);
	ocsp_fetcher_destroy(serve->ocsp);
	serve->ocsp = NULL;
	serve->wait_ms = wait_ms;
	begin_stop(serve, is_patient);
}

void serve_stop(struct serve *serve, bool is_fast)
{
	if (serve->nstops++ > 0) {
		server_post_stop(&serve->server, 0);
		return;
	}
	stop_once(serve, is_fast ? 0 : serve->config->shutdown_lifetime_ms, false);
}

void serve_drain(struct serve *serve, int64_t wait_ms)
{
	if (serve->nstops++ == 0)
		stop_once(serve, wait_ms, true);
}

bool serve_is_stopping(const struct serve *serve)
{
	return serve->nstops > 0;
}

void serve_destroy(struct serve *serve)
{
	if (!serve)
		return;
	manager_destroy(serve->manager);
	statistics_destroy(serve->statistics);
	minutes_read_last(serve->minutes);
	server_stop(&serve->server);
	log_say(1, "Squid Cache (Version " VERSION_TEXT "): Exiting normally.");
	cache_log_close();
	log_writer_destroy(serve->server.log);
	minutes_destroy(serve->minutes);
	config_unref(serve->config);
	mem_free(serve);
}
