/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/commands.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/str.h"
#include "proxy/ctl/cache.h"
#include "proxy/ctl/helper.h"
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
	{.name = "health",
	 .syntax = "",
	 .summary = "what does not work as configured, why and since when; fails if anything does not",
	 .run = ctl_run_health},
	{.name = "mgr",
	 .syntax = "[ACTION]",
	 .summary = "a page of the cache manager, as /squid-internal-mgr/ACTION; none: the menu",
	 .max_words = 1,
	 .run = ctl_run_mgr},
	{.name = "metrics",
	 .syntax = "",
	 .summary = "all that is counted, as OpenMetrics text (docs/METRICS.md has the names)",
	 .run = ctl_run_metrics},
	{.name = "config rollback",
	 .syntax = "",
	 .summary = "back to the configuration before the last reload that changed it",
	 .help = ctl_rollback_help,
	 .run = ctl_run_rollback},
	{.name = "config",
	 .syntax = "",
	 .summary = "every value of squid.conf that counts, and which line set it",
	 .run = ctl_run_config},
	{.name = "explain",
	 .syntax = "[FILE] [--brief | --json | --upgrade]",
	 .summary = "what becomes of each line of a squid.conf, and what looks like a mistake",
	 .help = ctl_explain_help,
	 .options = ctl_explain_options,
	 .max_words = 1,
	 .run = ctl_run_explain},
	{.name = "reconfigure",
	 .syntax = "",
	 .summary = "read the configuration anew; fails if it cannot be used",
	 .run = ctl_run_reconfigure},
	{.name = "rotate",
	 .syntax = "",
	 .summary = "new log files, new helpers",
	 .run = ctl_run_rotate},
	{.name = "upgrade",
	 .syntax = "",
	 .summary = "go on with the program that is installed now, without a connection refused",
	 .help = ctl_upgrade_help,
	 .run = ctl_run_upgrade},
	{.name = "shutdown",
	 .syntax = "",
	 .summary = "stop, as SIGTERM does",
	 .run = ctl_run_shutdown},
	{.name = "peer list",
	 .syntax = "",
	 .summary = "each cache_peer: up or down, since when and why, and what it has to do",
	 .run = ctl_run_peer_list},
	{.name = "peer drain",
	 .syntax = "NAME",
	 .summary = "no new requests for that peer",
	 .help = ctl_peer_help,
	 .min_words = 1,
	 .max_words = 1,
	 .run = ctl_run_peer_drain},
	{.name = "peer undrain",
	 .syntax = "NAME",
	 .summary = "it gets requests again",
	 .help = ctl_peer_help,
	 .min_words = 1,
	 .max_words = 1,
	 .run = ctl_run_peer_undrain},
	{.name = "peer weight",
	 .syntax = "NAME N",
	 .summary = "its weight from now on; 0: as configured",
	 .help = ctl_peer_help,
	 .min_words = 2,
	 .max_words = 2,
	 .run = ctl_run_peer_weight},
	{.name = "purge",
	 .syntax = "URL | --host H | --prefix P | --regex R | --tag T | --where SQL"
		   " [--soft] [--dry-run]",
	 .summary = "forget what is cached, or mark it stale",
	 .help = ctl_purge_help,
	 .options = ctl_purge_options,
	 .max_words = 1,
	 .run = ctl_run_purge},
	{.name = "cache list",
	 .syntax = "[OPTION...]",
	 .summary = "what is cached",
	 .help = ctl_cache_list_help,
	 .options = ctl_cache_list_options,
	 .run = ctl_run_cache_list},
	{.name = "cache show",
	 .syntax = "URL [--id N] [--body]",
	 .summary = "what is stored of a URL: each variant's facts and head, or a body",
	 .options = ctl_cache_show_options,
	 .min_words = 1,
	 .max_words = 1,
	 .run = ctl_run_cache_show},
	{.name = "cache top",
	 .syntax = "[--hosts] [--limit N] [--json]",
	 .summary = "what is asked for most (hits on disk, some minutes old)",
	 .options = ctl_cache_top_options,
	 .run = ctl_run_cache_top},
	{.name = "cache stat",
	 .syntax = "",
	 .summary = "objects, bytes, hits, pages and files",
	 .run = ctl_run_cache_stat},
	{.name = "cache verify",
	 .syntax = "",
	 .summary = "read all of it, and see whether it is sound",
	 .help = ctl_cache_verify_help,
	 .run = ctl_run_cache_verify},
	{.name = "cache export",
	 .syntax = "[--host H] [--prefix P] FILE",
	 .summary = "a cache.db with some of the objects",
	 .help = ctl_cache_export_help,
	 .options = ctl_cache_export_options,
	 .min_words = 1,
	 .max_words = 1,
	 .run = ctl_run_cache_export},
	{.name = "cache import",
	 .syntax = "FILE",
	 .summary = "store the objects of another cache.db",
	 .help = ctl_cache_import_help,
	 .min_words = 1,
	 .max_words = 1,
	 .run = ctl_run_cache_import},
	{.name = "acl",
	 .syntax = "METHOD URL [--src ADDR] [--user NAME] [-H 'NAME: VALUE']...",
	 .summary = "what the rules of the configuration say of a request, line by line",
	 .help = ctl_acl_help,
	 .options = ctl_acl_options,
	 .min_words = 2,
	 .max_words = 2,
	 .run = ctl_run_acl},
	{.name = "log",
	 .syntax = "[FILE] [--follow] [--lines N]",
	 .summary = "an access log, for the eye",
	 .help = ctl_log_help,
	 .options = ctl_log_options,
	 .max_words = 1,
	 .run = ctl_run_log},
	{.name = "takeover",
	 .syntax = "[--dry-run] [--back] [--from FILE]",
	 .summary = "go on in the place of a running Squid, on its ports; and back",
	 .help = ctl_takeover_help,
	 .options = ctl_takeover_options,
	 .run = ctl_run_takeover},
	{.name = "trace",
	 .syntax = "[--match ACL]... [--url REGEX] [--seconds N]",
	 .summary = "requests as they are served: each stage, when, and the line that decided",
	 .help = ctl_trace_help,
	 .options = ctl_trace_options,
	 .run = ctl_run_trace},
	{.name = "why",
	 .syntax = "URL [-H 'NAME: VALUE']...",
	 .summary = "what the cache has for URL, and which rule decides whether it serves",
	 .options = ctl_why_options,
	 .min_words = 1,
	 .max_words = 1,
	 .run = ctl_run_why},
	{.name = "helper new",
	 .syntax = "[--kind KIND] [--lang LANGUAGE] [--ids]",
	 .summary = "a helper program to begin with, in a language of yours, on stdout",
	 .help = ctl_helper_new_help,
	 .options = ctl_helper_new_options,
	 .run = ctl_run_helper_new},
	{.name = "helper test",
	 .syntax = "[--kind KIND] [--concurrency N] -- PROGRAM [ARGUMENT...]",
	 .summary = "try a helper program: what is wrong with how it speaks, and why",
	 .help = ctl_helper_test_help,
	 .options = ctl_helper_test_options,
	 .min_words = 1,
	 .max_words = 256,
	 .run = ctl_run_helper_test},
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
