/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommand trace: what the running instance tells (proxy/transaction/transaction_trace.h), in
 * columns. All of it is printable already. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/str.h"
#include "proxy/control/control_call.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"

enum { OPTION_MATCH, OPTION_URL, OPTION_SECONDS, OPTIONS };

const struct ctl_option ctl_trace_options[] = {
	[OPTION_MATCH] = {"match", 'm', "ACL",
			  "requests that this ACL of squid.conf matches ('!ACL': does not); may be "
			  "repeated, then all have to", true},
	[OPTION_URL] = {"url", 'u', "REGEX", "requests whose URL, as the client sent it, matches"},
	[OPTION_SECONDS] = {"seconds", 'n', "N", "end after so long; otherwise Ctrl-C ends it"},
	[OPTIONS] = {0},
};

const char ctl_trace_help[] =
	"A line for each stage of each request: its number, microseconds since its head was read, the\n"
	"stage, and what was decided there, with the line of squid.conf that did. Lines of requests that\n"
	"are served at the same time are mixed: the number tells them apart. What an ACL would have to ask\n"
	"a helper or the DNS about counts as no match. Bytes that are not printable are shown as \\xNN.\n"
	"The instance keeps 256 KiB for a reader that is slow; what does not fit is lost, and that is said.\n"
	"Four may look at a time.\n";

struct screen {
	bool has_colour;
};

static void show(void *user, const char *line)
{
	const struct screen *screen = user;
	struct str rest = str_of(line), number, us, stage;
	bool is_request;

	if (!str_split(&rest, '\t', &number) || !str_split(&rest, '\t', &us) ||
	    !str_split(&rest, '\t', &stage) || str_eq(stage, STR("looking")))
		return;
	if (str_eq(stage, STR("lost"))) {
		fprintf(stderr, "bobtailctl: lost %.*s\n", STR_ARG(rest));
		return;
	}
	is_request = screen->has_colour && str_eq(stage, STR("request"));
	printf("%s#%-5.*s %9.*s us  %-12.*s %.*s%s\n", is_request ? "\033[1m" : "", STR_ARG(number),
	       STR_ARG(us), STR_ARG(stage), STR_ARG(rest), is_request ? "\033[0m" : "");
	fflush(stdout);
}

int ctl_run_trace(struct ctl *ctl, const struct ctl_args *args)
{
	static const char *const names[] = {
		[OPTION_MATCH] = "match", [OPTION_URL] = "url", [OPTION_SECONDS] = "seconds"};
	struct screen screen = {.has_colour = isatty(STDOUT_FILENO) == 1};
	const struct client_sink sink = {.line = show, .user = &screen};
	const char *words[CONTROL_MAX_WORDS] = {"trace"};
	unsigned n = 1;

	for (unsigned i = 0; i < args->ngiven; i++) {
		if (n + 2 > COUNT(words))
			return ctl_fail("those are too many options");
		words[n++] = names[args->given[i].option];
		words[n++] = args->given[i].value;
	}
	return client_ask(ctl, words, n, &sink);
}
