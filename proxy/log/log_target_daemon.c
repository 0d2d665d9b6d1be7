/* SPDX-License-Identifier: BSD-2-Clause */
/* A log daemon: a program that reads commands, a line each (Squid's logfile_daemon):
 *     L<record>   F flush   R rotate   r<N> old logs to keep   b<0|1> buffered
 * Nothing is read from it; what it writes to stderr goes to cache.log, some lines at a time. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "helpers/spawn.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "proxy/log/log_target_internal.h"

enum {
	/* With its L and newline. Daemons read lines into buffers of 8 KiB and more: the rest of a
	 * longer one would be read as a command. */
	LINE_MAX_BYTES = 8190,
	NOTES_BYTES = 1024,
	END_STEPS = 100, /* of 10 ms, until SIGTERM, and again until SIGKILL */
	END_STEP_MS = 10,
};

static void close_pipe(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int open_daemon(struct log_target *target)
{
	const char *argv[] = {target->program, target->place, NULL};
	int io[2] = {-1, -1}, notes[2] = {-1, -1}, error = 0;
	char first[32];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, io) != 0 ||
	    pipe2(notes, O_CLOEXEC) != 0 || fcntl(notes[0], F_SETFL, O_NONBLOCK) != 0)
		error = errno;
	if (error == 0)
		error = spawn_program(argv, NULL, io[1], notes[1], &target->pid);
	close_pipe(&io[1]);
	close_pipe(&notes[1]);
	if (error != 0) {
		target->pid = 0;
		close_pipe(&io[0]);
		close_pipe(&notes[0]);
		return error;
	}
	target->fd = io[0];
	target->notes = notes[0];
	target->nstarts++;
	snprintf(first, sizeof(first), "r%d\nb%d\n", target->keep, target->is_buffered);
	log_target_send(target, str_of(first));
	return 0;
}

static void add_line(struct log_target *target, struct str record)
{
	if (record.len > LINE_MAX_BYTES - 1) {
		buf_add_char(&target->out, 'L');
		buf_add_str(&target->out, str_first(record, LINE_MAX_BYTES - 2));
		buf_add_char(&target->out, '\n');
		return;
	}
	buf_add_char(&target->out, 'L');
	buf_add_str(&target->out, record);
}

static void end_batch(struct log_target *target)
{
	buf_add_str(&target->out, STR("F\n"));
}

static void rotate(struct log_target *target)
{
	buf_add_str(&target->out, STR("R\n"));
}

static void tell_notes(struct log_target *target)
{
	char bytes[NOTES_BYTES];
	ssize_t n = target->notes >= 0 ? read(target->notes, bytes, sizeof(bytes)) : 0;
	struct str left = {bytes, n > 0 ? (size_t)n : 0}, line;

	while (left.len > 0 && str_split(&left, '\n', &line)) {
		log_say(0, "%.*s", STR_ARG(line));
		snprintf(target->note, sizeof(target->note), "%.*s", STR_ARG(line));
		target->note_us = clock_mono_us();
	}
}

bool log_target_view(const struct log_target *target, struct log_daemon_view *out)
{
	if (target->ops != &log_target_daemon)
		return false;
	*out = (struct log_daemon_view){
		.pid = target->pid,
		.nstarts = target->nstarts,
		.nrecords = target->nrecords,
		.nlost = target->nlost,
		.nwaiting = target->out.len - target->sent,
		.nfailures = target->nfailures,
		.retry_ms = target->fd < 0 ? target->retry_ms : 0,
		.note_us = target->note_us,
	};
	snprintf(out->place, sizeof(out->place), "%s", target->place);
	snprintf(out->program, sizeof(out->program), "%s", target->program);
	snprintf(out->note, sizeof(out->note), "%s", target->note);
	return true;
}

static bool read_daemon(struct log_target *target)
{
	tell_notes(target);
	return log_target_discard(target);
}

static bool is_gone(pid_t pid)
{
	static const struct timespec step = {.tv_nsec = END_STEP_MS * 1000000L};

	for (int i = 0; i < END_STEPS; i++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return true;
		nanosleep(&step, NULL);
	}
	return false;
}

/* At the end it may read what is left: EOF, SIGTERM, SIGKILL. One that failed has no such time. */
static void close_daemon(struct log_target *target, bool is_last)
{
	pid_t pid = target->pid;

	tell_notes(target);
	close_pipe(&target->notes);
	target->pid = 0;
	if (pid <= 0 || (is_last && is_gone(pid)))
		return;
	if (is_last) {
		kill(-pid, SIGTERM);
		if (is_gone(pid))
			return;
	}
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

const struct log_target_ops log_target_daemon = {
	.open = open_daemon,
	.add = add_line,
	.end_batch = end_batch,
	.send = log_target_send,
	.rotate = rotate,
	.read = read_daemon,
	.closed = close_daemon,
};
