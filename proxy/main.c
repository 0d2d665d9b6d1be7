/* SPDX-License-Identifier: BSD-2-Clause */
/* The program: what its command line asks for. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "proxy/broker.h"
#include "proxy/operator.h"
#include "proxy/process.h"
#include "proxy/solo.h"
#include "proxy/startup.h"
#include "squid-compat/command_line.h"
#include "squid-compat/config.h"

static int show_usage(void)
{
	fputs(command_line_usage(), stderr);
	return EXIT_FAILURE;
}

static int run(const struct command_line *line)
{
	struct config *config;
	int status;

	if (line->has_obsolete_d)
		log_say(0, "WARNING: -D command-line option is obsolete.");
	config = startup_read_config(line, STARTUP_SAY, &status);
	if (!config) {
		startup_say_terminated();
		return status;
	}
	if (line->create_caches)
		return operator_create_caches(config);
	return line->no_daemon ? solo_run(line, config) : broker_run(line, config);
}

int main(int argc, char **argv)
{
	struct command_line line;
	struct err_text why;

	process_init();
	if (!command_line_parse(argc, argv, &line, &why)) {
		if (why.at[0])
			fprintf(stderr, "FATAL: %s\n", why.at);
		return show_usage();
	}
	if (line.wants_help)
		return show_usage();
	if (line.wants_version)
		return operator_show_version(&line);
	return line.control != CONTROL_NONE ? operator_control(&line) : run(&line);
}
