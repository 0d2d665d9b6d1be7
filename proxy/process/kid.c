/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/kid.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/net/loop.h"
#include "proxy/control/control.h"
#include "proxy/fetch/peer_wishes.h"
#include "proxy/log/cache_log.h"
#include "proxy/process/channel.h"
#include "proxy/process/missing_ports.h"
#include "proxy/process/process.h"
#include "proxy/process/startup.h"
#include "proxy/process/transcript.h"
#include "proxy/serve.h"
#include "proxy/server.h"
#include "proxy/tls/tls_watch.h"
#include "squid-compat/config.h"

enum { LOOP_READ_BYTES = 4096 };

/* The main thread's. */
struct kid {
	struct loop *loop;
	struct serve *serve;
	struct control *control;
	struct loop_fd channel, signals;
	struct missing_ports missing;
	bool was_told, was_signalled; /* a process group gets both: that is one wish, not two */
};

static void answer(struct kid *kid, enum channel_kind kind, int64_t value)
{
	/* A parent that does not take it has gone, which the channel tells next. */
	(void)!channel_send(kid->channel.fd, kind, value, NULL, NULL, 0);
}

/* ---- what the parent says */

static void on_listen(struct kid *kid, struct channel_message *message)
{
	serve_listen(kid->serve, message->text, message->value != 0, message->fds, message->nfds);
	message->nfds = 0;
}

static void on_unlisten(struct kid *kid, struct channel_message *message)
{
	serve_unlisten(kid->serve, message->text, message->value != 0);
}

static void on_missing(struct kid *kid, struct channel_message *message)
{
	missing_ports_set(&kid->missing, str_of(message->text));
}

static void on_wishes(struct kid *kid, struct channel_message *message)
{
	peer_wishes_take(serve_config(kid->serve)->peers, serve_server(kid->serve)->peers,
	                 str_of(message->text));
}

static void on_sync(struct kid *kid, struct channel_message *message)
{
	(void)message;
	answer(kid, CHANNEL_READY, 0);
}

static void on_reload(struct kid *kid, struct channel_message *message)
{
	struct transcript *transcript =
		message->nfds > 0 ? transcript_receive(message->fds[0]) : NULL;
	bool is_stopping = serve_is_stopping(kid->serve);
	struct config *config =
		is_stopping ? NULL : serve_read_config(kid->serve, transcript, transcript != NULL);

	transcript_destroy(transcript);
	if (config)
		serve_take_config(kid->serve, config);
	answer(kid, CHANNEL_RELOADED, config != NULL);
}

static void on_reload_done(struct kid *kid, struct channel_message *message)
{
	bool is_ok = message->value > 0;

	control_reload_done(kid->control, is_ok, is_ok ? message->value : -message->value);
}

static void on_rollback_done(struct kid *kid, struct channel_message *message)
{
	control_rollback_done(kid->control, message->value != 0,
	                      message->text[0] ? message->text : NULL);
}

static void on_tls_files(struct kid *kid, struct channel_message *message)
{
	if (message->nfds > 0 && !serve_is_stopping(kid->serve))
		tls_watch_replay(serve_config(kid->serve), serve_server(kid->serve)->tls,
		                 message->fds[0]);
}

static void on_rotate(struct kid *kid, struct channel_message *message)
{
	(void)message;
	serve_rotate(kid->serve);
}

static void on_debug(struct kid *kid, struct channel_message *message)
{
	(void)message;
	serve_toggle_debug(kid->serve);
}

static void on_stop(struct kid *kid, struct channel_message *message)
{
	if (!serve_is_stopping(kid->serve) || kid->was_told)
		serve_stop(kid->serve, message->value != 0);
	kid->was_told = true;
}

static void on_upgraded(struct kid *kid, struct channel_message *message)
{
	bool is_ok = message->value != 0;

	if (is_ok) /* who hears of it may ask at once, and the successor is to hear that */
		control_close_door(kid->control);
	control_upgrade_done(kid->control, is_ok, message->text);
}

static void on_drain(struct kid *kid, struct channel_message *message)
{
	log_say(1, "A successor serves: finishing what has begun");
	control_close_door(kid->control);
	serve_drain(kid->serve, message->value);
}

static void on_ping(struct kid *kid, struct channel_message *message)
{
	(void)message;
	answer(kid, CHANNEL_PONG, 0);
}

static void on_log(struct kid *kid, struct channel_message *message)
{
	(void)kid;
	cache_log_line((int)message->value, message->text, strlen(message->text));
}

static void (*const handlers[CHANNEL_KINDS])(struct kid *kid, struct channel_message *message) = {
	[CHANNEL_LISTEN] = on_listen,
	[CHANNEL_UNLISTEN] = on_unlisten,
	[CHANNEL_SYNC] = on_sync,
	[CHANNEL_RELOAD] = on_reload,
	[CHANNEL_RELOAD_DONE] = on_reload_done,
	[CHANNEL_TLS_FILES] = on_tls_files,
	[CHANNEL_ROTATE] = on_rotate,
	[CHANNEL_DEBUG] = on_debug,
	[CHANNEL_STOP] = on_stop,
	[CHANNEL_LOG] = on_log,
	[CHANNEL_UPGRADED] = on_upgraded,
	[CHANNEL_DRAIN] = on_drain,
	[CHANNEL_PING] = on_ping,
	[CHANNEL_MISSING] = on_missing,
	[CHANNEL_WISHES] = on_wishes,
	[CHANNEL_ROLLBACK_DONE] = on_rollback_done,
};

