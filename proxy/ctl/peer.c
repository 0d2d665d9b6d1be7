/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>

#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"

const char ctl_peer_help[] =
	"A drained peer gets no new requests, but for those that stick to it (sticky=); those\n"
	"under way finish. A weight of 0 is the configuration's again. Both hold until they are\n"
	"taken back or the program ends; reloads and upgrades leave them as they are.\n";

static int ask(struct ctl *ctl, const char *action, const struct ctl_args *args)
{
	const char *words[4] = {"peer", action};
	unsigned n = 2;

	for (int i = 0; i < args->nwords; i++)
		words[n++] = args->words[i];
	return client_ask(ctl, words, n, NULL);
}

int ctl_run_peer_list(struct ctl *ctl, const struct ctl_args *args)
{
	return ask(ctl, "list", args);
}

int ctl_run_peer_drain(struct ctl *ctl, const struct ctl_args *args)
{
	return ask(ctl, "drain", args);
}

int ctl_run_peer_undrain(struct ctl *ctl, const struct ctl_args *args)
{
	return ask(ctl, "undrain", args);
}

int ctl_run_peer_weight(struct ctl *ctl, const struct ctl_args *args)
{
	return ask(ctl, "weight", args);
}
