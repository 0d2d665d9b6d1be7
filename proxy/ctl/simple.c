/* SPDX-License-Identifier: BSD-2-Clause */
/* Subcommands that are a word or two to the running instance, and its answer. */
#include <stddef.h>

#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"

static int ask(struct ctl *ctl, const char *verb)
{
	return client_ask(ctl, &verb, 1, NULL);
}

int ctl_run_info(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ask(ctl, "info");
}

int ctl_run_counters(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ask(ctl, "counters");
}

int ctl_run_mgr(struct ctl *ctl, const struct ctl_args *args)
{
	const char *words[] = {"mgr", args->nwords > 0 ? args->words[0] : "menu"};

	return client_ask(ctl, words, 2, NULL);
}

int ctl_run_reconfigure(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ask(ctl, "reconfigure");
}

int ctl_run_rotate(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ask(ctl, "rotate");
}

int ctl_run_shutdown(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ask(ctl, "shutdown");
}
