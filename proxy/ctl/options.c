/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/options.h"

#include <getopt.h>
#include <string.h>

#include "lib/base/check.h"

enum {
	MAX_OPTIONS = 30, /* of one subcommand */
	CODE_HELP = 1000, /* what getopt_long gives: a row plus FIRST_CODE, or this */
	FIRST_CODE = 1001,
};

/* What getopt_long wants, made of the table. */
struct forms {
	struct option names[MAX_OPTIONS + 2];
	char letters[2 * MAX_OPTIONS + 2];
};

static unsigned count(const struct ctl_option *options)
{
	unsigned n = 0;

	while (options && options[n].name)
		n++;
	check(n <= MAX_OPTIONS);
	return n;
}

static void make_forms(const struct ctl_option *options, struct forms *forms)
{
	unsigned n = count(options), nletters = 0;

	*forms = (struct forms){0};
	for (unsigned i = 0; i < n; i++) {
		forms->names[i] = (struct option){
			options[i].name, options[i].argument ? required_argument : no_argument,
			NULL, FIRST_CODE + (int)i};
		if (options[i].letter == 0)
			continue;
		forms->letters[nletters++] = options[i].letter;
		if (options[i].argument)
			forms->letters[nletters++] = ':';
	}
	forms->names[n] = (struct option){"help", no_argument, NULL, CODE_HELP};
}

/* The row that a code of getopt_long stands for; -1: none. */
static int row_of(const struct ctl_option *options, int code)
{
	unsigned n = count(options);

	if (code >= FIRST_CODE)
		return code - FIRST_CODE;
	for (unsigned i = 0; i < n; i++)
		if (options[i].letter && options[i].letter == code)
			return (int)i;
	return -1;
}

static bool note(struct ctl_args *args, const struct ctl_option *options, int row)
{
	if (row < 0)
		return false; /* getopt_long said why */
	if (!options[row].may_repeat && options[row].argument && ctl_given(args, (unsigned)row)) {
		ctl_fail("--%s is there twice", options[row].name);
		return false;
	}
	if (args->ngiven == CTL_MAX_GIVEN) {
		ctl_fail("too many options");
		return false;
	}
	args->given[args->ngiven].option = (unsigned)row;
	args->given[args->ngiven++].value = optarg ? optarg : "";
	return true;
}

enum options_verdict options_read(const struct ctl_command *command, int argc, char **argv,
				  struct ctl_args *args)
{
	struct forms forms;
	int code;

	make_forms(command->options, &forms);
	*args = (struct ctl_args){0};
	optind = 0; /* glibc: begin anew */
	while ((code = getopt_long(argc, argv, forms.letters, forms.names, NULL)) >= 0) {
		if (code == CODE_HELP)
			return OPTIONS_HELP;
		if (!note(args, command->options, row_of(command->options, code)))
			return OPTIONS_WRONG;
	}
	args->words = argv + optind;
	args->nwords = argc - optind;
	if (args->nwords >= command->min_words && args->nwords <= command->max_words)
		return OPTIONS_RUN;
	ctl_fail(args->nwords < command->min_words ? "%s: something is missing"
						   : "%s: too many words",
		 command->name);
	return OPTIONS_WRONG;
}

const char *ctl_given(const struct ctl_args *args, unsigned option)
{
	for (unsigned i = args->ngiven; i > 0; i--)
		if (args->given[i - 1].option == option)
			return args->given[i - 1].value;
	return NULL;
}

void options_print_usage(const struct ctl_command *command, FILE *out)
{
	fprintf(out, "Usage: bobtailctl [-f squid.conf] [-n NAME] [-s SOCKET] %s%s%s\n",
		command->name, command->syntax[0] ? " " : "", command->syntax);
}

static void print_option(const struct ctl_option *option, FILE *out)
{
	char left[64];
	int len = option->letter ? snprintf(left, sizeof(left), "-%c, ", option->letter)
				 : snprintf(left, sizeof(left), "    ");

	snprintf(left + len, sizeof(left) - (size_t)len, "--%s%s%s", option->name,
		 option->argument ? " " : "", option->argument ? option->argument : "");
	fprintf(out, "    %-22s  %s\n", left, option->help);
}

void options_print_help(const struct ctl_command *command, FILE *out)
{
	static const struct ctl_option help = {.name = "help", .help = "this text"};
	unsigned n = count(command->options);

	options_print_usage(command, out);
	fprintf(out, "%s\n", command->summary);
	if (command->help)
		fprintf(out, "\n%s", command->help);
	fputs("\nOptions:\n", out);
	for (unsigned i = 0; i < n; i++)
		print_option(&command->options[i], out);
	print_option(&help, out);
}
