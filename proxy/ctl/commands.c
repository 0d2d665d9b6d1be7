/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/commands.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/str.h"
#include "proxy/ctl/purge.h"

/* In the order of the overview. */
static const struct ctl_command commands[] = {
	{.name = "info",
	 .syntax = "",
	 .summary = "who is running, and what is in the cache",
	 .run = ctl_run_info},
	{.name = "counters",
	 .syntax = "",
	 .summary = "requests, bytes and hits since the start",
	 .run = ctl_run_counters},
	{.name = "reconfigure",
	 .syntax = "",
	 .summary = "read the configuration anew; fails if it cannot be used",
	 .run = ctl_run_reconfigure},
	{.name = "rotate",
	 .syntax = "",
	 .summary = "new log files, new helpers",
	 .run = ctl_run_rotate},
	{.name = "shutdown",
	 .syntax = "",
	 .summary = "stop, as SIGTERM does",
	 .run = ctl_run_shutdown},
	{.name = "purge",
	 .syntax = "URL | --host H | --prefix P | --regex R | --tag T | --where SQL"
		   " [--soft] [--dry-run]",
	 .summary = "forget what is cached, or mark it stale",
	 .help = ctl_purge_help,
	 .options = ctl_purge_options,
	 .max_words = 1,
	 .run = ctl_run_purge},
	{.name = "why",
	 .syntax = "URL [-H 'NAME: VALUE']...",
	 .summary = "what the cache has for URL, and which rule decides whether it serves",
	 .options = ctl_why_options,
	 .min_words = 1,
	 .max_words = 1,
	 .run = ctl_run_why},
	{.name = "warm",
	 .syntax = "--from FILE [option]...",
	 .summary = "fetch what is not stored yet of a list of URLs, an access log or a sitemap",
	 .options = ctl_warm_options,
	 .run = ctl_run_warm},
};

const struct ctl_command *ctl_commands(unsigned *n)
{
	*n = COUNT(commands);
	return commands;
}

/* How many of the words, in a row, are the name's. */
static int count_words(const char *name, int argc, char **argv)
{
	struct str rest = str_of(name), word;
	int n = 0;

	while (str_word(&rest, &word)) {
		if (n == argc || !str_eq(word, str_of(argv[n])))
			return 0;
		n++;
	}
	return n;
}

const struct ctl_command *ctl_command_find(int argc, char **argv, int *nwords)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		*nwords = count_words(commands[i].name, argc, argv);
		if (*nwords > 0)
			return &commands[i];
	}
	return NULL;
}
