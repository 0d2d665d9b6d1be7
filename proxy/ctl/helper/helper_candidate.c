/* SPDX-License-Identifier: BSD-2-Clause */
/* All waiting is done by exchange_some: it polls what is open, keeps what comes, and writes what
 * there is to write. */
#include "proxy/ctl/helper/helper_candidate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers/spawn.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"

enum {
	READ_BYTES = 65536,
	POLL_MS = 20, /* an exit is seen by looking */
};

/* ---- starting */

/* The program's path, from the heap. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	struct str rest = str_of(path ? path : "/usr/bin:/bin"), folder;

	if (strchr(name, '/'))
		return mem_strdup(name);
	while (str_split(&rest, ':', &folder)) {
		char *full = mem_printf("%.*s/%s", STR_ARG(folder), name);

		if (access(full, X_OK) == 0)
			return full;
		mem_free(full);
	}
	return mem_strdup(name);
}

static void set_nonblocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* argv with the program's path; an errno. */
static int spawn(const char *const *argv, int io, int notes, pid_t *pid)
{
	size_t n = 0;
	const char **full;
	char *path = find_program(argv[0]);
	int err;

	while (argv[n])
		n++;
	full = mem_array(n + 1, sizeof(*full));
	memcpy(full, argv, n * sizeof(*full));
	full[0] = path;
	err = spawn_program(full, NULL, io, notes, pid);
	mem_free(full);
	mem_free(path);
	return err;
}

bool candidate_start(struct candidate *candidate, const char *const *argv, struct err_text *why)
{
	int io[2], notes[2], err;

	*candidate = (struct candidate){0};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, io) != 0) {
		err_say(why, "no socket for %s: %s", argv[0], strerror(errno));
		return false;
	}
	if (pipe2(notes, O_CLOEXEC) != 0) {
		err_say(why, "no pipe for %s: %s", argv[0], strerror(errno));
		close(io[0]);
		close(io[1]);
		return false;
	}
	err = spawn(argv, io[1], notes[1], &candidate->pid);
	close(io[1]);
	close(notes[1]);
	if (err != 0) {
		err_say(why, "%s cannot be started: %s", argv[0], strerror(err));
		close(io[0]);
		close(notes[0]);
		return false;
	}
	candidate->io = io[0];
	candidate->notes_fd = notes[0];
	set_nonblocking(io[0]);
	set_nonblocking(notes[0]);
	buf_init(&candidate->in, CANDIDATE_MAX_LINE_BYTES + READ_BYTES);
	buf_init(&candidate->line, CANDIDATE_MAX_LINE_BYTES + READ_BYTES);
	buf_init(&candidate->notes, 2 * READ_BYTES);
	return true;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void candidate_stop(struct candidate *candidate)
{
	kill(-candidate->pid, SIGKILL);
	if (!candidate->is_reaped)
		waitpid(candidate->pid, &candidate->status, 0);
	candidate->is_reaped = true;
	close_fd(&candidate->io);
	close_fd(&candidate->notes_fd);
	buf_fini(&candidate->in);
	buf_fini(&candidate->line);
	buf_fini(&candidate->notes);
}

/* ---- what goes back and forth */

static void take_output(struct candidate *candidate)
{
	char *room = buf_reserve(&candidate->in, READ_BYTES);
	ssize_t n;

	if (!room)
		return; /* full: candidate_line says so */
	n = recv(candidate->io, room, READ_BYTES, 0);
	if (n > 0)
		candidate->in.len += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		candidate->has_ended = true;
}

static void take_notes(struct candidate *candidate)
{
	char *room = buf_reserve(&candidate->notes, READ_BYTES);
	ssize_t n = read(candidate->notes_fd, room, READ_BYTES);

	if (n > 0) {
		candidate->notes.len += (size_t)n;
		candidate->nnote_bytes += (uint64_t)n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close_fd(&candidate->notes_fd);
	}
	if (candidate->notes.len > CANDIDATE_NOTES_BYTES)
		buf_consume(&candidate->notes, candidate->notes.len - CANDIDATE_NOTES_BYTES);
}

