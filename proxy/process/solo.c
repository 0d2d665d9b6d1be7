/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/solo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/net/loop.h"
#include "proxy/control/control.h"
#include "proxy/control/control_path.h"
#include "proxy/log/cache_log.h"
#include "proxy/process/activation.h"
#include "proxy/process/config_history.h"
#include "proxy/process/missing_ports.h"
#include "proxy/process/notify.h"
#include "proxy/process/pid_file.h"
#include "proxy/process/process.h"
#include "proxy/process/sockets.h"
#include "proxy/process/startup.h"
#include "proxy/process/transcript.h"
#include "proxy/serve.h"
#include "proxy/server.h"
#include "proxy/tls/tls_watch.h"
#include "squid-compat/command_line.h"
#include "squid-compat/config.h"
#include "squid-compat/world.h"

enum { LOOP_READ_BYTES = 4096, RELOAD_SPACING_MS = 250 };

/* The main thread's. */
struct solo {
	struct loop *loop;
	struct serve *serve;
	struct control *control;
	struct sockets sockets;
	struct pid_file pid_file;
	char *control_path;
	int control_fd;
	struct notify notify;
	struct loop_fd signals;
	struct timer reload_timer; /* a storm of SIGHUP is one reload now and then */
	int64_t reloaded_ms;
	struct config_history history;
	struct timer watchdog_timer;
	int64_t watchdog_ms;
	struct tls_watch tls_watch;
	struct missing_ports missing;
	struct timer ports_timer; /* they are tried again */
};

/* ---- ports */

static void give_sockets(struct solo *solo)
{
	LIST_EACH(node, &solo->sockets.ports) {
		struct listening *port = CONTAINER(node, struct listening, node);

		if (!port->is_new)
			continue;
		serve_listen(solo->serve, port->spec, port->is_https, port->fds, port->nfds);
		port->nfds = 0;
	}
}

static void take_sockets_back(struct solo *solo)
{
	LIST_EACH(node, &solo->sockets.ports) {
		struct listening *port = CONTAINER(node, struct listening, node);

		if (port->is_gone)
			serve_unlisten(solo->serve, port->spec, port->is_https);
	}
}

static void follow_ports(struct solo *solo)
{
	missing_ports_set(&solo->missing, buf_str(&solo->sockets.missing));
	if (solo->sockets.missing.len > 0)
		timer_set(solo->loop, &solo->ports_timer, clock_mono_ms() + PORT_RETRY_MS);
}

static void retry_ports(struct timer *timer)
{
	struct solo *solo = CONTAINER(timer, struct solo, ports_timer);

	if (serve_is_stopping(solo->serve))
		return;
	sockets_retry(&solo->sockets, serve_config(solo->serve)->ports);
	give_sockets(solo);
	sockets_commit(&solo->sockets);
	follow_ports(solo);
}

/* ---- certificates */

static bool tls_changed(void *owner)
{
	struct solo *solo = owner;

	if (!serve_is_stopping(solo->serve))
		tls_watch_renew(serve_config(solo->serve), serve_server(solo->serve)->tls,
		                &world_system);
	return true;
}

/* ---- reload */

static bool take_config(struct solo *solo, struct config *config)
{
	sockets_open(&solo->sockets, config->ports);
	if (sockets_count(&solo->sockets) == 0) {
		log_say(0, "ERROR: no port of the new configuration can be opened; going on with "
		           "the old one");
		sockets_revert(&solo->sockets);
		config_unref(config);
		retry_ports(&solo->ports_timer);
		return false;
	}
	serve_take_config(solo->serve, config);
	take_sockets_back(solo);
	give_sockets(solo);
	sockets_commit(&solo->sockets);
	follow_ports(solo);
	tls_watch_follow(&solo->tls_watch, serve_config(solo->serve));
	return true;
}

static void reload_over(struct solo *solo)
{
	notify_ready(&solo->notify, getpid());
	solo->reloaded_ms = clock_mono_ms();
}

static void reload(struct solo *solo)
{
	int64_t read_us = clock_mono_us();
	struct transcript *transcript;
	struct config *config;
	bool is_ok;

	if (serve_is_stopping(solo->serve)) {
		log_say(1, "canceling reconfigure request during shutdown");
		control_reload_done(solo->control, false, read_us);
		return;
	}
	notify_reloading(&solo->notify);
	transcript = transcript_create();
	config = serve_read_config(solo->serve, transcript, false);
	is_ok = config && take_config(solo, config);
	if (is_ok)
		config_history_push(&solo->history, transcript);
	else
		transcript_destroy(transcript);
	reload_over(solo);
	control_reload_done(solo->control, is_ok, read_us);
}

