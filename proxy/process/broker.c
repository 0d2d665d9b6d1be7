/* SPDX-License-Identifier: BSD-2-Clause */
/* The parent's start, its signals and messages, and its end. broker_kid.c has the kid's life,
 * broker_reload.c what becomes of a new configuration, broker_ports.c the sockets. */
#include "proxy/process/broker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
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
#include "proxy/process/broker_internal.h"
#include "proxy/process/channel.h"
#include "proxy/process/process.h"
#include "proxy/process/startup.h"
#include "proxy/process/transcript.h"
#include "proxy/process/upgrade.h"
#include "proxy/tls/tls_watch.h"
#include "squid-compat/command_line.h"
#include "squid-compat/config.h"

enum {
	LOOP_READ_BYTES = 4096,
	STOP_GRACE_MS = 30000, /* beyond shutdown_lifetime */
};

static struct broker *logging; /* whose kid gets log lines; set while it runs */

/* Level 0 and 1 on stderr (the journal, in the foreground), and in cache.log by way of the kid,
 * which alone opens files. */
static void log_line(int level, const char *line, size_t len)
{
	char *text;

	(void)!write(STDERR_FILENO, line, len);
	cache_log_to_syslog(level, line, len);
	if (logging->kid_state == KID_NONE)
		return;
	text = str_dup((struct str){line, len});
	(void)!channel_send(logging->channel.fd, CHANNEL_LOG, level, text, NULL, 0);
	mem_free(text);
}

bool broker_tell(struct broker *broker, enum channel_kind kind, int64_t value)
{
	return broker->kid_state != KID_NONE &&
	       channel_send(broker->channel.fd, kind, value, NULL, NULL, 0);
}

void broker_finish(struct broker *broker, int status)
{
	broker->status = status;
	loop_stop(broker->loop);
}

/* ---- stopping */

static void kill_due(struct timer *timer)
{
	struct broker *broker = CONTAINER(timer, struct broker, kill_timer);

	if (broker->kid_state != KID_NONE) {
		log_say(0, "WARNING: process %d does not stop; killing it", (int)broker->kid);
		kill(broker->kid, SIGKILL);
	}
	upgrade_kill_leaving(broker);
}

/* The kid may take shutdown_lifetime, and the disk some seconds more. */
static void stop_kid(struct broker *broker, bool is_fast)
{
	int64_t wait_ms = is_fast ? 0 : broker->config->shutdown_lifetime_ms;

	timer_set(broker->loop, &broker->kill_timer, clock_mono_ms() + wait_ms + STOP_GRACE_MS);
	if (!broker_tell(broker, CHANNEL_STOP, is_fast))
		kill(broker->kid, SIGKILL);
}

/* The second wish cuts the wait, the third one kills. Ports refuse from now on. */
static void stop(struct broker *broker, bool is_fast)
{
	broker->aim = AIM_STOP;
	broker->nstops++;
	notify_stopping(&broker->notify);
	timer_cancel(&broker->restart_timer);
	sockets_fini(&broker->sockets);
	upgrade_stop(broker, is_fast || broker->nstops > 1);
	if (broker->nstops > 2)
		upgrade_kill_leaving(broker);
	if (broker->kid_state == KID_NONE && broker->upgrade.nleaving == 0)
		broker_finish(broker, EXIT_SUCCESS);
	else if (broker->kid_state == KID_NONE)
		return;
	else if (broker->nstops > 2)
		kill(broker->kid, SIGKILL);
	else
		stop_kid(broker, is_fast || broker->nstops > 1);
}

static void on_term(struct broker *broker)
{
	stop(broker, false);
}

static void on_int(struct broker *broker)
{
	stop(broker, true);
}

/* Another kid, with the file as it is now; connections wait in the sockets meanwhile. */
static void on_restart(struct broker *broker)
{
	struct transcript *transcript;
	struct config *config;

	if (broker->aim != AIM_SERVE || broker->next || broker->kid_state == KID_NONE ||
	    upgrade_is_under_way(broker))
		return;
	transcript = transcript_create();
	config = broker_read_next(broker, transcript, false);
	if (config) {
		config_history_push(&broker->history, transcript);
		sockets_commit(&broker->sockets);
		config_unref(broker->config);
		broker->config = config;
		broker->is_tls_renewed = false;
		tls_watch_follow(&broker->tls_watch, config);
	} else {
		transcript_destroy(transcript);
	}
	broker->aim = AIM_RESTART;
	stop_kid(broker, false);
}

