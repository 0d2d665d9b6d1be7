/* SPDX-License-Identifier: BSD-2-Clause */
/* The verb purge: KIND TEXT [soft] [dry]. */
#include <inttypes.h>
#include <stdio.h>

#include "cache/purge.h"
#include "lib/base/heap.h"
#include "lib/net/loop.h"
#include "proxy/control/control_verbs.h"
#include "proxy/store/purger.h"
#include "squid-compat/regex.h"

enum { PROGRESS_MS = 200, WAITING_TICKS = 50 };

/* A purge that somebody waits for: the call's. */
struct waiting {
	struct control_call *call;
	struct purger *purger; /* NULL: it has ended */
	struct timer timer;
	struct loop *loop;
	unsigned nwaited; /* ticks during which a disk could not be written */
};

static const char *const kinds[] = {
	[PURGE_URL] = "url",     [PURGE_HOST] = "host", [PURGE_PREFIX] = "prefix",
	[PURGE_REGEX] = "regex", [PURGE_TAG] = "tag",
};

/* ---- regular expressions */

static bool match_regex(const void *regex, struct str url)
{
	return regex_match(regex, url) != REGEX_NO; /* undecided: rather one too many */
}

static void free_regex(void *regex)
{
	regex_destroy(regex);
}

static bool compile(struct purge *purge, struct err_text *why)
{
	struct regex *regex = regex_compile(purge->text, 0, why);

	purge->regex = regex;
	purge->matches = match_regex;
	purge->free_regex = free_regex;
	return regex != NULL;
}

/* ---- waiting for the end */

static void free_waiting(void *state)
{
	struct waiting *waiting = state;

	timer_cancel(&waiting->timer);
	purger_leave(waiting->purger);
	mem_free(waiting);
}

static void done(void *owner, const struct purger_count *count)
{
	struct waiting *waiting = owner;
	struct control_call *call = waiting->call;

	waiting->purger = NULL;
	timer_cancel(&waiting->timer);
	if (count->is_cut) {
		control_fail(call, "stopping: the purge was cut short");
		return;
	}
	control_say(call, "memory = %" PRIu64, count->memory);
	control_say(call, "disk = %" PRIu64, count->disk);
	control_say(call, "took_ms = %" PRId64, count->took_ms);
	control_end(call);
}

static void on_timer(struct timer *timer)
{
	struct waiting *waiting = CONTAINER(timer, struct waiting, timer);
	struct purger_count count;

	purger_look(waiting->purger, &count);
	waiting->nwaited = count.is_waiting ? waiting->nwaited + 1 : 0;
	if (waiting->nwaited > WAITING_TICKS) {
		purger_leave(waiting->purger);
		waiting->purger = NULL;
		control_fail(waiting->call, "the disk cache cannot be written now: nothing of it "
					    "serves, and its rows go when they can");
		return;
	}
	control_progress(waiting->call, count.seen, count.total);
	timer_set(waiting->loop, timer, loop_now_ms(waiting->loop) + PROGRESS_MS);
}

static void start(struct control_call *call, struct purge *purge, const char *what)
{
	struct waiting *waiting = mem_zalloc(sizeof(*waiting));
	char *who = control_who(call);
	struct purger_order order = {purge, who, what, done, waiting};

	waiting->call = call;
	waiting->loop = control_loop(call);
	timer_init(&waiting->timer, on_timer);
	timer_set(waiting->loop, &waiting->timer, loop_now_ms(waiting->loop) + PROGRESS_MS);
	control_set_state(call, waiting, free_waiting);
	waiting->purger = purger_start(control_server(call), waiting->loop, &order);
	mem_free(who);
}

/* ---- the question */

static bool read_flags(const struct control_call *call, struct purge *purge)
{
	for (unsigned i = 2; control_word(call, i).at; i++) {
		struct str word = control_word(call, i);

		if (str_eq(word, STR("soft")))
			purge->is_soft = true;
		else if (str_eq(word, STR("dry")))
			purge->is_dry = true;
		else
			return false;
	}
	return true;
}

void control_run_purge(struct control_call *call)
{
	struct str kind = control_word(call, 0), text = control_word(call, 1);
	unsigned n = 0;
	struct err_text why = {""};
	struct purge *purge;
	char *what;

	while (n < PURGE_KINDS && !str_eq(kind, str_of(kinds[n])))
		n++;
	if (n == PURGE_KINDS || text.len == 0) {
		control_fail(call,
		             "a purge says what: url, host, prefix, regex or tag, and its text");
		return;
	}
	if (n == PURGE_URL &&
	    !str_starts_with(str_from(text, str_find_char(text, ':')), STR("://"))) {
		control_fail(call, "%.*s is no URL: http://HOST/PATH is asked for", STR_ARG(text));
		return;
	}
	purge = purge_create((enum purge_kind)n, text);
	if (!read_flags(call, purge))
		control_fail(call, "a purge may be soft or dry, nothing else");
	else if (purge->kind == PURGE_REGEX && !compile(purge, &why))
		control_fail(call, "%s", why.at);
	else {
		what = mem_printf("%s %.*s", kinds[n], STR_ARG(text));
		start(call, purge, what);
		mem_free(what);
	}
	purge_unref(purge);
}
