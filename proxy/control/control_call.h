/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/control/control_call.h: one question over the control socket, as the verb that answers it
 * sees it. A verb is a row of the table in control_verbs.c and may lie in a file of its own.
 *
 * It answers at once (control_say…, control_end), when the workers have told (control_ask_workers),
 * when something ends elsewhere (control_wait), or bit by bit (control_continue), so that the loop
 * is never held for long. A client that goes away ends the call: control_set_state has what is to
 * be freed then.
 *
 * Threads: the main thread's. */
#ifndef PROXY_CONTROL_CALL_H
#define PROXY_CONTROL_CALL_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/str.h"

struct control_call; /* opaque */
struct loop;
struct serve;
struct server;
struct tally;

enum {
	CONTROL_MAX_WORDS = 16,
	CONTROL_SLICE_MS = 2, /* what a step of control_continue may take */
};

struct control_verb {
	const char *name;
	unsigned min_words, max_words; /* behind the verb */
	void (*run)(struct control_call *call);
};

/* ---- the question */

/* Word i behind the verb; STR_NONE: there is none. Valid for as long as the call. */
struct str control_word(const struct control_call *call, unsigned i);
/* "bobtailctl USER", for logs; the caller frees it. */
char *control_who(const struct control_call *call);

struct serve *control_serve(const struct control_call *call);
struct server *control_server(const struct control_call *call);
struct loop *control_loop(const struct control_call *call);

/* ---- the answer */

/* A line of text, without its LF; control characters in it become '?'. */
void control_say(struct control_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void control_say_str(struct control_call *call, struct str text);
/* How far it is; total 0: not known. */
void control_progress(struct control_call *call, uint64_t done, uint64_t total);
/* All is said. The call is gone when the function of the verb returns, or at once elsewhere. */
void control_end(struct control_call *call);
void control_fail(struct control_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- answers that take their time */

/* What the verb keeps meanwhile; freed with the call. */
void control_set_state(struct control_call *call, void *state, void (*free)(void *state));
void *control_state(const struct control_call *call);

/* step runs from the loop, again and again, whenever there is room for what it says, until it has
 * called control_end or control_fail. Each run takes some CONTROL_SLICE_MS at most. */
void control_continue(struct control_call *call, void (*step)(struct control_call *call));

/* Within step: it runs no more until control_continue is called again. */
void control_pause(struct control_call *call);

/* write runs when the workers have told what they counted; then the call ends. */
void control_ask_workers(struct control_call *call,
			 void (*write)(struct control_call *call, const struct tally *tally));

/* The call ends with the reload that is under way, or asked for here. */
void control_reload(struct control_call *call);
void control_shutdown(struct control_call *call);
/* The call ends with the rollback, or the upgrade. */
void control_rollback(struct control_call *call);
void control_upgrade(struct control_call *call);

#endif
