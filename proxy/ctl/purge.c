/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>

#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"

int ctl_run_purge(struct ctl *ctl, const struct ctl_args *args)
{
	const char *words[] = {"purge", args->words[0]};

	return client_ask(ctl, words, 2, NULL);
}
