/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "proxy/process/broker_internal.h"
#include "proxy/process/process.h"
#include "proxy/process/transcript.h"
#include "squid-compat/config.h"

enum { REHEARSAL_MS = 20000, FIRST_KID_MS = 60000 };

/* ---- kids that leave */

static void on_leaving_channel(struct loop_fd *watch, uint32_t events)
{
	struct leaving_kid *kid = CONTAINER(watch, struct leaving_kid, channel);
	struct channel_message message;
	int got;

	(void)events;
	while ((got = channel_receive(watch->fd, &message)) > 0)
		for (unsigned i = 0; i < message.nfds; i++)
			close(message.fds[i]);
	if (got < 0)
		loop_unwatch(kid->broker->loop, watch);
}

static struct leaving_kid *add_leaving(struct broker *broker, pid_t pid, int channel)
{
	struct leaving_kid *kid = mem_zalloc(sizeof(*kid));

	kid->broker = broker;
	kid->pid = pid;
	kid->channel = (struct loop_fd){.fd = channel, .ready = on_leaving_channel};
	if (!loop_watch_level(broker->loop, &kid->channel, EPOLLIN))
		log_say(0, "ERROR: cannot watch the channel to process %d: %s", (int)pid,
		        strerror(errno));
	list_push_back(&broker->upgrade.leaving, &kid->node);
	broker->upgrade.nleaving++;
	return kid;
}

static void remove_leaving(struct leaving_kid *kid)
{
	struct broker *broker = kid->broker;

	loop_unwatch(broker->loop, &kid->channel);
	close(kid->channel.fd);
	list_remove(&kid->node);
	broker->upgrade.nleaving--;
	mem_free(kid);
}

static void tell_leaving(struct leaving_kid *kid, enum channel_kind kind, int64_t value)
{
	/* One that does not take it has gone, or is killed in the end. */
	(void)!channel_send(kid->channel.fd, kind, value, NULL, NULL, 0);
}

void upgrade_stop(struct broker *broker, bool is_fast)
{
	struct upgrade *upgrade = &broker->upgrade;

	timer_cancel(&upgrade->timer);
	if (upgrade->is_taking_over)
		add_leaving(broker, upgrade->from.kid.pid, upgrade->from.kid.channel);
	upgrade->is_taking_over = false;
	LIST_EACH(node, &upgrade->leaving)
		tell_leaving(CONTAINER(node, struct leaving_kid, node), CHANNEL_STOP, is_fast);
}

void upgrade_kill_leaving(struct broker *broker)
{
	LIST_EACH(node, &broker->upgrade.leaving)
		kill(CONTAINER(node, struct leaving_kid, node)->pid, SIGKILL);
}

/* ---- forward */

bool upgrade_is_under_way(const struct broker *broker)
{
	return broker->upgrade.rehearsal > 0 || broker->upgrade.is_taking_over;
}

static void answer(int channel, bool is_ok, const char *why)
{
	(void)!channel_send(channel, CHANNEL_UPGRADED, is_ok, why, NULL, 0);
}

static void refuse(struct broker *broker, const char *why)
{
	log_say(0, "ERROR: no upgrade: %s; going on as before", why);
	answer(broker->channel.fd, false, why);
	notify_ready(&broker->notify, getpid());
	broker_reload_if_due(broker); /* what was asked for meanwhile */
}

static void gather_sockets(struct broker *broker, struct handover *out)
{
	out->fds = mem_array(HANDOVER_MAX_FDS, sizeof(*out->fds));
	LIST_EACH(node, &broker->sockets.ports) {
		struct listening *port = CONTAINER(node, struct listening, node);

		for (unsigned i = 0; i < port->nfds && out->nfds < HANDOVER_MAX_FDS; i++)
			out->fds[out->nfds++] = port->fds[i];
	}
}

/* All but the kid and the program; handover_fini frees it, release_gathered closes what was
 * opened. */
static void gather(struct broker *broker, struct handover *out)
{
	handover_init(out);
	LIST_EACH(node, &broker->upgrade.leaving) {
		struct leaving_kid *kid = CONTAINER(node, struct leaving_kid, node);

		if (out->nleaving < HANDOVER_MAX_LEAVING)
			out->leaving[out->nleaving++] =
				(struct handover_kid){kid->pid, kid->channel.fd};
	}
	out->control_fd = broker->control_fd;
	out->control_path = mem_strdup(broker->control_path);
	out->pid_path = broker->pid_file.path ? mem_strdup(broker->pid_file.path) : NULL;
	out->wishes = mem_strdup(broker->wishes);
	out->transcript_fd = transcript_send(config_history_current(&broker->history));
	gather_sockets(broker, out);
}

