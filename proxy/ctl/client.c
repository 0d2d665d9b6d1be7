/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "lib/base/str.h"
#include "proxy/control/control.h"
#include "proxy/control/control_path.h"
#include "proxy/control/control_words.h"
#include "proxy/ctl/progress.h"

enum { MORE = -1, AGAIN = -2, MAX_ASKED = 10 };

/* What a squid.conf that cannot be used says of pid_filename, its includes left alone; NULL:
 * nothing. An instance goes on with what it read before, and has to be reached all the more. */
static char *guess_socket(const char *config_path)
{
	FILE *file = fopen(config_path, "re");
	char *line = NULL, *path = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0) {
		struct str rest = {line, strcspn(line, "\r\n")}, name, value;

		if (!str_word(&rest, &name) || !str_eq(name, STR("pid_filename")) ||
		    !str_word(&rest, &value) || *value.at != '/')
			continue;
		mem_free(path);
		path = mem_printf("%.*s.ctl", STR_ARG(value));
	}
	free(line);
	if (file)
		fclose(file);
	return path;
}

/* The caller frees it. NULL: unknown, and stderr has why. */
static char *find_socket(struct ctl *ctl)
{
	const struct config *config;
	char *guessed;

	if (ctl->socket_path)
		return mem_strdup(ctl->socket_path);
	config = ctl_config_silently(ctl);
	if (config)
		return control_path(config);
	guessed = guess_socket(ctl->config_path);
	if (!guessed)
		(void)ctl_config(ctl); /* for its messages */
	return guessed;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static bool send_all(int fd, struct str bytes)
{
	while (bytes.len > 0) {
		ssize_t n = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = str_from(bytes, (size_t)n);
	}
	return true;
}

/* ---- the answer */

struct reading {
	const struct client_sink *sink;
	struct progress bar;
};

static void take_line(struct reading *reading, const char *line)
{
	const struct client_sink *sink = reading->sink;

	progress_clear(&reading->bar);
	if (sink && sink->line)
		sink->line(sink->user, line);
	else
		puts(line);
}

static void take_progress(struct reading *reading, const char *line)
{
	const struct client_sink *sink = reading->sink;
	uint64_t done = 0, total = 0;

	if (sscanf(line, "%" SCNu64 " %" SCNu64, &done, &total) != 2)
		return;
	if (sink && sink->progress)
		sink->progress(sink->user, done, total);
	else
		progress_show(&reading->bar, done, total);
}

/* CTL_OK, CTL_FAILED, MORE (lines follow) or AGAIN. */
static int take(struct reading *reading, const char *line)
{
	switch (line[0]) {
	case CONTROL_TEXT:
		take_line(reading, line + 1);
		return MORE;
	case CONTROL_PROGRESS:
		take_progress(reading, line + 1);
		return MORE;
	case CONTROL_AGAIN:
		return AGAIN;
	case CONTROL_END:
		return CTL_OK;
	case CONTROL_ERROR:
		progress_clear(&reading->bar);
		return ctl_fail("%s", line + 1);
	default:
		return ctl_fail("an answer that is not understood");
	}
}

static int read_answer(int fd, const struct client_sink *sink)
{
	FILE *answer = fdopen(fd, "r");
	struct reading reading = {.sink = sink};
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int status = MORE;

	if (!answer) {
		close(fd);
		return ctl_fail("%s", strerror(errno));
	}
	progress_init(&reading.bar);
	while (status == MORE && (len = getline(&line, &size, answer)) > 0 &&
	       line[len - 1] == '\n') {
		line[len - 1] = '\0';
		status = take(&reading, line);
	}
	progress_clear(&reading.bar);
	mem_free(line);
	fclose(answer);
	return status != MORE ? status : ctl_fail("the answer ends before its time");
}

static int ask_once(const char *path, struct str line, const struct client_sink *sink)
{
	int fd = connect_to(path);
	int status;

	/* A process that was about to leave has answered before it was asked. */
	if (fd >= 0 && (send_all(fd, line) || errno == EPIPE || errno == ECONNRESET))
		return read_answer(fd, sink);
	status = ctl_fail("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return status;
}

/* An upgrade may come between: the next one to be asked is the process that serves now. */
static int ask_at(const char *path, struct str line, const struct client_sink *sink)
{
	int status = AGAIN;

	for (int i = 0; i < MAX_ASKED && status == AGAIN; i++)
		status = ask_once(path, line, sink);
	return status == AGAIN ? ctl_fail("one upgrade after the other came between") : status;
}

int client_ask(struct ctl *ctl, const char *const *words, unsigned nwords,
	       const struct client_sink *sink)
{
	char *path = find_socket(ctl);
	struct buf line;
	int status;

	if (!path)
		return CTL_FAILED;
	buf_init(&line, CONTROL_MAX_LINE_BYTES);
	for (unsigned i = 0; i < nwords; i++)
		control_words_add(&line, str_of(words[i]));
	buf_add_char(&line, '\n');
	status = line.is_full ? ctl_fail("that is too long")
			      : ask_at(path, buf_str(&line), sink);
	buf_fini(&line);
	mem_free(path);
	return status;
}

bool client_is_running(struct ctl *ctl)
{
	char *path = find_socket(ctl);
	int fd = path ? connect_to(path) : -1;

	if (fd >= 0)
		close(fd);
	mem_free(path);
	return fd >= 0;
}