static bool is_full(const struct candidate *candidate)
{
	return candidate->in.len > CANDIDATE_MAX_LINE_BYTES;
}

/* Waits until something comes, or may be sent (if wants_to_send), or ms are over. */
static void exchange_some(struct candidate *candidate, bool wants_to_send, int64_t ms)
{
	bool may_read = !candidate->has_ended && !is_full(candidate);
	struct pollfd fds[2] = {
		{may_read || wants_to_send ? candidate->io : -1,
	         (short)((may_read ? POLLIN : 0) | (wants_to_send ? POLLOUT : 0)), 0},
		{candidate->notes_fd, POLLIN, 0},
	};

	if (poll(fds, 2, (int)(ms < 0 ? 0 : ms)) <= 0)
		return;
	if (may_read && (fds[0].revents & (POLLIN | POLLHUP | POLLERR)))
		take_output(candidate);
	if (fds[1].revents)
		take_notes(candidate);
}

bool candidate_send(struct candidate *candidate, struct str bytes, int64_t ms)
{
	int64_t deadline = clock_mono_ms() + ms;

	while (bytes.len > 0) {
		ssize_t n = send(candidate->io, bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			bytes = str_from(bytes, (size_t)n);
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (clock_mono_ms() >= deadline)
			return false;
		exchange_some(candidate, true, deadline - clock_mono_ms());
	}
	return true;
}

static bool take_line(struct candidate *candidate, struct str *line)
{
	struct str rest = str_from(buf_str(&candidate->in), candidate->searched);
	size_t at = candidate->searched + str_find_char(rest, '\n');

	candidate->searched = at;
	if (at == candidate->in.len)
		return false;
	buf_clear(&candidate->line);
	buf_add(&candidate->line, candidate->in.at, at);
	buf_consume(&candidate->in, at + 1);
	candidate->searched = 0;
	*line = buf_str(&candidate->line);
	return true;
}

enum candidate_verdict candidate_line(struct candidate *candidate, int64_t ms, struct str *line)
{
	int64_t deadline = clock_mono_ms() + ms;

	*line = STR("");
	while (!take_line(candidate, line)) {
		int64_t left = deadline - clock_mono_ms();

		if (is_full(candidate))
			return CANDIDATE_FLOODS;
		if (candidate->has_ended) {
			*line = buf_str(&candidate->in);
			return CANDIDATE_ENDED;
		}
		if (left <= 0)
			return CANDIDATE_SILENT;
		exchange_some(candidate, false, left);
	}
	return CANDIDATE_LINE;
}

/* ---- its end */

void candidate_close_input(struct candidate *candidate)
{
	shutdown(candidate->io, SHUT_WR);
}

bool candidate_wait(struct candidate *candidate, int64_t ms)
{
	int64_t deadline = clock_mono_ms() + ms;

	while (!candidate->is_reaped) {
		int64_t left = deadline - clock_mono_ms();

		if (waitpid(candidate->pid, &candidate->status, WNOHANG) == candidate->pid) {
			candidate->is_reaped = true;
			exchange_some(candidate, false, 0); /* its last words */
			break;
		}
		if (left <= 0)
			return false;
		if (is_full(candidate)) {
			buf_clear(&candidate->in);
			candidate->searched = 0;
		}
		exchange_some(candidate, false, left < POLL_MS ? left : POLL_MS);
	}
	return true;
}

void candidate_describe_end(const struct candidate *candidate, struct err_text *out)
{
	if (WIFSIGNALED(candidate->status))
		err_say(out, "was killed by signal %d (%s)", WTERMSIG(candidate->status),
		        strsignal(WTERMSIG(candidate->status)));
	else
		err_say(out, "exited with status %d", WEXITSTATUS(candidate->status));
}
