/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char variable[] = "NOTIFY_SOCKET";

/* /PATH, or @NAME for an abstract one. */
void notify_init(struct notify *notify)
{
	const char *name = getenv(variable);
	size_t len = name ? strlen(name) : 0;

	*notify = (struct notify){.to = {.sun_family = AF_UNIX}};
	if (len > 1 && len < sizeof(notify->to.sun_path) && (*name == '/' || *name == '@')) {
		memcpy(notify->to.sun_path, name, len);
		if (*name == '@')
			notify->to.sun_path[0] = '\0';
		notify->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	unsetenv(variable);
}

void notify_restore(const struct notify *notify)
{
	char name[sizeof(notify->to.sun_path) + 1] = "";

	if (notify->to_len == 0)
		return;
	memcpy(name, notify->to.sun_path, notify->to_len - offsetof(struct sockaddr_un, sun_path));
	if (name[0] == '\0')
		name[0] = '@';
	setenv(variable, name, 1);
}

static int64_t number_of(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoll(text, NULL, 10) : 0;
}

/* The variables stay: a program that takes our place has the same process id. */
int64_t notify_watchdog_ms(void)
{
	int64_t ms = number_of("WATCHDOG_USEC") / 1000, pid = number_of("WATCHDOG_PID");

	return ms > 0 && (pid == 0 || pid == getpid()) ? ms : 0;
}

static void send_text(const struct notify *notify, const char *text)
{
	int fd;

	if (notify->to_len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	/* What a manager misses it finds out by its own timeout. */
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&notify->to,
	              notify->to_len);
	close(fd);
}

void notify_ready(const struct notify *notify, pid_t main_pid)
{
	char text[64];

	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\nSTATUS=serving\n", (int)main_pid);
	send_text(notify, text);
}

/* The time lets the manager tell this reload from the one before (Type=notify-reload). */
void notify_reloading(const struct notify *notify)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\n",
	         (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	send_text(notify, text);
}

void notify_alive(const struct notify *notify)
{
	send_text(notify, "WATCHDOG=1\n");
}

void notify_stopping(const struct notify *notify)
{
	send_text(notify, "STOPPING=1\nSTATUS=finishing what has begun\n");
}