/* ---- the service manager's watchdog */

/* The kid, too, has to turn its loop; while there is none, its next start is what is waited for. */
static void watchdog_due(struct timer *timer)
{
	struct broker *broker = CONTAINER(timer, struct broker, watchdog_timer);

	if (broker->kid_state != KID_READY || !broker_tell(broker, CHANNEL_PING, 0))
		notify_alive(&broker->notify);
	timer_set(broker->loop, timer, clock_mono_ms() + broker->watchdog_ms / 3);
}

static void start_watchdog(struct broker *broker)
{
	broker->watchdog_ms = notify_watchdog_ms();
	if (broker->watchdog_ms > 0)
		watchdog_due(&broker->watchdog_timer);
}

/* ---- signals and messages */

static void on_rotate(struct broker *broker)
{
	broker_tell(broker, CHANNEL_ROTATE, 0);
}

static void on_debug(struct broker *broker)
{
	broker_tell(broker, CHANNEL_DEBUG, 0);
}

static void on_child(struct broker *broker)
{
	int status;

	if (broker->kid_state != KID_NONE && waitpid(broker->kid, &status, WNOHANG) == broker->kid)
		broker_kid_gone(broker, status);
	upgrade_reap(broker);
}

static const struct {
	int signal;
	void (*act)(struct broker *broker);
} actions[] = {
	{SIGHUP, broker_reload}, {SIGUSR1, on_rotate},  {SIGQUIT, on_rotate},
	{SIGUSR2, on_debug},     {SIGTRAP, on_debug},   {SIGTERM, on_term},
	{SIGINT, on_int},        {SIGTTIN, on_restart}, {SIGCHLD, on_child},
};

