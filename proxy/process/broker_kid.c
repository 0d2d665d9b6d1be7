/* SPDX-License-Identifier: BSD-2-Clause */
/* The kid: NONE → STARTING (forked, got its sockets) → READY → (exit) → NONE, started again at
 * once, or after a pause when it keeps dying. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/loop.h"
#include "proxy/process/broker_internal.h"
#include "proxy/process/channel.h"
#include "proxy/process/kid.h"
#include "proxy/process/process.h"
#include "proxy/process/upgrade.h"
#include "proxy/tls/tls_watch.h"
#include "squid-compat/config.h"

enum {
	QUICK_DEATH_MS = 10000,   /* after its start */
	QUICK_DEATHS_AT_ONCE = 5, /* then it waits, twice as long each time */
	MAX_PAUSE_MS = 60000,
};

/* ---- certificates */

static bool give_tls_files(struct broker *broker)
{
	int fd = tls_watch_record(broker->config);
	bool is_sent =
		fd >= 0 && channel_send(broker->channel.fd, CHANNEL_TLS_FILES, 0, NULL, &fd, 1);

	if (!is_sent)
		log_say(0, "ERROR: cannot pass the renewed certificates on: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return is_sent;
}

bool broker_tls_changed(void *owner)
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
	if (broker->wishes)
		(void)!channel_send(channel, CHANNEL_WISHES, 0, broker->wishes, NULL, 0);
	broker_give_all_sockets(broker);
	if (broker->is_tls_renewed)
		give_tls_files(broker);
	broker_tell(broker, CHANNEL_SYNC, 0);
}

unsigned broker_nworkers(const struct config *config)
{
	return config->nworkers < SERVER_MAX_WORKERS ? config->nworkers : SERVER_MAX_WORKERS;
}

void broker_start_kid(struct broker *broker)
{
	int ends[2];
	pid_t pid;

	broker->aim = AIM_SERVE;
	sockets_resize(&broker->sockets, broker_nworkers(broker->config));
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

void broker_restart_due(struct timer *timer)
{
	broker_start_kid(CONTAINER(timer, struct broker, restart_timer));
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
		broker_start_kid(broker);
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

void broker_kid_gone(struct broker *broker, int status)
{
	bool is_clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	loop_unwatch(broker->loop, &broker->channel);
	close(broker->channel.fd);
	broker->kid_state = KID_NONE;
	if (broker->upgrade.nleaving == 0)
		timer_cancel(&broker->kill_timer);
	say_exit(broker->kid, status);
	if (broker->next)
		broker_reload_answered(broker, true); /* the next kid starts with it */
	if (upgrade_failed(broker, "the new program's serving process ends at its start"))
		return;
	if (broker->aim == AIM_STOP && broker->upgrade.nleaving > 0)
		return; /* the last of them finishes */
	if (broker->aim == AIM_STOP || (is_clean && broker->aim != AIM_RESTART))
		broker_finish(broker, EXIT_SUCCESS);
	else if (broker->aim == AIM_RESTART)
		broker_start_kid(broker);
	else if (!broker->has_served)
		broker_finish(broker, WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
	else
		restart_after_crash(broker);
}

void broker_kid_ready(struct broker *broker)
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