static void want_rollback(void *owner)
{
	struct solo *solo = owner;
	struct transcript *transcript = config_history_previous(&solo->history);
	struct config *config = NULL;
	bool is_ok;

	if (!transcript || serve_is_stopping(solo->serve)) {
		log_say(0, "ERROR: " NO_EARLIER_CONFIG);
		control_rollback_done(solo->control, false, NO_EARLIER_CONFIG);
		return;
	}
	log_say(1, "Going back to the configuration before this one; squid.conf stays as it is");
	notify_reloading(&solo->notify);
	config = serve_read_config(solo->serve, transcript, true);
	is_ok = config && take_config(solo, config);
	if (is_ok)
		config_history_pop(&solo->history);
	reload_over(solo);
	control_rollback_done(solo->control, is_ok, NULL);
}

static void reload_due(struct timer *timer)
{
	reload(CONTAINER(timer, struct solo, reload_timer));
}

static void want_reload(void *owner)
{
	struct solo *solo = owner;
	int64_t due_ms = solo->reloaded_ms + RELOAD_SPACING_MS;

	if (solo->reload_timer.deadline_ms != 0)
		return;
	if (solo->reloaded_ms == 0 || clock_mono_ms() >= due_ms)
		reload(solo);
	else
		timer_set(solo->loop, &solo->reload_timer, due_ms);
}

/* ---- signals */

static void stop(struct solo *solo, bool is_fast)
{
	notify_stopping(&solo->notify);
	serve_stop(solo->serve, is_fast);
}

static void want_shutdown(void *owner)
{
	stop(owner, false);
}

static void on_hup(struct solo *solo)
{
	want_reload(solo);
}

static void on_rotate(struct solo *solo)
{
	serve_rotate(solo->serve);
}

static void on_debug(struct solo *solo)
{
	serve_toggle_debug(solo->serve);
}

static void on_term(struct solo *solo)
{
	stop(solo, false);
}

static void on_int(struct solo *solo)
{
	stop(solo, true);
}

/* SIGTTIN restarts the kid of a parent; nobody is there to start this one again. */
static const struct {
	int signal;
	void (*act)(struct solo *solo);
} actions[] = {
	{SIGHUP, on_hup},    {SIGUSR1, on_rotate}, {SIGQUIT, on_rotate}, {SIGUSR2, on_debug},
	{SIGTRAP, on_debug}, {SIGTERM, on_term},   {SIGTTIN, on_term},   {SIGINT, on_int},
};

