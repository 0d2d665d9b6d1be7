/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/solo.h: -N: one process in the foreground that opens its ports, drops its
 * privileges and serves until a signal ends it. The main thread's. */
#ifndef PROXY_SOLO_H
#define PROXY_SOLO_H

struct command_line;
struct config;
struct transcript; /* proxy/process/transcript.h */

/* Takes over config and transcript, what was read for it. Returns the exit status. */
int solo_run(const struct command_line *line, struct config *config,
             struct transcript *transcript);

#endif
