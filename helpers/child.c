/* SPDX-License-Identifier: BSD-2-Clause */
/* Three descriptors of a process on the loop: the socketpair (lines), the stderr pipe (notes for
 * the operator) and the pidfd (its exit). Each turn of the loop reads a bounded share of what there
 * is, so that a flood from one helper leaves time for the others. The socketpair is watched for
 * what can be written only while something waits for that: each read of the helper's would wake us
 * up otherwise.
 *
 *     running → ended (told to the owner) → stopped (EOF) → SIGTERM → SIGKILL → reaped, freed
 * A stop may come first; what the process does afterwards is nobody's concern. */
#include "helpers/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers/spawn.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

enum {
	READS_A_TURN = 4,
	MAX_UNSENT_BYTES = 16 << 20,
	NOTE_BYTES = 1024,      /* of a line from stderr; a longer one comes in parts */
	NOTES_A_SECOND = 50,    /* beyond, only the last one of each second is shown */
	EXIT_AFTER_EOF_MS = 50, /* an exit is mostly seen just after the end of its output */
};

struct notes {
	char line[NOTE_BYTES];
	size_t len;
	char last[NOTE_BYTES]; /* of those held back */
	size_t last_len;
	unsigned nshown, nheld; /* in this second */
	int64_t second;
};

struct child {
	struct loop *loop;
	struct child_options options; /* argv and squid_debug are not used after the start */
	pid_t pid;
	struct loop_fd io, notes_fd, exit_fd;
	struct buf in;  /* the beginning of a line */
	struct buf out; /* what it has not taken yet */
	struct notes notes;
	struct loop_task task;  /* goes on reading notes, or tells failure */
	struct loop_task flush; /* what was asked in this turn of the loop leaves in one piece */
	struct timer timer;
	const char *failure;
	bool waits_to_write;
	bool has_ended, is_stopped, was_terminated, is_reaped, was_killed;
};

static void on_io(struct loop_fd *watch, uint32_t events);
static void on_notes(struct loop_fd *watch, uint32_t events);
static void on_exit_seen(struct loop_fd *watch, uint32_t events);
static void on_task(struct loop_task *task);
static void on_flush(struct loop_task *task);
static void on_timer(struct timer *timer);

/* ---- starting */

static void close_watched(struct loop *loop, struct loop_fd *watch)
{
	if (watch->fd < 0)
		return;
	if (watch->is_watched_)
		loop_unwatch(loop, watch);
	close(watch->fd);
	watch->fd = -1;
}

static void free_child(struct child *child)
{
	loop_task_cancel(&child->task);
	loop_task_cancel(&child->flush);
	timer_cancel(&child->timer);
	close_watched(child->loop, &child->io);
	close_watched(child->loop, &child->notes_fd);
	close_watched(child->loop, &child->exit_fd);
	buf_fini(&child->in);
	buf_fini(&child->out);
	mem_free(child);
}

static struct child *make_child(struct loop *loop, const struct child_options *options)
{
	struct child *child = mem_zalloc(sizeof(*child));

	child->loop = loop;
	child->options = *options;
	child->io = (struct loop_fd){.fd = -1, .ready = on_io};
	child->notes_fd = (struct loop_fd){.fd = -1, .ready = on_notes};
	child->exit_fd = (struct loop_fd){.fd = -1, .ready = on_exit_seen};
	child->task.run = on_task;
	child->flush.run = on_flush;
	timer_init(&child->timer, on_timer);
	buf_init(&child->in, options->max_line_bytes + 2);
	buf_init(&child->out, MAX_UNSENT_BYTES);
	return child;
}

/* Our ends non-blocking, the helper's as programs expect them. 0 or an errno. */
static int open_ends(int io[2], int notes[2])
{
	io[0] = io[1] = notes[0] = notes[1] = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, io) != 0 ||
	    pipe2(notes, O_CLOEXEC) != 0 || fcntl(io[0], F_SETFL, O_NONBLOCK) != 0 ||
	    fcntl(notes[0], F_SETFL, O_NONBLOCK) != 0)
		return errno;
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Registers all three; on failure the new process is killed, since its exit would not be seen. */
static int watch_child(struct child *child)
{
	int err;

	child->exit_fd.fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->exit_fd.fd >= 0) {
		fcntl(child->exit_fd.fd, F_SETFD, FD_CLOEXEC);
		if (loop_watch(child->loop, &child->exit_fd) &&
		    loop_watch(child->loop, &child->notes_fd) &&
		    loop_watch_level(child->loop, &child->io, EPOLLIN))
			return 0;
	}
	err = errno;
	kill(-child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	return err;
}

struct child *child_start(struct loop *loop, const struct child_options *options,
                          struct err_text *why)
{
	struct child *child = make_child(loop, options);
	int io[2], notes[2];
	int err = open_ends(io, notes);

