/* SPDX-License-Identifier: BSD-2-Clause */
/* log_file_daemon FILE: writes what an access_log daemon: line sends into FILE. In as Squid's
 * program of that name; nothing goes out: L<text>: a line; R: rotate; r<n>: how many old files; T:
 * truncate; O: reopen; F: flush; b<0|1>: gather lines or write each; others are lines too A file
 * that cannot be opened or written to is tried again once a second; the lines in between are lost
 * and counted. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/heap.h"

static const char program[] = "log_file_daemon";

enum { MAX_OLD_FILES = 9999, NUMBER_BYTES = 16 };

struct log {
	const char *path;
	FILE *file; /* NULL: closed; tried again at retry */
	time_t retry;
	bool is_unbuffered;
	long nold;
	unsigned long nlost;
};

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static void give_up_for_now(struct log *log, const char *what)
{
	if (log->nlost == 0)
		fprintf(stderr, "%s: cannot %s %s: (%d) %s: tries each second\n", program, what,
		        log->path, errno, strerror(errno));
	if (log->file)
		fclose(log->file);
	log->file = NULL;
	log->retry = now() + 1;
}

static void open_file(struct log *log)
{
	log->file = fopen(log->path, "ae");
	if (!log->file) {
		give_up_for_now(log, "open");
		return;
	}
	if (log->nlost > 0)
		fprintf(stderr, "%s: %s is open again; %lu lines are lost\n", program, log->path,
		        log->nlost);
	log->nlost = 0;
}

static void reopen(struct log *log)
{
	if (log->file && fclose(log->file) != 0) {
		log->file = NULL;
		give_up_for_now(log, "write to");
		return;
	}
	open_file(log);
}

static void flush(struct log *log)
{
	if (log->file && fflush(log->file) != 0)
		give_up_for_now(log, "write to");
}

/* FILE becomes FILE.0, that FILE.1, and so on; the oldest goes. */
static void rotate(struct log *log)
{
	for (long i = log->nold - 1; i >= 0; i--) {
		char *from = i > 0 ? mem_printf("%s.%ld", log->path, i - 1) : mem_strdup(log->path);
		char *to = mem_printf("%s.%ld", log->path, i);

		if (rename(from, to) != 0 && errno != ENOENT)
			fprintf(stderr, "%s: cannot rename %s to %s: (%d) %s\n", program, from, to,
			        errno, strerror(errno));
		mem_free(from);
		mem_free(to);
	}
	reopen(log);
}

/* The rest of the line, copied to the file, however long. first: a byte that belongs to it, or
 * EOF. */
static void write_line(struct log *log, int first)
{
	int c = first;

	if (!log->file && now() >= log->retry)
		open_file(log);
	if (!log->file)
		log->nlost++;
	if (c == EOF)
		c = getchar_unlocked();
	for (; c != EOF; c = getchar_unlocked()) {
		if (log->file)
			putc_unlocked(c, log->file);
		if (c == '\n')
			break;
	}
	if (log->file && (ferror(log->file) || (log->is_unbuffered && fflush(log->file) != 0)))
		give_up_for_now(log, "write to");
}

/* What the rest of the line begins with; all of it is read. */
static void read_rest(char out[NUMBER_BYTES])
{
	size_t len = 0;

	for (int c = getchar_unlocked(); c != EOF && c != '\n'; c = getchar_unlocked())
		if (len < NUMBER_BYTES - 1)
			out[len++] = (char)c;
	out[len] = '\0';
}

static void run_command(struct log *log, int command)
{
	char rest[NUMBER_BYTES];

	read_rest(rest);
	switch (command) {
	case 'R':
		rotate(log);
		break;
	case 'O':
		reopen(log);
		break;
	case 'F':
		flush(log);
		break;
	case 'b':
		log->is_unbuffered = rest[0] == '0';
		break;
	case 'r':
		log->nold = strtol(rest, NULL, 10);
		if (log->nold < 0 || log->nold > MAX_OLD_FILES)
			log->nold = log->nold < 0 ? 0 : MAX_OLD_FILES;
		break;
	default: /* T: Squid's program does nothing either */
		break;
	}
}

int main(int argc, char **argv)
{
	struct log log = {.path = argc == 2 ? argv[1] : NULL};
	int command;

	if (!log.path) {
		fprintf(stderr, "Usage: %s FILE\n", program);
		return 1;
	}
	open_file(&log);
	while ((command = getchar_unlocked()) != EOF) {
		if (command == 'L')
			write_line(&log, EOF);
		else if (command != '\n' && strchr("RTOFrb", command))
			run_command(&log, command);
		else
			write_line(&log, command);
	}
	if (log.file && fclose(log.file) != 0) {
		log.file = NULL;
		give_up_for_now(&log, "write to");
	}
	return 0;
}
