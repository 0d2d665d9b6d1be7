/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/purge.h"

#include <stddef.h>

#include "lib/base/check.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"

enum option { HOST, PREFIX, REGEX, TAG, WHERE, SOFT, DRY_RUN };

const struct ctl_option ctl_purge_options[] = {
	[HOST] = {"host", 0, "H", "all of a site: its name, or name:port"},
	[PREFIX] = {"prefix", 0, "P", "all URLs that begin with P"},
	[REGEX] = {"regex", 0, "R", "all URLs that match R, an extended regular expression"},
	[TAG] = {"tag", 0, "T", "all that the origin tagged T (Surrogate-Key, Cache-Tag)"},
	[WHERE] = {"where", 0, "SQL", "what an SQL condition on the view cache says; on disk only"},
	[SOFT] = {"soft", 0, NULL, "mark stale: it is revalidated, and may serve meanwhile"},
	[DRY_RUN] = {"dry-run", 0, NULL, "say how many there are"},
	{0},
};

const char ctl_purge_help[] =
	"Memory and disk forget it, and what is being fetched just now is not stored. The\n"
	"answer says how many objects there were and how long it took; what is in memory\n"
	"and on disk counts in both. --where also works while no instance runs.\n";

/* What is to go; false: not exactly one thing was said. */
static bool read_aim(const struct ctl_args *args, const char **kind, const char **text)
{
	static const enum option aims[] = {HOST, PREFIX, REGEX, TAG, WHERE};
	int n = args->nwords;

	*kind = "url";
	*text = n > 0 ? args->words[0] : NULL;
	for (size_t i = 0; i < COUNT(aims); i++) {
		const char *value = ctl_given(args, aims[i]);

		if (!value)
			continue;
		n++;
		*kind = ctl_purge_options[aims[i]].name;
		*text = value;
	}
	return n == 1;
}

int ctl_run_purge(struct ctl *ctl, const struct ctl_args *args)
{
	const char *words[5] = {"purge"};
	bool is_soft = ctl_given(args, SOFT), is_dry = ctl_given(args, DRY_RUN);
	unsigned n = 3;

	if (!read_aim(args, &words[1], &words[2])) {
		ctl_fail("purge: say one thing that is to go");
		return CTL_USAGE;
	}
	if (ctl_given(args, WHERE))
		return ctl_purge_where(ctl, words[2], is_soft, is_dry);
	if (is_soft)
		words[n++] = "soft";
	if (is_dry)
		words[n++] = "dry";
	return client_ask(ctl, words, n, NULL);
}
