/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/config_history.h: the last few configurations that were in use, as transcripts:
 * what a rollback goes back to, whatever has become of the files. One thread's. */
#ifndef PROXY_CONFIG_HISTORY_H
#define PROXY_CONFIG_HISTORY_H

struct transcript; /* proxy/process/transcript.h */

enum { CONFIG_HISTORY_DEPTH = 4 };

#define NO_EARLIER_CONFIG "there is no earlier configuration to go back to"

/* Zeroed: empty. The newest, which is in use, is the last. */
struct config_history {
	struct transcript *at_[CONFIG_HISTORY_DEPTH];
	unsigned n_;
};

void config_history_fini(struct config_history *history);

/* Takes transcript over: it is in use from now on. The same as before counts once. */
void config_history_push(struct config_history *history, struct transcript *transcript);

/* The one in use, and the one before; NULL: there is none. Borrowed. */
struct transcript *config_history_current(const struct config_history *history);
struct transcript *config_history_previous(const struct config_history *history);

/* The previous one is in use again, the current one forgotten. */
void config_history_pop(struct config_history *history);

#endif
