/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "lib/base/str.h"
#include "proxy/process/process.h"

enum { MAX_BYTES = 1 << 20 };

static const char variable[] = "BOBTAIL_HANDOVER", rehearsal[] = "BOBTAIL_REHEARSAL";

void handover_init(struct handover *handover)
{
	*handover = (struct handover){.kid = {0, -1},
	                              .control_fd = -1,
	                              .program_fd = -1,
	                              .transcript_fd = -1};
}

void handover_fini(struct handover *handover)
{
	mem_free(handover->control_path);
	mem_free(handover->pid_path);
	mem_free(handover->wishes);
	mem_free(handover->fds);
	handover_init(handover);
}

/* ---- writing */

static void write_wishes(const char *wishes, struct buf *out)
{
	struct str rest = str_of(wishes), line;

	while (str_split(&rest, '\n', &line))
		if (line.len > 0)
			buf_printf(out, "wish 0 %.*s\n", STR_ARG(line));
}

/* A line is a word, one or two numbers, and the rest. */
static void write_lines(const struct handover *handover, struct buf *out)
{
	buf_printf(out, "direction %d\n", handover->is_back);
	buf_printf(out, "kid %d %d\n", (int)handover->kid.pid, handover->kid.channel);
	for (unsigned i = 0; i < handover->nleaving; i++)
		buf_printf(out, "leaving %d %d\n", (int)handover->leaving[i].pid,
		           handover->leaving[i].channel);
	buf_printf(out, "program %d\n", handover->program_fd);
	buf_printf(out, "transcript %d\n", handover->transcript_fd);
	if (handover->control_path)
		buf_printf(out, "control %d %s\n", handover->control_fd, handover->control_path);
	if (handover->pid_path)
		buf_printf(out, "pid 0 %s\n", handover->pid_path);
	if (handover->wishes)
		write_wishes(handover->wishes, out);
	for (unsigned i = 0; i < handover->nfds; i++)
		buf_printf(out, "socket %d\n", handover->fds[i]);
}

static int make_file(const struct handover *handover)
{
	int fd = memfd_create("bobtail-handover", MFD_CLOEXEC);
	struct buf text;

	buf_init(&text, MAX_BYTES);
	write_lines(handover, &text);
	if (fd >= 0 && (text.is_full || write(fd, text.at, text.len) != (ssize_t)text.len)) {
		close(fd);
		fd = -1;
		errno = ENOSPC;
	}
	buf_fini(&text);
	return fd;
}

static void set_inherited(int fd, bool is_inherited)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, is_inherited ? 0 : FD_CLOEXEC);
}

static void set_all_inherited(const struct handover *handover, bool is_inherited)
{
	set_inherited(handover->kid.channel, is_inherited);
	for (unsigned i = 0; i < handover->nleaving; i++)
		set_inherited(handover->leaving[i].channel, is_inherited);
	set_inherited(handover->program_fd, is_inherited);
	set_inherited(handover->transcript_fd, is_inherited);
	set_inherited(handover->control_fd, is_inherited);
	for (unsigned i = 0; i < handover->nfds; i++)
		set_inherited(handover->fds[i], is_inherited);
}

static void set_variable(int fd)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", fd);
	setenv(variable, text, 1);
}

void handover_exec(struct handover *handover, const char *path)
{
	extern char **environ;
	int fd = make_file(handover), error;

	if (fd < 0)
		return;
	set_all_inherited(handover, true);
	set_inherited(fd, true);
	set_variable(fd);
	if (path)
		execv(path, process_arguments());
	else
		fexecve(handover->program_fd, process_arguments(), environ);
	error = errno;
	unsetenv(variable);
	set_all_inherited(handover, false);
	close(fd);
	errno = error;
}

pid_t handover_rehearse(struct handover *handover, const char *path)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv(rehearsal, "1", 1);
	handover_exec(handover, path);
	_exit(HANDOVER_NOT_RUN);
}

/* ---- reading */

static bool take_number(struct str *rest, int *out)
{
	struct str word;
	int64_t value;

	if (!str_word(rest, &word) || !str_to_i64(word, &value) || value < -1 || value > INT32_MAX)
		return false;
	*out = (int)value;
	return true;
}

static void add_socket(struct handover *handover, int fd)
{
	if (handover->nfds < HANDOVER_MAX_FDS)
		handover->fds[handover->nfds++] = fd;
}

static void add_wish(struct handover *handover, struct str line)
{
	char *before = handover->wishes;

	handover->wishes = mem_printf("%s%.*s\n", before ? before : "", STR_ARG(line));
	mem_free(before);
}

static void take_line(struct handover *handover, struct str line)
{
	struct str word;
	int first = 0, second = -1;

	if (!str_word(&line, &word) || !take_number(&line, &first))
		return;
	if (str_eq(word, STR("direction"))) {
		handover->is_back = first != 0;
	} else if (str_eq(word, STR("kid")) && take_number(&line, &second)) {
		handover->kid = (struct handover_kid){first, second};
	} else if (str_eq(word, STR("leaving")) && take_number(&line, &second) &&
	           handover->nleaving < HANDOVER_MAX_LEAVING) {
		handover->leaving[handover->nleaving++] = (struct handover_kid){first, second};
	} else if (str_eq(word, STR("program"))) {
		handover->program_fd = first;
	} else if (str_eq(word, STR("transcript"))) {
		handover->transcript_fd = first;
	} else if (str_eq(word, STR("control"))) {
		handover->control_fd = first;
		handover->control_path = str_dup(str_trim(line));
	} else if (str_eq(word, STR("pid"))) {
		handover->pid_path = str_dup(str_trim(line));
	} else if (str_eq(word, STR("wish"))) {
		add_wish(handover, str_trim(line));
	} else if (str_eq(word, STR("socket"))) {
		add_socket(handover, first);
	}
}

static bool read_file(int fd, struct buf *out)
{
	char piece[4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, piece, sizeof(piece), at)) > 0 && buf_add(out, piece, (size_t)n))
		at += n;
	return n == 0;
}

bool handover_take(struct handover *handover)
{
	const char *value = getenv(variable);
	struct str rest, line;
	struct buf text;
	int64_t fd = -1;
	bool is_read;

	handover_init(handover);
	handover->is_rehearsal = getenv(rehearsal) != NULL;
	if (!value || !str_to_i64(str_of(value), &fd) || fd < 0 || fd > INT32_MAX)
		return false;
	unsetenv(variable);
	unsetenv(rehearsal);
	handover->fds = mem_array(HANDOVER_MAX_FDS, sizeof(*handover->fds));
	buf_init(&text, MAX_BYTES);
	is_read = read_file((int)fd, &text);
	close((int)fd);
	rest = buf_str(&text);
	while (is_read && str_split(&rest, '\n', &line))
		take_line(handover, line);
	buf_fini(&text);
	set_all_inherited(handover, false);
	return is_read && handover->kid.pid > 0;
}
