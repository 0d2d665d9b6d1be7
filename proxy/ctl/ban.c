/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>

#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"

const char ctl_ban_help[] =
	"An IPv4 address is banned alone, an IPv6 one with its /64, unless BITS say otherwise.\n"
	"Without SECONDS a ban holds until it is taken back. Bans survive a restart where the\n"
	"configuration has a ban_file or a cache_dir.\n";

static int ask(struct ctl *ctl, const char *action, const struct ctl_args *args)
{
	const char *words[4] = {"ban", action};
	unsigned n = 2;

	for (int i = 0; i < args->nwords; i++)
		words[n++] = args->words[i];
	return client_ask(ctl, words, n, NULL);
}

int ctl_run_ban_list(struct ctl *ctl, const struct ctl_args *args)
{
	return ask(ctl, "list", args);
}

int ctl_run_ban_add(struct ctl *ctl, const struct ctl_args *args)
{
	return ask(ctl, "add", args);
}

int ctl_run_ban_remove(struct ctl *ctl, const struct ctl_args *args)
{
	return ask(ctl, "remove", args);
}
