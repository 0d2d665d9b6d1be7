/* SPDX-License-Identifier: BSD-2-Clause */
/* The program: what its command line asks for. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "proxy/operator.h"
#include "proxy/process/broker.h"
#include "proxy/process/handover.h"
#include "proxy/process/process.h"
#include "proxy/process/solo.h"
#include "proxy/process/startup.h"
#include "proxy/process/transcript.h"
#include "squid-compat/command_line.h"
#include "squid-compat/config.h"

static int show_usage(void)
{
	fputs(command_line_usage(), stderr);
	return EXIT_FAILURE;
}

/* The files, or, when a new program has failed and we go on, what we had read of them before. */
static struct config *read_config(const struct command_line *line, const struct handover *from,
                                  struct transcript **transcript, int *status)
{
	enum startup_tone tone = from->is_rehearsal || from->is_back ? STARTUP_SILENT : STARTUP_SAY;
	bool is_replay = from->is_back && from->transcript_fd >= 0;

	*transcript = is_replay ? transcript_receive(from->transcript_fd) : NULL;
	if (!*transcript) {
		*transcript = transcript_create();
		is_replay = false;
	}
	return startup_read_by(line, tone, *transcript, is_replay, status);
}

static int end_rehearsal(struct config *config, struct transcript *transcript,
                         struct handover *from)
{
	int status = config ? EXIT_SUCCESS : EXIT_FAILURE;

	config_unref(config);
	transcript_destroy(transcript);
	handover_fini(from);
	return status;
}

static int run(const struct command_line *line, struct handover *from)
{
	struct transcript *transcript;
	struct config *config;
	int status;

	if (line->has_obsolete_d)
		log_say(0, "WARNING: -D command-line option is obsolete.");
	config = read_config(line, from, &transcript, &status);
	if (from->is_rehearsal)
		return end_rehearsal(config, transcript, from);
	if (!config && from->kid.pid > 0 && !from->is_back) {
		from->is_back = true;
		handover_exec(from, NULL);
	}
	if (!config)
		startup_say_terminated();
	if (!config || line->create_caches) {
		transcript_destroy(transcript);
		return config ? operator_create_caches(config) : status;
	}
	return line->no_daemon ? solo_run(line, config, transcript)
	                       : broker_run(line, config, transcript, from);
}

int main(int argc, char **argv)
{
	struct command_line line;
	struct handover from;
	struct err_text why;

	process_remember(argv);
	process_init();
	if (!handover_take(&from) && from.is_rehearsal)
		return EXIT_FAILURE;
	if (!command_line_parse(argc, argv, &line, &why)) {
		if (why.at[0])
			fprintf(stderr, "FATAL: %s\n", why.at);
		return show_usage();
	}
	if (line.wants_help)
		return show_usage();
	if (line.wants_version)
		return operator_show_version(&line);
	return line.control != CONTROL_NONE ? operator_control(&line) : run(&line, &from);
}