	child->io.fd = io[0];
	child->notes_fd.fd = notes[0];
	if (err == 0)
		err = spawn_program(options->argv, options->squid_debug, io[1], notes[1],
		                    &child->pid);
	close_if_open(io[1]);
	close_if_open(notes[1]);
	if (err == 0)
		err = watch_child(child);
	if (err == 0)
		return child;
	err_say(why, "cannot start %s: (%d) %s", options->argv[0], err, strerror(err));
	free_child(child);
	return NULL;
}

/* ---- what it says on stderr */

static void tell_note(struct child *child, const char *text, size_t len)
{
	child->options.stderr_line(child->options.owner, text, len);
}

/* What was held back: how much, and its end. */
static void flush_held_notes(struct child *child)
{
	struct notes *notes = &child->notes;
	char text[96];
	int n;

	if (notes->nheld == 0)
		return;
	if (notes->nheld > 1) {
		n = snprintf(text, sizeof(text), "(%u more lines of this helper are left out)",
		             notes->nheld - 1);
		tell_note(child, text, (size_t)n);
	}
	tell_note(child, notes->last, notes->last_len);
	notes->nheld = 0;
}

static void finish_note(struct child *child)
{
	struct notes *notes = &child->notes;
	int64_t second = loop_now_ms(child->loop) / 1000;

	if (second != notes->second) {
		flush_held_notes(child);
		notes->second = second;
		notes->nshown = 0;
	}
	if (notes->nshown < NOTES_A_SECOND) {
		notes->nshown++;
		tell_note(child, notes->line, notes->len);
	} else {
		notes->nheld++;
		memcpy(notes->last, notes->line, notes->len);
		notes->last_len = notes->len;
	}
	notes->len = 0;
}

static void take_notes(struct child *child, struct str bytes)
{
	struct notes *notes = &child->notes;

	while (bytes.len > 0) {
		size_t line = str_find_char(bytes, '\n');
		size_t room = NOTE_BYTES - notes->len;
		size_t n = line < room ? line : room;

		memcpy(notes->line + notes->len, bytes.at, n);
		notes->len += n;
		if (n == line && n < bytes.len)
			n++; /* the LF */
		else if (notes->len < NOTE_BYTES)
			return;
		bytes = str_from(bytes, n);
		finish_note(child);
	}
}

static void read_notes(struct child *child)
{
	size_t size;
	char *at = loop_read_buffer(child->loop, &size);

	for (unsigned i = 0; i < READS_A_TURN; i++) {
		ssize_t n = read(child->notes_fd.fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close_watched(child->loop, &child->notes_fd);
			return;
		}
		take_notes(child, (struct str){at, (size_t)n});
	}
	loop_defer(child->loop, &child->task);
}

static void on_notes(struct loop_fd *watch, uint32_t events)
{
	(void)events;
	read_notes(CONTAINER(watch, struct child, notes_fd));
}

/* ---- what it answers */

static void tell_end(struct child *child, const char *why)
{
	if (child->has_ended || child->is_stopped)
		return;
	child->has_ended = true;
	timer_cancel(&child->timer);
	child->options.ended(child->options.owner, why);
}

static void tell_line(struct child *child, char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\r')
		len--;
	child->options.line(child->options.owner, text, len);
}

/* Keeps the beginning of a line. False if the line is too long: the child has ended. */
static bool keep_part(struct child *child, const char *at, size_t len)
{
	char why[80];

	if (child->in.len + len <= child->options.max_line_bytes && buf_add(&child->in, at, len))
		return true;
	snprintf(why, sizeof(why), "sent a line of more than %zu bytes",
	         child->options.max_line_bytes);
	tell_end(child, why);
	return false;
}

static bool is_deaf(const struct child *child)
{
	return child->is_stopped || child->has_ended;
}

static void take_bytes(struct child *child, char *at, size_t len)
{
	char *lf;

	while (len > 0 && (lf = memchr(at, '\n', len)) != NULL) {
		size_t n = (size_t)(lf - at);

		if (child->in.len == 0 && n <= child->options.max_line_bytes) {
			tell_line(child, at, n);
		} else {
			if (!keep_part(child, at, n))
				return;
			tell_line(child, child->in.at, child->in.len);
			buf_clear(&child->in);
		}
		if (is_deaf(child))
			return;
		at = lf + 1;
		len -= n + 1;
	}
	keep_part(child, at, len);
}

