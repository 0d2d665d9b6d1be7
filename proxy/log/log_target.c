/* SPDX-License-Identifier: BSD-2-Clause */
/* What all targets share: a bounded buffer of lines, an end that never blocks, and back-off. */
#include "proxy/log/log_target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/net/resolver.h"
#include "proxy/log/log_target_internal.h"

enum {
	SAY_MS = 60000,       /* between two lines about the same trouble */
	FIRST_RETRY_MS = 100,
	LAST_RETRY_MS = 30000,
	STEADY_MS = 5000,     /* one that lived so long begins with FIRST_RETRY_MS again */
	LAST_WAIT_MS = 1000,  /* for what is left at the end */
	DISCARD_BYTES = 4096,
};

static const struct log_target_ops *const kinds[] = {
	[LOG_TARGET_DAEMON] = &log_target_daemon,
	[LOG_TARGET_TCP] = &log_target_tcp,
	[LOG_TARGET_UDP] = &log_target_udp,
	[LOG_TARGET_SYSLOG] = &log_target_syslog,
};

static enum err find_address(struct log_target *target, struct err_text *why)
{
	struct str place = str_of(target->place);
	size_t colon = place.len;
	uint64_t port = 0;
	char *host;
	bool found;

	while (colon > 0 && place.at[colon - 1] != ':')
		colon--;
	host = mem_printf("%.*s", (int)(colon > 0 ? colon - 1 : 0), place.at);
	found = str_to_u64(str_from(place, colon), &port) && port > 0 && port < 65536 &&
		(addr_parse(str_of(host), (uint16_t)port, &target->addr) ||
		 resolver_blocking(host, (uint16_t)port, &target->addr, 1) > 0);
	mem_free(host);
	if (found)
		return ERR_OK;
	err_say(why, "%s has no address", target->place);
	return ERR_IO;
}

enum err log_target_create(const struct log_target_options *options, struct log_target **out,
			   struct err_text *why)
{
	struct log_target *target = mem_zalloc(sizeof(*target));
	bool is_remote = options->kind == LOG_TARGET_TCP || options->kind == LOG_TARGET_UDP;

	target->ops = kinds[options->kind];
	target->name = mem_strdup(options->name);
	target->place = options->place ? mem_strdup(options->place) : NULL;
	target->program = options->program ? mem_strdup(options->program) : NULL;
	target->keep = options->keep;
	target->priority = options->priority;
	target->is_buffered = options->is_buffered;
	target->fd = target->notes = -1;
	buf_init(&target->out, LOG_TARGET_MAX_BYTES);
	if (is_remote && find_address(target, why) != ERR_OK) {
		log_target_destroy(target);
		return ERR_IO;
	}
	*out = target;
	return ERR_OK;
}

/* ---- trouble */

static bool may_say(struct log_target *target)
{
	int64_t now_ms = clock_mono_ms();

	if (target->said_ms != 0 && now_ms - target->said_ms < SAY_MS)
		return false;
	target->said_ms = now_ms;
	return true;
}

static void say_dropped(struct log_target *target)
{
	if (target->ndropped == 0 || !may_say(target))
		return;
	log_say(0, "WARNING: access_log %s: %llu records were dropped: it does not keep up",
		target->name, (unsigned long long)target->ndropped);
	target->ndropped = 0;
}

static void close_fd(struct log_target *target, bool is_last)
{
	if (target->fd >= 0)
		close(target->fd);
	target->fd = -1;
	if (target->ops->closed)
		target->ops->closed(target, is_last);
}

static void tell_health(struct log_target *target, int error)
{
	char *what = mem_printf("access_log %s", target->name);

	health_bad(&target->health, what, "%s; records wait",
	           error ? strerror(error) : "it has gone");
	mem_free(what);
}

/* What was not sent whole is sent again from the beginning of its line. */
static void lose(struct log_target *target, int error)
{
	int64_t now_ms = clock_mono_ms(), wait_ms = FIRST_RETRY_MS;

	if (target->fd >= 0 && now_ms - target->opened_ms >= STEADY_MS)
		target->nfailures = 0;
	for (unsigned i = 0; i < target->nfailures && wait_ms < LAST_RETRY_MS; i++)
		wait_ms *= 2;
	if (wait_ms > LAST_RETRY_MS)
		wait_ms = LAST_RETRY_MS;
	target->nfailures++;
	target->retry_ms = now_ms + wait_ms;
	target->sent = target->line;
	if (may_say(target))
		log_say(0, "ERROR: access_log %s: %s; records wait until it is there again",
			target->name, error ? strerror(error) : "it has gone");
	tell_health(target, error);
	close_fd(target, false);
}

