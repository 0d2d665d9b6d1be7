/* SPDX-License-Identifier: BSD-2-Clause */
/* Subcommands that are a word or two to the running instance, and its answer; what the
 * configuration says. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"
#include "squid-compat/config_show.h"

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

int ctl_run_health(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ask(ctl, "health");
}

int ctl_run_mgr(struct ctl *ctl, const struct ctl_args *args)
{
	const char *words[] = {"mgr", args->nwords > 0 ? args->words[0] : "menu"};

	return client_ask(ctl, words, 2, NULL);
}

int ctl_run_metrics(struct ctl *ctl, const struct ctl_args *args)
{
	const char *words[] = {"mgr", "metrics"};

	(void)args;
	return client_ask(ctl, words, 2, NULL);
}

int ctl_run_config(struct ctl *ctl, const struct ctl_args *args)
{
	const struct config *config = ctl_config(ctl);
	struct config_cursor cursor = {0};
	struct buf line;

	(void)args;
	if (!config)
		return CTL_FAILED;
	buf_init(&line, SIZE_MAX);
	while (config_show_next(config, &cursor, false, &line)) {
		fwrite(line.at, 1, line.len, stdout);
		buf_clear(&line);
	}
	buf_fini(&line);
	return CTL_OK;
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
