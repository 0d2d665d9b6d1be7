/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/startup.h: reading squid.conf for the program: with its messages in the log or on
 * stderr. May block; one thread's. */
#ifndef PROXY_STARTUP_H
#define PROXY_STARTUP_H
#include <stdbool.h>

struct command_line;
struct config;
struct transcript; /* proxy/process/transcript.h */

enum startup_tone {
	STARTUP_SAY,    /* what an operator should know */
	STARTUP_PARSE,  /* -k parse: all, each line too; nothing about what only a start needs */
	STARTUP_SILENT, /* nothing, unless the configuration cannot be used */
};

/* NULL, and *status as the program's exit status, when it cannot be used. Blocks (files, names).
 * transcript keeps what was read, or (is_replay) is what is read; NULL: neither. */
struct config *startup_read_config(const struct command_line *line, enum startup_tone tone,
                                   int *status);
struct config *startup_read_by(const struct command_line *line, enum startup_tone tone,
                               struct transcript *transcript, bool is_replay, int *status);

/* "FATAL: " TEXT and what Squid says behind it; returns the exit status. */
int startup_fail(const char *text);

/* The last word of a process that could not go on. */
void startup_say_terminated(void);

#endif