/* ---- records */

void log_target_add(struct log_target *target, struct str record)
{
	size_t before = target->out.len;

	target->nrecords++;
	target->ops->add(target, record);
	if (target->out.is_full) {
		target->out.len = before;
		target->out.is_full = false;
		target->ndropped++;
		target->nlost++;
	}
	target->is_batch_open = true;
}

bool log_target_discard(struct log_target *target)
{
	char bytes[DISCARD_BYTES];
	ssize_t n = recv(target->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	return n > 0 || (n < 0 && errno != ECONNRESET && errno != ECONNREFUSED);
}

ssize_t log_target_send(struct log_target *target, struct str bytes)
{
	ssize_t n = send(target->fd, bytes.at, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : n;
}

static void opened(struct log_target *target)
{
	target->opened_ms = clock_mono_ms();
	health_good(&target->health);
}

static void open_if_due(struct log_target *target)
{
	int error;

	if (target->fd >= 0 || clock_mono_ms() < target->retry_ms)
		return;
	error = target->ops->open(target);
	if (error != 0)
		lose(target, error);
	else
		opened(target);
}

static bool would_block(ssize_t n)
{
	return n == -EAGAIN || n == -EWOULDBLOCK || n == -EINTR || n == -ENOBUFS;
}

static struct str left_of(const struct log_target *target)
{
	return str_from(buf_str(&target->out), target->sent);
}

/* Notes where the line begins that is to be sent next. */
static void take_sent(struct log_target *target, size_t n)
{
	const char *newline = memrchr(target->out.at + target->sent, '\n', n);

	if (newline)
		target->line = (size_t)(newline + 1 - target->out.at);
	target->sent += n;
}

static void compact(struct log_target *target)
{
	if (target->line * 2 < target->out.len)
		return; /* not worth moving yet */
	buf_consume(&target->out, target->line);
	target->sent -= target->line;
	target->line = 0;
}

static void send_left(struct log_target *target)
{
	while (left_of(target).len > 0) {
		ssize_t n = target->ops->send(target, left_of(target));

		if (would_block(n))
			return;
		if (n <= 0) {
			lose(target, (int)-n);
			return;
		}
		take_sent(target, (size_t)n);
	}
}

void log_target_flush(struct log_target *target)
{
	if (target->fd >= 0 && target->ops->read && !target->ops->read(target))
		lose(target, 0);
	if (target->is_batch_open && target->ops->end_batch)
		target->ops->end_batch(target);
	target->is_batch_open = false;
	if (left_of(target).len == 0)
		return;
	open_if_due(target);
	if (target->fd >= 0)
		send_left(target);
	compact(target);
	say_dropped(target);
}

bool log_target_is_pending(const struct log_target *target, struct pollfd *fd)
{
	*fd = (struct pollfd){.fd = target->fd, .events = POLLOUT};
	return left_of(target).len > 0;
}

uint64_t log_target_lost(const struct log_target *target)
{
	return target->nlost;
}

void log_target_rotate(struct log_target *target)
{
	if (target->ops->rotate)
		target->ops->rotate(target);
}

static void flush_last(struct log_target *target)
{
	int64_t until_ms = clock_mono_ms() + LAST_WAIT_MS, left_ms;
	struct pollfd fd;

	log_target_flush(target);
	while (log_target_is_pending(target, &fd) && fd.fd >= 0 &&
	       (left_ms = until_ms - clock_mono_ms()) > 0) {
		poll(&fd, 1, (int)left_ms);
		log_target_flush(target);
	}
}

void log_target_destroy(struct log_target *target)
{
	if (!target)
		return;
	flush_last(target);
	close_fd(target, true);
	health_good(&target->health);
	buf_fini(&target->out);
	mem_free(target->name);
	mem_free(target->place);
	mem_free(target->program);
	mem_free(target);
}
