/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/operator.h: what the command line asks for besides serving: -v, -k and -z. Each prints what
 * Squid prints and returns the exit status. Before there are threads. */
#ifndef PROXY_OPERATOR_H
#define PROXY_OPERATOR_H

struct command_line;
struct config;

int operator_show_version(const struct command_line *line);

/* -k: the whole configuration is read first; with an error in it nothing is signalled. */
int operator_control(const struct command_line *line);

/* -z: the directories and databases of the disk cache. Takes over config. */
int operator_create_caches(struct config *config);

#endif
