/* SPDX-License-Identifier: BSD-2-Clause */
/* The kid: NONE → STARTING (forked, got its sockets) → READY → (exit) → NONE, started again at
 * once, or after a pause when it keeps dying. A reload has two halves: this process reads the file
 * and opens what is new; then the kid reads it too, and only when it has taken it over old ports
 * are closed. */
#include "proxy/broker.h"

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
#include "proxy/activation.h"
#include "proxy/broker_internal.h"
#include "proxy/channel.h"
#include "proxy/control/control.h"
#include "proxy/control/control_path.h"
#include "proxy/kid.h"
#include "proxy/log/cache_log.h"
#include "proxy/process.h"
#include "proxy/startup.h"
#include "proxy/tls/tls_watch.h"
#include "proxy/transcript.h"
#include "proxy/upgrade.h"
#include "squid-compat/command_line.h"
#include "squid-compat/config.h"

enum {
	LOOP_READ_BYTES = 4096,
	RELOAD_SPACING_MS = 250,  /* a storm of SIGHUP is one reload now and then */
	QUICK_DEATH_MS = 10000,   /* after its start */
	QUICK_DEATHS_AT_ONCE = 5, /* then it waits, twice as long each time */
	MAX_PAUSE_MS = 60000,
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

/* ---- certificates */

static bool give_tls_files(struct broker *broker)
{
	int fd = tls_watch_record(broker->config);
	bool is_sent = fd >= 0 && channel_send(broker->channel.fd, CHANNEL_TLS_FILES, 0, NULL, &fd, 1);

	if (!is_sent)
		log_say(0, "ERROR: cannot pass the renewed certificates on: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return is_sent;
}

static bool tls_changed(void *owner)
{
	struct broker *broker = owner;

	if (broker->next || broker->kid_state != KID_READY)
		return false;
	broker->is_tls_renewed = true;
	return give_tls_files(broker);
}

/* ---- the kid */

static _Noreturn void become_kid(struct broker *broker, int channel)
{
	log_set_sink(NULL);
	process_close_others(channel, broker->control_fd);
	exit(kid_run(broker->line, broker->config, channel, broker->control_fd));
}

static void take_kid(struct broker *broker, pid_t pid, int channel)
{
	broker->kid = pid;
	broker->kid_state = KID_STARTING;
	broker->kid_started_ms = clock_mono_ms();
	broker->channel.fd = channel;
	if (!loop_watch_level(broker->loop, &broker->channel, EPOLLIN))
		log_say(0, "ERROR: cannot watch the channel to the kid: %s", strerror(errno));
}

void broker_adopt_kid(struct broker *broker, pid_t pid, int channel)
{
	take_kid(broker, pid, channel);
	broker->kid_state = KID_READY;
	broker->has_served = true;
}

static void watch_kid(struct broker *broker, pid_t pid, int channel)
{
	take_kid(broker, pid, channel);
	log_say(1, "Squid Parent: (squid-1) process %d started", (int)pid);
	broker_give_all_sockets(broker);
	if (broker->is_tls_renewed)
		give_tls_files(broker);
	broker_tell(broker, CHANNEL_SYNC, 0);
}

static unsigned nworkers_of(const struct config *config)
{
	return config->nworkers < SERVER_MAX_WORKERS ? config->nworkers : SERVER_MAX_WORKERS;
}

static void start_kid(struct broker *broker)
{
	int ends[2];
	pid_t pid;

	broker->aim = AIM_SERVE;
	sockets_resize(&broker->sockets, nworkers_of(broker->config));
	if (!channel_pair(ends)) {
		log_say(0, "FATAL: cannot make a channel to the kid: %s", strerror(errno));
		broker_finish(broker, EXIT_FAILURE);
		return;
	}
	pid = fork();
	if (pid == 0)
		become_kid(broker, ends[1]);
	close(ends[1]);
	if (pid > 0) {
		watch_kid(broker, pid, ends[0]);
		return;
	}
	close(ends[0]);
	log_say(0, "ERROR: cannot fork: %s; trying again", strerror(errno));
	timer_set(broker->loop, &broker->restart_timer, clock_mono_ms() + MAX_PAUSE_MS);
}

static void restart_due(struct timer *timer)
{
	start_kid(CONTAINER(timer, struct broker, restart_timer));
}

static void say_exit(pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		log_say(0, "Squid Parent: squid-1 process %d exited due to signal %d with status 0",
		        (int)pid, WTERMSIG(status));
	else
		log_say(1, "Squid Parent: squid-1 process %d exited with status %d", (int)pid,
		        WEXITSTATUS(status));
}

static void restart_after_crash(struct broker *broker)
{
	int64_t pause_ms = 1000;

	if (clock_mono_ms() - broker->kid_started_ms < QUICK_DEATH_MS)
		broker->nquick_deaths++;
	else
		broker->nquick_deaths = 1;
	if (broker->nquick_deaths < QUICK_DEATHS_AT_ONCE) {
		start_kid(broker);
		return;
	}
	for (unsigned i = QUICK_DEATHS_AT_ONCE;
	     i < broker->nquick_deaths && pause_ms < MAX_PAUSE_MS; i++)
		pause_ms *= 2;
	if (pause_ms > MAX_PAUSE_MS)
		pause_ms = MAX_PAUSE_MS;
	log_say(0, "ERROR: squid-1 process dies again and again; the next one starts in %d s",
	        (int)(pause_ms / 1000));
	timer_set(broker->loop, &broker->restart_timer, clock_mono_ms() + pause_ms);
}

static void reload_answered(struct broker *broker, bool is_ok);

static void kid_gone(struct broker *broker, int status)
{
	bool is_clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	loop_unwatch(broker->loop, &broker->channel);
	close(broker->channel.fd);
	broker->kid_state = KID_NONE;
	if (broker->upgrade.nleaving == 0)
		timer_cancel(&broker->kill_timer);
	say_exit(broker->kid, status);
	if (broker->next)
		reload_answered(broker, true); /* the next kid starts with it */
	if (upgrade_failed(broker, "the new program's serving process ends at its start"))
		return;
	if (broker->aim == AIM_STOP && broker->upgrade.nleaving > 0)
		return; /* the last of them finishes */
	if (broker->aim == AIM_STOP || (is_clean && broker->aim != AIM_RESTART))
		broker_finish(broker, EXIT_SUCCESS);
	else if (broker->aim == AIM_RESTART)
		start_kid(broker);
	else if (!broker->has_served)
		broker_finish(broker, WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
	else
		restart_after_crash(broker);
}

static void kid_ready(struct broker *broker)
{
	broker->kid_state = KID_READY;
	broker->has_served = true;
	notify_ready(&broker->notify, getpid());
	upgrade_succeeded(broker);
	if (broker->ready_fd >= 0) {
		(void)!write(broker->ready_fd, "", 1);
		close(broker->ready_fd);
		broker->ready_fd = -1;
	}
}

/* ---- reload */

static void start_reload(struct broker *broker);

static void take_next(struct broker *broker)
{
	broker->config = broker->next;
	broker->is_tls_renewed = false;
	tls_watch_follow(&broker->tls_watch, broker->config);
	if (broker->next_transcript)
		config_history_push(&broker->history, broker->next_transcript);
	else
		config_history_pop(&broker->history);
}

/* The kid has taken broker->next over, or not. */
static void reload_answered(struct broker *broker, bool is_ok)
{
	struct config *old = is_ok ? broker->config : broker->next;

	if (!broker->next)
		return;
	if (is_ok) {
		if (broker->kid_state != KID_NONE)
			broker_give_changes(broker);
		sockets_commit(&broker->sockets);
		take_next(broker);
	} else {
		sockets_revert(&broker->sockets);
		transcript_destroy(broker->next_transcript);
	}
	broker->next = NULL;
	broker->next_transcript = NULL;
	config_unref(old);
	broker_follow_ports(broker);
	broker_tell(broker, CHANNEL_RELOAD_DONE, is_ok);
	broker->reloaded_ms = clock_mono_ms();
	notify_ready(&broker->notify, getpid());
}

static void refuse_reload(struct broker *broker)
{
	log_say(0, "ERROR: the configuration cannot be used; going on with the old one");
	broker_tell(broker, CHANNEL_RELOAD_DONE, false);
	broker->reloaded_ms = clock_mono_ms();
	notify_ready(&broker->notify, getpid());
}

/* The file as it is now, which transcript keeps, or what it kept (is_replay), with what is new in it
 * opened; NULL: it cannot be used. */
static struct config *read_next(struct broker *broker, struct transcript *transcript, bool is_replay)
{
	int status;
	struct config *config =
		startup_read_by(broker->line, STARTUP_SILENT, transcript, is_replay, &status);

	if (!config)
		return NULL;
	sockets_open(&broker->sockets, config->ports);
	if (sockets_count(&broker->sockets) > 0)
		return config;
	sockets_revert(&broker->sockets);
	broker_follow_ports(broker);
	config_unref(config);
	return NULL;
}

/* The kid reads the same. */
static void offer_next(struct broker *broker, const struct transcript *transcript)
{
	int fd = transcript_send(transcript);

	if (!channel_send(broker->channel.fd, CHANNEL_RELOAD, 0, NULL, &fd, fd >= 0))
		reload_answered(broker, false);
	if (fd >= 0)
		close(fd);
}

static void start_reload(struct broker *broker)
{
	struct transcript *transcript = transcript_create();

	notify_reloading(&broker->notify);
	broker->next = read_next(broker, transcript, false);
	if (broker->next) {
		broker->next_transcript = transcript;
		offer_next(broker, transcript);
		return;
	}
	transcript_destroy(transcript);
	refuse_reload(broker);
}

static void on_rollback(struct broker *broker)
{
	struct transcript *transcript = config_history_previous(&broker->history);

	if (!transcript || broker->next || broker->kid_state != KID_READY ||
	    broker->aim != AIM_SERVE) {
		log_say(0, "ERROR: %s",
		        transcript ? "no rollback while something else is under way"
		                   : "there is no earlier configuration to go back to");
		broker_tell(broker, CHANNEL_RELOAD_DONE, false);
		return;
	}
	log_say(1, "Going back to the configuration before this one; squid.conf stays as it is");
	notify_reloading(&broker->notify);
	broker->next = read_next(broker, transcript, true);
	if (broker->next)
		offer_next(broker, transcript);
	else
		refuse_reload(broker);
}

/* At once, when nothing is in the way; else when that has gone. */
static void reload_if_due(struct broker *broker)
{
	int64_t due_ms = broker->reloaded_ms + RELOAD_SPACING_MS;

	if (!broker->is_reload_due || broker->next || broker->kid_state != KID_READY ||
	    broker->aim != AIM_SERVE || upgrade_is_under_way(broker))
		return;
	if (broker->reloaded_ms != 0 && clock_mono_ms() < due_ms) {
		timer_set(broker->loop, &broker->reload_timer, due_ms);
		return;
	}
	broker->is_reload_due = false;
	start_reload(broker);
}

static void reload_due(struct timer *timer)
{
	reload_if_due(CONTAINER(timer, struct broker, reload_timer));
}

static void on_hup(struct broker *broker)
{
	if (broker->aim == AIM_STOP)
		log_say(1, "canceling reconfigure request during shutdown");
	broker->is_reload_due = broker->aim != AIM_STOP;
	reload_if_due(broker);
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
	config = read_next(broker, transcript, false);
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
		kid_gone(broker, status);
	upgrade_reap(broker);
}

static const struct {
	int signal;
	void (*act)(struct broker *broker);
} actions[] = {
	{SIGHUP, on_hup},    {SIGUSR1, on_rotate},  {SIGQUIT, on_rotate},
	{SIGUSR2, on_debug}, {SIGTRAP, on_debug},   {SIGTERM, on_term},
	{SIGINT, on_int},    {SIGTTIN, on_restart}, {SIGCHLD, on_child},
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

/* The kid is less trusted: its words are a few, and it passes no descriptors. */
static void take_message(struct broker *broker, const struct channel_message *message)
{
	for (unsigned i = 0; i < message->nfds; i++)
		close(message->fds[i]);
	if (message->kind == CHANNEL_READY && broker->kid_state == KID_STARTING)
		kid_ready(broker);
	else if (message->kind == CHANNEL_RELOADED)
		reload_answered(broker, message->value != 0);
	else if (message->kind == CHANNEL_ASK_RELOAD)
		on_hup(broker);
	else if (message->kind == CHANNEL_PONG)
		notify_alive(&broker->notify);
	else if (message->kind == CHANNEL_ASK_ROLLBACK)
		on_rollback(broker);
	else if (message->kind == CHANNEL_ASK_UPGRADE)
		upgrade_start(broker);
	else if (message->kind == CHANNEL_ASK_SHUTDOWN && broker->aim != AIM_STOP)
		on_term(broker);
	reload_if_due(broker);
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

	if (pid_path && !pid_file_is_free(pid_path, &why))
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
	tls_watch_init(&broker->tls_watch, broker->loop, tls_changed, broker);
	tls_watch_follow(&broker->tls_watch, broker->config);
	start_watchdog(broker);
	if (!upgrade_resume(broker))
		start_kid(broker);
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
	sockets_init(&broker.sockets, nworkers_of(config));
	upgrade_init(&broker, from);
	inherit_sockets(&broker);
	config_history_push(&broker.history, transcript);
	timer_init(&broker.restart_timer, restart_due);
	timer_init(&broker.reload_timer, reload_due);
	timer_init(&broker.kill_timer, kill_due);
	timer_init(&broker.watchdog_timer, watchdog_due);
	timer_init(&broker.ports_timer, broker_retry_ports);
	status = run(&broker);
	clean_up(&broker);
	return status;
}