static void on_signals(struct loop_fd *watch, uint32_t events)
{
	struct solo *solo = CONTAINER(watch, struct solo, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		for (size_t i = 0; i < COUNT(actions); i++)
			if (actions[i].signal == (int)info.ssi_signo)
				actions[i].act(solo);
}

static bool watch_signals(struct solo *solo)
{
	int signals[COUNT(actions)];

	for (size_t i = 0; i < COUNT(actions); i++)
		signals[i] = actions[i].signal;
	solo->signals = (struct loop_fd){.fd = process_take_signals(signals, COUNT(actions)),
	                                 .ready = on_signals};
	return solo->signals.fd >= 0 && loop_watch_level(solo->loop, &solo->signals, EPOLLIN);
}

/* ---- start and end */

static void ended(void *owner)
{
	struct solo *solo = owner;

	timer_cancel(&solo->reload_timer);
	timer_cancel(&solo->watchdog_timer);
	timer_cancel(&solo->ports_timer);
	tls_watch_stop(&solo->tls_watch);
	control_destroy(solo->control);
	solo->control = NULL;
	loop_stop(solo->loop);
}

/* What needs root's rights. */
static enum err open_all(struct solo *solo, const struct config *config, struct err_text *why)
{
	enum err err;

	sockets_open(&solo->sockets, config->ports);
	if (sockets_count(&solo->sockets) == 0) {
		err_say(why, "Unable to open HTTP Socket");
		return ERR_IO;
	}
	err = pid_file_write(&solo->pid_file, config->pid_filename, why);
	if (err != ERR_OK)
		return err;
	if (control_listen(solo->control_path, config, &solo->control_fd, why) != ERR_OK)
		log_say(1, "WARNING: %s; bobtailctl will not work", why->at);
	return process_settle(config, why);
}

static void watchdog_due(struct timer *timer)
{
	struct solo *solo = CONTAINER(timer, struct solo, watchdog_timer);

	notify_alive(&solo->notify);
	timer_set(solo->loop, timer, clock_mono_ms() + solo->watchdog_ms / 3);
}

static enum err start(struct solo *solo, const struct command_line *line, struct config *config,
                      struct err_text *why)
{
	const struct serve_options options = {
		.line = line,
		.config = config,
		.loop = solo->loop,
		.role = "master worker",
		.stopped = ended,
		.reload = want_reload,
		.shutdown = want_shutdown,
		.owner = solo,
	};
	enum err err = serve_start(&options, &solo->serve, why);

	if (err != ERR_OK)
		return err;
	give_sockets(solo);
	sockets_commit(&solo->sockets);
	follow_ports(solo);
	if (solo->control_fd >= 0)
		solo->control = control_create(&(struct control_options){
			.loop = solo->loop,
			.serve = solo->serve,
			.fd = solo->control_fd,
			.reload = want_reload,
			.shutdown = want_shutdown,
			.rollback = want_rollback,
			.owner = solo,
		});
	tls_watch_init(&solo->tls_watch, solo->loop, tls_changed, solo);
	tls_watch_follow(&solo->tls_watch, serve_config(solo->serve));
	notify_ready(&solo->notify, getpid());
	solo->watchdog_ms = notify_watchdog_ms();
	if (solo->watchdog_ms > 0)
		watchdog_due(&solo->watchdog_timer);
	return ERR_OK;
}

static int run(struct solo *solo, const struct command_line *line, struct config *config)
{
	struct err_text why;

	if (config->pid_filename && !pid_file_is_free(config->pid_filename, &why))
		return startup_fail(why.at);
	solo->loop = loop_create(LOOP_READ_BYTES, &why);
	if (!solo->loop)
		return startup_fail(why.at);
	if (!watch_signals(solo)) {
		err_say(&why, "cannot watch for signals: %s", strerror(errno));
		return startup_fail(why.at);
	}
	if (open_all(solo, config, &why) != ERR_OK)
		return startup_fail(why.at);
	if (start(solo, line, config, &why) != ERR_OK)
		return EXIT_FAILURE;
	loop_run(solo->loop);
	serve_destroy(solo->serve);
	return EXIT_SUCCESS;
}

/* The path as it was meant where we started: coredump_dir is somewhere else. Links in it are not
 * followed, since they may point elsewhere at the next reload. NULL: it is fine as it is. */
static char *absolute_path(const char *path)
{
	char *here = path && *path != '/' ? getcwd(NULL, 0) : NULL;
	char *absolute = here ? mem_printf("%s/%s", here, path) : NULL;

	free(here);
	return absolute;
}

int solo_run(const struct command_line *line, struct config *config, struct transcript *transcript)
{
	struct command_line from_anywhere = *line;
	char *config_path = absolute_path(line->config_path);
	unsigned nworkers =
		config->nworkers < SERVER_MAX_WORKERS ? config->nworkers : SERVER_MAX_WORKERS;
	struct solo solo = {.control_path = control_path(config), .control_fd = -1};
	int fds[ACTIVATION_MAX_FDS], status;

	notify_init(&solo.notify);
	cache_log_open_syslog(line);
	sockets_init(&solo.sockets, nworkers);
	sockets_inherit(&solo.sockets, fds, activation_take(fds));
	config_history_push(&solo.history, transcript);
	timer_init(&solo.reload_timer, reload_due);
	timer_init(&solo.watchdog_timer, watchdog_due);
	timer_init(&solo.ports_timer, retry_ports);
	missing_ports_init(&solo.missing);
	if (config_path)
		from_anywhere.config_path = config_path;
	status = run(&solo, &from_anywhere, config);
	if (solo.control_fd >= 0)
		unlink(solo.control_path);
	pid_file_remove(&solo.pid_file);
	config_history_fini(&solo.history);
	sockets_fini(&solo.sockets);
	missing_ports_fini(&solo.missing);
	if (solo.signals.is_watched_) {
		loop_unwatch(solo.loop, &solo.signals);
		close(solo.signals.fd);
	}
	loop_destroy(solo.loop);
	mem_free(solo.control_path);
	mem_free(config_path);
	config_unref(config);
	return status;
}
