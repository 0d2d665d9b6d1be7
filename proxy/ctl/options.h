/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/options.h: the options of a subcommand, parsed and explained. */
#ifndef PROXY_CTL_OPTIONS_H
#define PROXY_CTL_OPTIONS_H
#include <stdio.h>

#include "proxy/ctl/ctl.h"

enum options_verdict {
	OPTIONS_RUN,
	OPTIONS_HELP,  /* --help was asked for */
	OPTIONS_WRONG, /* stderr has why */
};

/* argv[0] stands for the subcommand; what follows is read, options and words in any order ("--"
 * ends the options). args->words points into argv. */
enum options_verdict options_read(const struct ctl_command *command, int argc, char **argv,
				  struct ctl_args *args);

void options_print_usage(const struct ctl_command *command, FILE *out);
void options_print_help(const struct ctl_command *command, FILE *out);

#endif