static void release_gathered(struct handover *handover)
{
	if (handover->transcript_fd >= 0)
		close(handover->transcript_fd);
	handover_fini(handover);
}

static bool gather_forward(struct broker *broker, struct handover *out)
{
	gather(broker, out);
	out->kid = (struct handover_kid){broker->kid, broker->channel.fd};
	out->program_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return out->transcript_fd >= 0;
}

static void become_next(struct broker *broker)
{
	struct handover handover;

	if (gather_forward(broker, &handover)) {
		log_say(1, "Upgrading: process %d becomes %s", (int)getpid(), process_program());
		notify_restore(&broker->notify);
		handover_exec(&handover, process_program());
		log_say(0, "ERROR: cannot run %s: %s", process_program(), strerror(errno));
	}
	if (handover.program_fd >= 0)
		close(handover.program_fd);
	release_gathered(&handover);
	refuse(broker, "the program cannot be run");
}

static void refuse_program(struct broker *broker, int status, bool is_late)
{
	struct err_text why;

	if (is_late)
		err_say(&why, "the installed program did not come to an end within %d seconds when "
		              "it was tried", REHEARSAL_MS / 1000);
	else if (WIFSIGNALED(status))
		err_say(&why, "the installed program died by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == HANDOVER_NOT_RUN)
		err_say(&why, "%s cannot be run: %s", process_program(),
		        access(process_program(), X_OK) == 0 ? "not a program" : strerror(errno));
	else
		err_say(&why, "the installed program, or squid.conf as it is now, cannot be used "
		              "(exit status %d)", WEXITSTATUS(status));
	refuse(broker, why.at);
}

static void rehearsal_over(struct broker *broker, int status)
{
	bool is_late = broker->upgrade.timer.deadline_ms == 0;

	broker->upgrade.rehearsal = 0;
	timer_cancel(&broker->upgrade.timer);
	if (broker->aim != AIM_SERVE || broker->kid_state != KID_READY)
		refuse(broker, "something else is under way");
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		become_next(broker);
	else
		refuse_program(broker, status, is_late);
}

void upgrade_start(struct broker *broker)
{
	struct handover handover;

	if (broker->aim != AIM_SERVE || broker->next || broker->kid_state != KID_READY ||
	    upgrade_is_under_way(broker) || broker->upgrade.nleaving == HANDOVER_MAX_LEAVING) {
		refuse(broker, "something else is under way");
		return;
	}
	if (!process_program()) {
		refuse(broker, "it is not known where the program lies (no /proc)");
		return;
	}
	notify_reloading(&broker->notify);
	if (gather_forward(broker, &handover))
		broker->upgrade.rehearsal = handover_rehearse(&handover, process_program());
	if (handover.program_fd >= 0)
		close(handover.program_fd);
	release_gathered(&handover);
	if (broker->upgrade.rehearsal > 0) {
		timer_set(broker->loop, &broker->upgrade.timer, clock_mono_ms() + REHEARSAL_MS);
		return;
	}
	broker->upgrade.rehearsal = 0;
	refuse(broker, "the installed program cannot be tried");
}

/* ---- in the new program, or the old one again */

void upgrade_succeeded(struct broker *broker)
{
	struct upgrade *upgrade = &broker->upgrade;
	struct leaving_kid *kid;

	if (!upgrade->is_taking_over)
		return;
	upgrade->is_taking_over = false;
	timer_cancel(&upgrade->timer);
	if (upgrade->from.program_fd >= 0)
		close(upgrade->from.program_fd);
	if (upgrade->from.transcript_fd >= 0)
		close(upgrade->from.transcript_fd);
	upgrade->from.program_fd = upgrade->from.transcript_fd = -1;
	sockets_drop_inherited(&broker->sockets);
	answer(upgrade->from.kid.channel, true, NULL);
	kid = add_leaving(broker, upgrade->from.kid.pid, upgrade->from.kid.channel);
	tell_leaving(kid, CHANNEL_DRAIN, broker->config->upgrade_lifetime_ms);
	log_say(1, "Upgraded: process %d finishes what it has begun", (int)kid->pid);
	upgrade->from.kid.pid = 0;
	upgrade_reap(broker);
}

static void go_back(struct broker *broker)
{
	struct upgrade *upgrade = &broker->upgrade;
	struct handover handover;

	gather(broker, &handover);
	if (handover.transcript_fd >= 0)
		close(handover.transcript_fd);
	handover.transcript_fd = upgrade->from.transcript_fd;
	handover.is_back = true;
	handover.kid = upgrade->from.kid;
	handover.program_fd = upgrade->from.program_fd;
	notify_restore(&broker->notify);
	handover_exec(&handover, NULL);
	log_say(0, "FATAL: cannot go back to the program before this one: %s", strerror(errno));
	handover_fini(&handover);
}

bool upgrade_failed(struct broker *broker, const char *why)
{
	if (!broker->upgrade.is_taking_over || broker->aim == AIM_STOP)
		return false;
	log_say(0, "ERROR: no upgrade: %s; going back to the old program", why);
	go_back(broker);
	broker_finish(broker, EXIT_FAILURE);
	return true;
}

bool upgrade_take_door(struct broker *broker)
{
	struct handover *from = &broker->upgrade.from;

	if (from->control_fd < 0)
		return false;
	if (strcmp(from->control_path, broker->control_path) == 0) {
		broker->control_fd = from->control_fd;
		return true;
	}
	close(from->control_fd);
	unlink(from->control_path);
	return false;
}

static void leave_old_pid_file(const struct broker *broker)
{
	const char *old = broker->upgrade.from.pid_path, *new = broker->pid_file.path;

	if (old && (!new || strcmp(old, new) != 0))
		unlink(old);
}

bool upgrade_resume(struct broker *broker)
{
	struct upgrade *upgrade = &broker->upgrade;
	struct handover *from = &upgrade->from;

	if (from->kid.pid == 0)
		return false;
	leave_old_pid_file(broker);
	for (unsigned i = 0; i < from->nleaving; i++)
		add_leaving(broker, from->leaving[i].pid, from->leaving[i].channel);
	if (from->is_back) {
		sockets_drop_inherited(&broker->sockets);
		broker_adopt_kid(broker, from->kid.pid, from->kid.channel);
		refuse(broker, "the new program did not come up");
		/* Who asked for a reload meanwhile: nobody knows of it any more. */
		broker->read_us = clock_mono_us();
		broker_tell_reloaded(broker, false);
	} else {
		upgrade->is_taking_over = true;
		timer_set(broker->loop, &upgrade->timer, clock_mono_ms() + FIRST_KID_MS);
	}
	upgrade_reap(broker); /* who ended in between */
	return from->is_back;
}

/* ---- both */

static void timed_out(struct timer *timer)
{
	struct upgrade *upgrade = CONTAINER(timer, struct upgrade, timer);
	struct broker *broker = CONTAINER(upgrade, struct broker, upgrade);

	/* SIGCHLD goes on. */
	kill(upgrade->rehearsal > 0 ? upgrade->rehearsal : broker->kid, SIGKILL);
}

void upgrade_reap(struct broker *broker)
{
	struct upgrade *upgrade = &broker->upgrade;
	int status;

	if (upgrade->rehearsal > 0 &&
	    waitpid(upgrade->rehearsal, &status, WNOHANG) == upgrade->rehearsal)
		rehearsal_over(broker, status);
	LIST_EACH_SAFE(node, &upgrade->leaving) {
		struct leaving_kid *kid = CONTAINER(node, struct leaving_kid, node);

		if (waitpid(kid->pid, &status, WNOHANG) != kid->pid)
			continue;
		log_say(1, "Squid Parent: process %d has finished", (int)kid->pid);
		remove_leaving(kid);
	}
	if (broker->aim == AIM_STOP && upgrade->nleaving == 0 && broker->kid_state == KID_NONE)
		broker_finish(broker, EXIT_SUCCESS);
}

void upgrade_init(struct broker *broker, struct handover *from)
{
	broker->upgrade.from = *from;
	handover_init(from);
	if (broker->upgrade.from.transcript_fd >= 0)
		config_history_push(&broker->history,
		                    transcript_receive(broker->upgrade.from.transcript_fd));
	broker->wishes = mem_strdup(broker->upgrade.from.wishes);
	list_init(&broker->upgrade.leaving);
	timer_init(&broker->upgrade.timer, timed_out);
}

void upgrade_fini(struct broker *broker)
{
	timer_cancel(&broker->upgrade.timer);
	LIST_EACH_SAFE(node, &broker->upgrade.leaving)
		remove_leaving(CONTAINER(node, struct leaving_kid, node));
	handover_fini(&broker->upgrade.from);
}