/* Reads so many times at most. False at the end of its output. */
static bool read_answers(struct child *child, unsigned nreads)
{
	size_t size;

	for (unsigned i = 0; i < nreads; i++) {
		char *at = loop_read_buffer(child->loop, &size);
		ssize_t n = recv(child->io.fd, at, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		take_bytes(child, at, (size_t)n);
		if (is_deaf(child))
			return true;
	}
	return true;
}

static void wait_to_write(struct child *child, bool waits)
{
	if (waits == child->waits_to_write)
		return;
	child->waits_to_write = waits;
	loop_watch_level(child->loop, &child->io, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void send_more(struct child *child)
{
	while (child->out.len > 0) {
		ssize_t n = send(child->io.fd, child->out.at, child->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				buf_clear(&child->out); /* its end is about to be seen */
			break;
		}
		buf_consume(&child->out, (size_t)n);
	}
	wait_to_write(child, child->out.len > 0);
}

static void on_flush(struct loop_task *task)
{
	struct child *child = CONTAINER(task, struct child, flush);

	if (child->io.is_watched_)
		send_more(child);
}

static void read_some(struct child *child)
{
	if (is_deaf(child) || read_answers(child, 1) || is_deaf(child))
		return;
	loop_unwatch(child->loop, &child->io);
	if (child->timer.deadline_ms == 0)
		timer_set(child->loop, &child->timer, loop_now_ms(child->loop) + EXIT_AFTER_EOF_MS);
}

static void on_io(struct loop_fd *watch, uint32_t events)
{
	struct child *child = CONTAINER(watch, struct child, io);

	if (events & EPOLLOUT)
		send_more(child);
	if (events & ~(uint32_t)EPOLLOUT)
		read_some(child);
}

static void on_task(struct loop_task *task)
{
	struct child *child = CONTAINER(task, struct child, task);

	if (child->failure)
		tell_end(child, child->failure);
	if (child->notes_fd.fd >= 0)
		read_notes(child);
}

pid_t child_pid(const struct child *child)
{
	return child->pid;
}

int child_fd(const struct child *child)
{
	return child->io.fd;
}

void child_send(struct child *child, const struct str *pieces, unsigned npieces)
{
	bool was_idle = child->out.len == 0;
	size_t old_len = child->out.len;
	bool fits = true;

	for (unsigned i = 0; i < npieces && fits; i++)
		fits = buf_add_str(&child->out, pieces[i]);
	if (fits && buf_add_char(&child->out, '\n')) {
		if (was_idle)
			loop_defer(child->loop, &child->flush);
		return;
	}
	child->out.len = old_len;
	child->failure = "does not read its requests";
	loop_defer(child->loop, &child->task);
}

/* ---- its end */

/* The last one standing frees. Whoever of the group is left has had SIGTERM when the leader went.
 */
static void finish(struct child *child)
{
	void (*reaped)(void *owner) = child->options.reaped;
	void *owner = child->options.owner;

	if (child->notes.len > 0)
		finish_note(child);
	flush_held_notes(child);
	free_child(child);
	if (reaped)
		reaped(owner);
}

/* Reaps the leader. As long as others live in its group, its number is not given to anyone else, so
 * the group can still be signalled. */
static void reap(struct child *child)
{
	close_watched(child->loop, &child->exit_fd);
	waitpid(child->pid, NULL, 0);
	child->is_reaped = true;
	if (kill(-child->pid, child->was_killed ? SIGKILL : SIGTERM) != 0 || child->was_killed) {
		finish(child);
		return;
	}
	child->was_terminated = true;
	timer_set(child->loop, &child->timer, loop_now_ms(child->loop) + child->options.grace_ms);
}

static bool has_exited(const struct child *child, char *text, size_t size)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	    info.si_pid == 0)
		return false;
	if (info.si_code == CLD_EXITED)
		snprintf(text, size, info.si_status ? "exited with status %d" : "exited",
		         info.si_status);
	else
		snprintf(text, size, "exited on signal %d", info.si_status);
	return true;
}

/* What it still said counts: its last answers, its last words. */
static void on_exit_seen(struct loop_fd *watch, uint32_t events)
{
	struct child *child = CONTAINER(watch, struct child, exit_fd);
	char why[64];

	(void)events;
	if (!has_exited(child, why, sizeof(why)))
		return;
	loop_unwatch(child->loop, watch);
	if (child->notes_fd.fd >= 0)
		read_notes(child);
	if (!is_deaf(child) && child->io.is_watched_)
		read_answers(child, READS_A_TURN);
	if (child->is_stopped)
		reap(child);
	else
		tell_end(child, why);
}

static void on_timer(struct timer *timer)
{
	struct child *child = CONTAINER(timer, struct child, timer);

	if (!child->is_stopped) {
		tell_end(child, "closed its output");
		return;
	}
	if (!child->exit_fd.is_watched_ && !child->is_reaped) {
		reap(child); /* its exit was seen before the stop */
		return;
	}
	child->was_killed = child->was_terminated;
	kill(-child->pid, child->was_killed ? SIGKILL : SIGTERM);
	child->was_terminated = true;
	if (child->is_reaped)
		finish(child);
	else if (!child->was_killed)
		timer_set(child->loop, timer, loop_now_ms(child->loop) + child->options.grace_ms);
}

void child_stop(struct child *child, bool is_urgent)
{
	check(!child->is_stopped);
	child->is_stopped = true;
	close_watched(child->loop, &child->io);
	if (is_urgent) {
		kill(-child->pid, SIGTERM);
		child->was_terminated = true;
	}
	timer_cancel(&child->timer);
	timer_set(child->loop, &child->timer,
	          loop_now_ms(child->loop) +
	                  (child->exit_fd.is_watched_ ? child->options.grace_ms : 0));
}
