/* SPDX-License-Identifier: BSD-2-Clause */
/* A reload has two halves: this process reads the file and opens what is new; then the kid reads it
 * too, and only when it has taken it over old ports are closed. */
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/loop.h"
#include "proxy/process/broker_internal.h"
#include "proxy/process/channel.h"
#include "proxy/process/startup.h"
#include "proxy/process/transcript.h"
#include "proxy/process/upgrade.h"
#include "proxy/tls/tls_watch.h"
#include "squid-compat/config.h"

enum { RELOAD_SPACING_MS = 250 }; /* a storm of SIGHUP is one reload now and then */

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

void broker_tell_reloaded(struct broker *broker, bool is_ok)
{
	broker_tell(broker, CHANNEL_RELOAD_DONE, is_ok ? broker->read_us : -broker->read_us);
}

static void finish(struct broker *broker, bool is_ok, bool is_rollback)
{
	if (is_rollback)
		broker_tell(broker, CHANNEL_ROLLBACK_DONE, is_ok);
	else
		broker_tell_reloaded(broker, is_ok);
	broker->reloaded_ms = clock_mono_ms();
	notify_ready(&broker->notify, getpid());
}

void broker_reload_answered(struct broker *broker, bool is_ok)
{
	struct config *old = is_ok ? broker->config : broker->next;
	bool is_rollback = !broker->next_transcript;

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
	finish(broker, is_ok, is_rollback);
}

static void refuse(struct broker *broker, bool is_rollback)
{
	log_say(0, "ERROR: the configuration cannot be used; going on with the old one");
	finish(broker, false, is_rollback);
}

struct config *broker_read_next(struct broker *broker, struct transcript *transcript,
                                bool is_replay)
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
		broker_reload_answered(broker, false);
	if (fd >= 0)
		close(fd);
}

static void start_reload(struct broker *broker)
{
	struct transcript *transcript = transcript_create();

	notify_reloading(&broker->notify);
	broker->read_us = clock_mono_us();
	broker->next = broker_read_next(broker, transcript, false);
	if (broker->next) {
		broker->next_transcript = transcript;
		offer_next(broker, transcript);
		return;
	}
	transcript_destroy(transcript);
	refuse(broker, false);
}

static void refuse_rollback(struct broker *broker, const char *why)
{
	log_say(0, "ERROR: %s", why);
	if (broker->kid_state != KID_NONE)
		channel_send(broker->channel.fd, CHANNEL_ROLLBACK_DONE, false, why, NULL, 0);
}

void broker_rollback(struct broker *broker)
{
	struct transcript *transcript = config_history_previous(&broker->history);

	if (!transcript || broker->next || broker->kid_state != KID_READY ||
	    broker->aim != AIM_SERVE || upgrade_is_under_way(broker)) {
		refuse_rollback(broker, transcript ? "no rollback while something else is under way"
						   : NO_EARLIER_CONFIG);
		return;
	}
	log_say(1, "Going back to the configuration before this one; squid.conf stays as it is");
	notify_reloading(&broker->notify);
	broker->next = broker_read_next(broker, transcript, true);
	if (broker->next)
		offer_next(broker, transcript);
	else
		refuse(broker, true);
}

/* At once, when nothing is in the way; else when that has gone. */
void broker_reload_if_due(struct broker *broker)
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

void broker_reload_due(struct timer *timer)
{
	broker_reload_if_due(CONTAINER(timer, struct broker, reload_timer));
}

void broker_reload(struct broker *broker)
{
	if (broker->aim == AIM_STOP)
		log_say(1, "canceling reconfigure request during shutdown");
	broker->is_reload_due = broker->aim != AIM_STOP;
	broker_reload_if_due(broker);
}

