/* SPDX-License-Identifier: BSD-2-Clause */
/* The verb ban: list; add ADDRESS[/BITS] [SECONDS]; remove ADDRESS[/BITS]. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/control/control_verbs.h"
#include "proxy/limits/ban_table.h"
#include "proxy/limits/bans.h"
#include "proxy/serve.h"
#include "proxy/server.h"
#include "squid-compat/config.h"

enum { SAID_AT_ONCE = 256 };

/* The bans as they were when it was asked. */
struct listing {
	struct buf bans;
	size_t said; /* bytes of it */
	int64_t now_s;
};

static void free_listing(void *state)
{
	struct listing *listing = state;

	buf_fini(&listing->bans);
	mem_free(listing);
}

static void say_ban(struct control_call *call, const struct ban *ban, int64_t now_s)
{
	char prefix[BAN_PREFIX_TEXT_BYTES];

	ban_prefix_text(&ban->prefix, prefix);
	if (ban->until_s == INT64_MAX)
		control_say(call, "%s\tforever\t%s", prefix, ban->rule);
	else if (ban->until_s > now_s)
		control_say(call, "%s\t%" PRId64 "\t%s", prefix, ban->until_s - now_s, ban->rule);
}

static void say_some(struct control_call *call)
{
	struct listing *listing = control_state(call);

	for (unsigned n = 0; n < SAID_AT_ONCE && listing->said < listing->bans.len; n++) {
		const char *at = listing->bans.at + listing->said;

		say_ban(call, (const struct ban *)(const void *)at, listing->now_s);
		listing->said += sizeof(struct ban);
	}
	if (listing->said == listing->bans.len)
		control_end(call);
}

static void list(struct control_call *call)
{
	struct listing *listing = mem_zalloc(sizeof(*listing));

	buf_init(&listing->bans, BAN_TABLE_MAX * sizeof(struct ban));
	ban_table_copy(control_server(call)->bans, &listing->bans);
	listing->now_s = clock_wall_s();
	control_say(call, "address\tseconds left\trule");
	control_set_state(call, listing, free_listing);
	control_continue(call, say_some);
}

static bool is_exempt(struct control_call *call, struct str text)
{
	struct addr addr = {0};

	return addr_parse(text, 0, &addr) &&
	       bans_exempts(serve_config(control_serve(call))->ban_exempt, &addr);
}

static void add(struct control_call *call, const struct ban_prefix *prefix)
{
	struct ban ban = {.prefix = *prefix, .until_s = INT64_MAX, .rule = "manual"};
	struct str seconds = control_word(call, 2);
	uint64_t s;

	if (seconds.at) {
		if (!str_to_u64(seconds, &s) || s == 0 || s > INT32_MAX) {
			control_fail(call, "%.*s is no number of seconds", STR_ARG(seconds));
			return;
		}
		ban.until_s = clock_wall_s() + (int64_t)s;
	}
	if (is_exempt(call, control_word(call, 1)))
		control_fail(call, "ban_exempt says that this address is never banned");
	else if (!ban_table_add(control_server(call)->bans, &ban))
		control_fail(call, "there are %d bans already", BAN_TABLE_MAX);
	else
		control_end(call);
}

static void take_back(struct control_call *call, const struct ban_prefix *prefix)
{
	if (ban_table_remove(control_server(call)->bans, prefix))
		control_end(call);
	else
		control_fail(call, "%.*s has no ban of its own", STR_ARG(control_word(call, 1)));
}

void control_run_ban(struct control_call *call)
{
	struct str action = control_word(call, 0), word = control_word(call, 1);
	struct ban_prefix prefix;

	if (!config_has_bans(serve_config(control_serve(call)))) {
		control_fail(call, "the configuration has no line ban or ban_file");
		return;
	}
	if (str_eq(action, STR("list"))) {
		list(call);
		return;
	}
	if (!word.at || !ban_prefix_parse(word, &prefix)) {
		control_fail(call, "%.*s is no ADDRESS or ADDRESS/BITS (IPv4 from /8, IPv6 from "
			     "/16 on)", STR_ARG(word));
		return;
	}
	if (str_eq(action, STR("add")))
		add(call, &prefix);
	else if (str_eq(action, STR("remove")))
		take_back(call, &prefix);
	else
		control_fail(call,
		             "say list, add ADDRESS[/BITS] [SECONDS] or remove ADDRESS[/BITS]");
}
