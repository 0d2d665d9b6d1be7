/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>

#include "lib/base/check.h"
#include "proxy/control/control_call.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"

const struct ctl_option ctl_why_options[] = {
	{"header", 'H', "'NAME: VALUE'", "a header field of the request; may be repeated", true},
	{0},
};

int ctl_run_why(struct ctl *ctl, const struct ctl_args *args)
{
	const char *words[CONTROL_MAX_WORDS] = {"why", args->words[0]};
	unsigned nwords = 2;

	for (unsigned i = 0; i < args->ngiven; i++) {
		if (nwords == COUNT(words))
			return ctl_fail("that is too many header fields");
		words[nwords++] = args->given[i].value;
	}
	return client_ask(ctl, words, nwords, NULL);
}
