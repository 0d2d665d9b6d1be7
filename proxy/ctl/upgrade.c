/* SPDX-License-Identifier: BSD-2-Clause */
/* upgrade: the program that lies where the running one was started from takes its place. */
#include <stddef.h>

#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"

const char ctl_upgrade_help[] =
	"The parent tries the installed program with squid.conf as it is now, then becomes it: same\n"
	"process id, same listening sockets. A new serving process starts; when it serves, the old one\n"
	"finishes what it has begun (upgrade_lifetime) and goes. If anything fails on the way, the old\n"
	"program goes on, and the exit status tells.\n";

int ctl_run_upgrade(struct ctl *ctl, const struct ctl_args *args)
{
	const char *verb = "upgrade";

	(void)args;
	return client_ask(ctl, &verb, 1, NULL);
}
