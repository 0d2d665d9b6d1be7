/* SPDX-License-Identifier: BSD-2-Clause */
/* What the helper programs of the running instance do. */
#include <stddef.h>

#include "proxy/ctl/client.h"
#include "proxy/ctl/helper/helper.h"

enum option { JSON };

const struct ctl_option ctl_helpers_options[] = {
	[JSON] = {"json", 0, NULL, "an object a line: a pool with its children"},
	{0},
};

const char ctl_helpers_help[] =
	"For each pool: its children and how many have died; what was asked and answered; how long\n"
	"answers take, from the sending of a question on (half of them, nine of ten, 99 of 100 took\n"
	"no longer); the breaker: closed, open (no child can be kept alive, and requests do without),\n"
	"or probing (one was started to see). Then the same for each child, and what was last written\n"
	"to stderr, with control characters as \\xNN. What helpers are asked is never shown. Log daemons\n"
	"come last, each with how many records came, as of the last one.\n";

int ctl_run_helpers(struct ctl *ctl, const struct ctl_args *args)
{
	const char *words[] = {"mgr", ctl_given(args, JSON) ? "helpers.json" : "helpers"};

	return client_ask(ctl, words, 2, NULL);
}
