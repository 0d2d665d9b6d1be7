/* SPDX-License-Identifier: BSD-2-Clause */
/* The verb trace [show summaries] [url REGEX] [match ACL]... [seconds N]: the lines of requests
 * that all of that holds for (transaction_trace.h), until N seconds are over or the client goes. */
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/loop.h"
#include "proxy/control/control_verbs.h"
#include "proxy/serve.h"
#include "proxy/server.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/regex.h"

#include <inttypes.h>

enum {
	LOOK_EVERY_MS = 50,
	PIECE_BYTES = 32 << 10,
	MAX_SECONDS = 86400,
};

struct watching {
	struct control_call *call;
	struct tracer_wish wish;
	struct tracer_watch *watch;
	uint64_t seconds; /* 0: until the client goes */
	int64_t end_ms;
	struct timer timer;
	struct buf out;
};

static void free_watching(void *state)
{
	struct watching *watching = state;

	timer_cancel(&watching->timer);
	if (watching->watch)
		tracer_close(&control_server(watching->call)->tracer, watching->watch);
	else
		regex_destroy(watching->wish.url);
	buf_fini(&watching->out);
	mem_free(watching);
}

/* ---- what is wanted: each takes its word; false: the call has failed */

static bool take_url(struct watching *watching, struct str word)
{
	struct err_text why = {""};

	regex_destroy(watching->wish.url);
	watching->wish.url = regex_compile(word, 0, &why);
	if (!watching->wish.url)
		control_fail(watching->call, "%.*s: %s", STR_ARG(word), why.at);
	return watching->wish.url != NULL;
}

static bool take_term(struct watching *watching, struct str word)
{
	struct str name = str_from(word, word.len > 0 && *word.at == '!');
	const struct config *config = serve_config(control_serve(watching->call));

	if (!acl_set_has(config->acls, name)) {
		control_fail(watching->call, "there is no ACL %.*s", STR_ARG(name));
		return false;
	}
	if (watching->wish.nterms == TRACER_MAX_TERMS) {
		control_fail(watching->call, "that is too many ACLs");
		return false;
	}
	watching->wish.terms[watching->wish.nterms++] = word;
	return true;
}

static bool take_seconds(struct watching *watching, struct str word)
{
	if (str_to_u64(word, &watching->seconds) && watching->seconds > 0 &&
	    watching->seconds <= MAX_SECONDS)
		return true;
	control_fail(watching->call, "seconds are a number from 1 to %d", MAX_SECONDS);
	return false;
}

static bool take_show(struct watching *watching, struct str word)
{
	watching->wish.is_summary = str_eq(word, STR("summaries"));
	if (!watching->wish.is_summary)
		control_fail(watching->call, "show takes \"summaries\"");
	return watching->wish.is_summary;
}

static const struct {
	const char *name;
	bool (*take)(struct watching *watching, struct str word);
} wishes[] = {
	{"url", take_url},
	{"match", take_term},
	{"seconds", take_seconds},
	{"show", take_show},
};

static bool read_wish(struct watching *watching, unsigned i)
{
	struct str name = control_word(watching->call, i);
	struct str word = control_word(watching->call, i + 1);

	for (size_t row = 0; row < COUNT(wishes); row++)
		if (word.at && str_eq(name, str_of(wishes[row].name)))
			return wishes[row].take(watching, word);
	control_fail(watching->call, "say url REGEX, match ACL, seconds N or show summaries");
	return false;
}

/* ---- lines as they come */

static void say_lines(struct watching *watching)
{
	struct str rest = buf_str(&watching->out), line;

	while (rest.len > 0 && str_split(&rest, '\n', &line))
		if (line.len > 0)
			control_say_str(watching->call, line);
	buf_clear(&watching->out);
}

static void step(struct control_call *call)
{
	struct watching *watching = control_state(call);
	int64_t now_ms = loop_now_ms(control_loop(call));
	uint64_t nlost = 0;
	bool is_over = watching->seconds > 0 && now_ms >= watching->end_ms;
	bool is_empty;

	tracer_watch_read(watching->watch, PIECE_BYTES, &watching->out, &nlost);
	is_empty = watching->out.len == 0;
	say_lines(watching);
	if (nlost > 0)
		control_say(call,
		            "0\t0\tlost\t%" PRIu64 " lines: they came faster than they were read",
		            nlost);
	if (serve_is_stopping(control_serve(call))) {
		control_fail(call, "stopping");
	} else if (is_over && is_empty) {
		control_end(call);
	} else if (is_empty) {
		control_pause(call);
		timer_set(control_loop(call), &watching->timer, now_ms + LOOK_EVERY_MS);
	}
}

static void look(struct timer *timer)
{
	control_continue(CONTAINER(timer, struct watching, timer)->call, step);
}

void control_run_trace(struct control_call *call)
{
	struct watching *watching = mem_zalloc(sizeof(*watching));

	watching->call = call;
	timer_init(&watching->timer, look);
	buf_init(&watching->out, 4 * PIECE_BYTES);
	control_set_state(call, watching, free_watching);
	for (unsigned i = 0; control_word(call, i).at; i += 2)
		if (!read_wish(watching, i))
			return;
	watching->watch = tracer_open(&control_server(call)->tracer, &watching->wish);
	if (!watching->watch) {
		watching->wish.url = NULL;
		control_fail(call, "%d others are looking already", TRACER_MAX_WATCHES);
		return;
	}
	watching->end_ms = loop_now_ms(control_loop(call)) + (int64_t)watching->seconds * 1000;
	control_say_str(call, STR("0\t0\tlooking\t")); /* so that whoever waits for it knows */
	control_continue(call, step);
}
