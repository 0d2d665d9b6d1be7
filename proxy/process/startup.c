/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/startup.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "proxy/process/transcript.h"
#include "proxy/version.h"
#include "squid-compat/command_line.h"
#include "squid-compat/config.h"
#include "squid-compat/report.h"

static void say(void *user, const char *line)
{
	(void)user;
	log_say(0, "%s", line);
}

struct config *startup_read_config(const struct command_line *line, enum startup_tone tone,
                                   int *status)
{
	return startup_read_by(line, tone, NULL, false, status);
}

struct config *startup_read_by(const struct command_line *line, enum startup_tone tone,
                               struct transcript *transcript, bool is_replay, int *status)
{
	struct config_options options = {
		.service_name = line->service_name,
		.is_parse_only = tone == STARTUP_PARSE,
		.keep_lines = tone == STARTUP_PARSE,
	};
	struct report *report = report_create();
	struct config *config;

	if (transcript && is_replay)
		transcript_replay(transcript, &options);
	else if (transcript)
		transcript_record(transcript, &options);
	config = config_read(line->config_path ? line->config_path : config_default_path(),
	                     &options, report);
	*status = report_exit_status(report, !options.is_parse_only);
	if (!config || tone != STARTUP_SILENT)
		report_print(report, say, NULL);
	report_destroy(report);
	return config;
}

int startup_fail(const char *text)
{
	log_say(0, "FATAL: %s", text);
	startup_say_terminated();
	return EXIT_FAILURE;
}

void startup_say_terminated(void)
{
	log_say(0, "Squid Cache (Version " VERSION_TEXT "): Terminated abnormally.");
}
