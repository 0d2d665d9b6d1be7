/* SPDX-License-Identifier: BSD-2-Clause */
/* config rollback: an earlier configuration, without its file. */
#include <stddef.h>

#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"

const char ctl_rollback_help[] =
	"The running instance keeps the last few configurations that it has used, byte for byte with\n"
	"all files that they name, and goes back to the one before the current one. No file is\n"
	"written: the next reload reads squid.conf as it is then.\n";

int ctl_run_rollback(struct ctl *ctl, const struct ctl_args *args)
{
	const char *verb = "rollback";

	(void)args;
	return client_ask(ctl, &verb, 1, NULL);
}