static void parent_gone(struct kid *kid)
{
	log_say(0, "The parent process has gone: stopping");
	loop_unwatch(kid->loop, &kid->channel);
	serve_stop(kid->serve, true);
}

static void on_channel(struct loop_fd *watch, uint32_t events)
{
	struct kid *kid = CONTAINER(watch, struct kid, channel);
	struct channel_message message;
	int got;

	(void)events;
	while ((got = channel_receive(watch->fd, &message)) > 0) {
		if (handlers[message.kind])
			handlers[message.kind](kid, &message);
		for (unsigned i = 0; i < message.nfds; i++)
			close(message.fds[i]);
	}
	if (got < 0)
		parent_gone(kid);
}

/* ---- signals to this very process: all but these are the parent's business */

static void on_signals(struct loop_fd *watch, uint32_t events)
{
	struct kid *kid = CONTAINER(watch, struct kid, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (!serve_is_stopping(kid->serve) || kid->was_signalled)
			serve_stop(kid->serve, info.ssi_signo == SIGINT);
		kid->was_signalled = true;
	}
}

static bool watch_signals(struct kid *kid)
{
	static const int wanted[] = {SIGTERM, SIGINT};
	static const int ignored[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGTRAP, SIGTTIN};

	for (size_t i = 0; i < COUNT(ignored); i++)
		signal(ignored[i], SIG_IGN);
	kid->signals = (struct loop_fd){.fd = process_take_signals(wanted, COUNT(wanted)),
	                                .ready = on_signals};
	return kid->signals.fd >= 0;
}

/* ---- start and end */

static void want_reload(void *owner)
{
	answer(owner, CHANNEL_ASK_RELOAD, 0);
}

static void want_shutdown(void *owner)
{
	answer(owner, CHANNEL_ASK_SHUTDOWN, 0);
}

static void want_rollback(void *owner)
{
	answer(owner, CHANNEL_ASK_ROLLBACK, 0);
}

/* The parent has them for the next process. */
static void keep_wishes(void *owner)
{
	struct kid *kid = owner;
	struct buf text;

	buf_init(&text, CHANNEL_MAX_TEXT);
	peer_wishes_write(serve_config(kid->serve)->peers, serve_server(kid->serve)->peers, &text);
	if (text.is_full || !buf_add_char(&text, '\0') ||
	    !channel_send(kid->channel.fd, CHANNEL_WISHES, 0, text.at, NULL, 0))
		log_say(0,
		        "ERROR: what was said of peers is too much to be kept for another process");
	buf_fini(&text);
}

static void want_upgrade(void *owner)
{
	answer(owner, CHANNEL_ASK_UPGRADE, 0);
}

static void ended(void *owner)
{
	struct kid *kid = owner;

	control_destroy(kid->control);
	kid->control = NULL;
	loop_unwatch(kid->loop, &kid->channel);
	loop_stop(kid->loop);
}

static enum err start(struct kid *kid, const struct command_line *line, struct config *config,
                      struct err_text *why)
{
	const struct serve_options options = {
		.line = line,
		.config = config,
		.loop = kid->loop,
		.role = "worker",
		.stopped = ended,
		.reload = want_reload,
		.shutdown = want_shutdown,
		.keep_wishes = keep_wishes,
		.owner = kid,
	};
	enum err err = serve_start(&options, &kid->serve, why);

	if (err != ERR_OK)
		return err;
	if (loop_watch_level(kid->loop, &kid->channel, EPOLLIN) &&
	    loop_watch_level(kid->loop, &kid->signals, EPOLLIN))
		return ERR_OK;
	err_say(why, "cannot watch the parent: %s", strerror(errno));
	return ERR_IO;
}

static void open_door(struct kid *kid, int control_fd)
{
	const struct control_options options = {
		.loop = kid->loop,
		.serve = kid->serve,
		.fd = control_fd,
		.reload = want_reload,
		.shutdown = want_shutdown,
		.rollback = want_rollback,
		.upgrade = want_upgrade,
		.owner = kid,
	};

	if (control_fd >= 0)
		kid->control = control_create(&options);
}

int kid_run(const struct command_line *line, struct config *config, int channel, int control_fd)
{
	struct kid kid = {.channel = {.fd = channel, .ready = on_channel}};
	struct err_text why;

	log_set_role("kid1");
	missing_ports_init(&kid.missing);
	kid.loop = loop_create(LOOP_READ_BYTES, &why);
	if (!kid.loop || process_settle(config, &why) != ERR_OK)
		return startup_fail(why.at);
	if (!watch_signals(&kid)) {
		err_say(&why, "cannot watch for signals: %s", strerror(errno));
		return startup_fail(why.at);
	}
	if (start(&kid, line, config, &why) != ERR_OK)
		return EXIT_FAILURE;
	config_unref(config);
	open_door(&kid, control_fd);
	loop_run(kid.loop);
	serve_destroy(kid.serve);
	missing_ports_fini(&kid.missing);
	loop_unwatch(kid.loop, &kid.signals);
	loop_destroy(kid.loop);
	return EXIT_SUCCESS;
}
