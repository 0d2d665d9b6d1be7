/* SPDX-License-Identifier: BSD-2-Clause */
/* bobtailctl, the administrator's tool: options that say which instance is meant, then a
 * subcommand (commands.c). */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "proxy/ctl/commands.h"
#include "proxy/ctl/options.h"
#include "proxy/version.h"
#include "squid-compat/config.h"

int ctl_fail(const char *format, ...)
{
	va_list args;

	fputs("bobtailctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return CTL_FAILED;
}

static void show_line(void *user, const char *line)
{
	(void)user;
	fprintf(stderr, "%s\n", line);
}

static const struct config *read_config(struct ctl *ctl, bool is_silent)
{
	const struct config_options options = {.is_parse_only = true,
					       .may_lack_certificates = true,
					       .service_name = ctl->service_name};
	struct report *report;

	if (ctl->config)
		return ctl->config;
	report = report_create();
	ctl->config = config_read(ctl->config_path, &options, report);
	if (!ctl->config && !is_silent)
		report_print(report, show_line, NULL);
	report_destroy(report);
	return ctl->config;
}

const struct config *ctl_config(struct ctl *ctl)
{
	return read_config(ctl, false);
}

const struct config *ctl_config_silently(struct ctl *ctl)
{
	return read_config(ctl, true);
}

/* ---- the overview */

static void print_overview(FILE *out)
{
	unsigned n;
	const struct ctl_command *commands = ctl_commands(&n);

	fputs("Usage: bobtailctl [-f squid.conf] [-n NAME] [-s SOCKET] COMMAND [--help]\n"
	      "       bobtailctl -h | --help | -v | --version\n"
	      "    -f FILE           the configuration of the instance that is meant\n"
	      "    -n NAME           its service name\n"
	      "    -s SOCKET         its control socket, if not where the configuration has it\n"
	      "Commands:\n",
	      out);
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "    %-16s  %s\n", commands[i].name, commands[i].summary);
}

static bool is_of(const struct ctl_command *command, struct str group)
{
	struct str rest = str_of(command->name), first;

	return str_word(&rest, &first) && str_eq(first, group);
}

/* Those whose name begins with group, a word, if there are some. */
static bool print_group(const char *group, FILE *out)
{
	unsigned n, nprinted = 0;
	const struct ctl_command *commands = ctl_commands(&n);

	for (unsigned i = 0; i < n; i++) {
		if (!is_of(&commands[i], str_of(group)))
			continue;
		if (nprinted++ == 0)
			fprintf(out, "Usage: bobtailctl [-f squid.conf] [-n NAME] [-s SOCKET] %s COMMAND [--help]\n"
				     "Commands:\n", group);
		fprintf(out, "    %s%s%s\n        %s\n", commands[i].name,
			*commands[i].syntax ? " " : "", commands[i].syntax, commands[i].summary);
	}
	return nprinted > 0;
}

/* The first words are no command: a group of some, alone or with what it has not, or nothing at
 * all. */
static int refuse(int argc, char **argv)
{
	bool asks = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);

	if (asks && print_group(argv[0], stdout))
		return CTL_OK;
	if (argc > 0)
		ctl_fail("no such command: %s%s%s", argv[0], argc > 1 ? " " : "",
			 argc > 1 ? argv[1] : "");
	if (argc == 0)
		print_overview(stderr);
	else if (!print_group(argv[0], stderr))
		fputs("`bobtailctl --help` lists those that there are.\n", stderr);
	return CTL_USAGE;
}

/* ---- running */

static int run(struct ctl *ctl, int argc, char **argv)
{
	const struct ctl_command *command;
	struct ctl_args args;
	int nwords, status = CTL_USAGE;

	command = ctl_command_find(argc, argv, &nwords);
	if (!command)
		return refuse(argc, argv);
	switch (options_read(command, argc - nwords + 1, argv + nwords - 1, &args)) {
	case OPTIONS_HELP:
		options_print_help(command, stdout);
		return CTL_OK;
	case OPTIONS_RUN:
		status = command->run(ctl, &args);
		break;
	case OPTIONS_WRONG:
		break;
	}
	if (status == CTL_USAGE)
		options_print_usage(command, stderr);
	return status;
}

static const struct option long_options[] = {
	{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'v'}, {0}};

int main(int argc, char **argv)
{
	struct ctl ctl = {.config_path = config_default_path()};
	int option, status;

	/* "+": what follows the subcommand is its own. */
	while ((option = getopt_long(argc, argv, "+f:n:s:hv", long_options, NULL)) >= 0)
		switch (option) {
		case 'f':
			ctl.config_path = optarg;
			break;
		case 'n':
			ctl.service_name = optarg;
			break;
		case 's':
			ctl.socket_path = optarg;
			break;
		case 'h':
			print_overview(stdout);
			return CTL_OK;
		case 'v':
			puts("bobtailctl " VERSION_TEXT);
			return CTL_OK;
		default:
			print_overview(stderr);
			return CTL_USAGE;
		}
	status = run(&ctl, argc - optind, argv + optind);
	config_unref(ctl.config);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == CTL_OK)
		status = ctl_fail("the output could not be written");
	return status;
}