static void on_signals(struct loop_fd *watch, uint32_t events)
{
	struct broker *broker = CONTAINER(watch, struct broker, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		for (size_t i = 0; i < COUNT(actions); i++)
			if (actions[i].signal == (int)info.ssi_signo)
				actions[i].act(broker);
}

static bool watch_signals(struct broker *broker)
{
	int signals[COUNT(actions)];

	for (size_t i = 0; i < COUNT(actions); i++)
		signals[i] = actions[i].signal;
	broker->signals = (struct loop_fd){.fd = process_take_signals(signals, COUNT(actions)),
	                                   .ready = on_signals};
	return broker->signals.fd >= 0 && loop_watch_level(broker->loop, &broker->signals, EPOLLIN);
}

static void keep_wishes(struct broker *broker, const char *text)
{
	mem_free(broker->wishes);
	broker->wishes = mem_strdup(text);
}

/* The kid is less trusted: its words are a few, and it passes no descriptors. */
static void take_message(struct broker *broker, const struct channel_message *message)
{
	for (unsigned i = 0; i < message->nfds; i++)
		close(message->fds[i]);
	if (message->kind == CHANNEL_READY && broker->kid_state == KID_STARTING)
		broker_kid_ready(broker);
	else if (message->kind == CHANNEL_RELOADED)
		broker_reload_answered(broker, message->value != 0);
	else if (message->kind == CHANNEL_ASK_RELOAD)
		broker_reload(broker);
	else if (message->kind == CHANNEL_PONG)
		notify_alive(&broker->notify);
	else if (message->kind == CHANNEL_ASK_ROLLBACK)
		broker_rollback(broker);
	else if (message->kind == CHANNEL_WISHES)
		keep_wishes(broker, message->text);
	else if (message->kind == CHANNEL_ASK_UPGRADE)
		upgrade_start(broker);
	else if (message->kind == CHANNEL_ASK_SHUTDOWN && broker->aim != AIM_STOP)
		on_term(broker);
	broker_reload_if_due(broker);
}

static void on_channel(struct loop_fd *watch, uint32_t events)
{
	struct broker *broker = CONTAINER(watch, struct broker, channel);
	struct channel_message message;
	int got;

	(void)events;
	while ((got = channel_receive(watch->fd, &message)) > 0)
		take_message(broker, &message);
	/* Its exit follows: SIGCHLD goes on. */
	if (got < 0)
		loop_unwatch(broker->loop, watch);
}

/* ---- start and end */

static void open_door(struct broker *broker)
{
	struct err_text why;

	if (upgrade_take_door(broker))
		return;
	if (control_listen(broker->control_path, broker->config, &broker->control_fd, &why) !=
	    ERR_OK)
		log_say(1, "WARNING: %s; bobtailctl will not work", why.at);
}

static bool go_to_background(struct broker *broker, struct err_text *why)
{
	if (broker->line->foreground || broker->upgrade.from.kid.pid > 0 ||
	    process_detach(broker->line->stderr_level >= 0, &broker->ready_fd))
		return true;
	err_say(why, "cannot go to the background: %s", strerror(errno));
	return false;
}

/* Ports first: what fails here is seen by whoever started us. */
static int open_all(struct broker *broker, struct err_text *why)
{
	const struct config *config = broker->config;

	sockets_open(&broker->sockets, config->ports);
	if (sockets_count(&broker->sockets) == 0) {
		err_say(why, "Unable to open HTTP Socket");
		return ERR_IO;
	}
	sockets_commit(&broker->sockets);
	if (!go_to_background(broker, why))
		return ERR_IO;
	open_door(broker);
	return pid_file_write(&broker->pid_file, config->pid_filename, why);
}

/* The loop's descriptors are made behind the fork that detaches. */
static int run(struct broker *broker)
{
	const char *pid_path = broker->config->pid_filename;
	struct err_text why;

	if (pid_path &&
	    (!pid_file_is_free(pid_path, &why) || pid_file_try(pid_path, &why) != ERR_OK))
		return startup_fail(why.at);
	if (open_all(broker, &why) != ERR_OK)
		return startup_fail(why.at);
	broker->loop = loop_create(LOOP_READ_BYTES, &why);
	if (!broker->loop)
		return startup_fail(why.at);
	if (!watch_signals(broker)) {
		err_say(&why, "cannot watch for signals: %s", strerror(errno));
		return startup_fail(why.at);
	}
	logging = broker;
	log_set_sink(log_line);
	tls_watch_init(&broker->tls_watch, broker->loop, broker_tls_changed, broker);
	tls_watch_follow(&broker->tls_watch, broker->config);
	start_watchdog(broker);
	if (!upgrade_resume(broker))
		broker_start_kid(broker);
	loop_run(broker->loop);
	log_set_sink(NULL);
	return broker->status;
}

static void clean_up(struct broker *broker)
{
	if (broker->control_fd >= 0) {
		close(broker->control_fd);
		unlink(broker->control_path);
	}
	pid_file_remove(&broker->pid_file);
	timer_cancel(&broker->restart_timer);
	timer_cancel(&broker->reload_timer);
	timer_cancel(&broker->kill_timer);
	timer_cancel(&broker->watchdog_timer);
	timer_cancel(&broker->ports_timer);
	tls_watch_stop(&broker->tls_watch);
	upgrade_fini(broker);
	config_history_fini(&broker->history);
	sockets_fini(&broker->sockets);
	if (broker->signals.is_watched_) {
		loop_unwatch(broker->loop, &broker->signals);
		close(broker->signals.fd);
	}
	loop_destroy(broker->loop);
	config_unref(broker->config);
	mem_free(broker->control_path);
	mem_free(broker->wishes);
}

static void inherit_sockets(struct broker *broker)
{
	const struct handover *from = &broker->upgrade.from;
	int fds[ACTIVATION_MAX_FDS];

	if (from->kid.pid > 0)
		sockets_inherit(&broker->sockets, from->fds, from->nfds);
	else
		sockets_inherit(&broker->sockets, fds, activation_take(fds));
}

int broker_run(const struct command_line *line, struct config *config,
               struct transcript *transcript, struct handover *from)
{
	struct broker broker = {
		.line = line,
		.config = config,
		.control_path = control_path(config),
		.control_fd = -1,
		.ready_fd = -1,
		.channel = {.fd = -1, .ready = on_channel},
	};
	int status;

	notify_init(&broker.notify);
	cache_log_open_syslog(line);
	sockets_init(&broker.sockets, broker_nworkers(config));
	upgrade_init(&broker, from);
	inherit_sockets(&broker);
	config_history_push(&broker.history, transcript);
	timer_init(&broker.restart_timer, broker_restart_due);
	timer_init(&broker.reload_timer, broker_reload_due);
	timer_init(&broker.kill_timer, kill_due);
	timer_init(&broker.watchdog_timer, watchdog_due);
	timer_init(&broker.ports_timer, broker_retry_ports);
	status = run(&broker);
	clean_up(&broker);
	return status;
}
