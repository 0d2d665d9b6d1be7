/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/broker.h: the parent: opens the ports and keeps them open, starts the kid that
 * serves and starts it again when it died, passes signals on, writes the pid file, tells the
 * service manager. It has one thread, keeps its privileges and never reads a byte from the network.
 */
#ifndef PROXY_BROKER_H
#define PROXY_BROKER_H

struct command_line;
struct config;
struct handover;   /* proxy/process/handover.h */
struct transcript; /* proxy/process/transcript.h */

/* Takes over config, transcript (what was read for it) and, of a program whose place it takes,
 * from, which is empty at any other start. In the background unless --foreground. Returns the exit
 * status. */
int broker_run(const struct command_line *line, struct config *config,
               struct transcript *transcript, struct handover *from);

#endif
