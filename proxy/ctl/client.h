/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/client.h: a question to the running instance, over its control socket
 * (proxy/control/control.h has the lines). The answer is handed on as it comes. May
 * block; any thread. */
#ifndef PROXY_CTL_CLIENT_H
#define PROXY_CTL_CLIENT_H
#include <stdint.h>

#include "proxy/ctl/ctl.h"

/* What becomes of an answer's lines; a NULL function: they go to stdout, or into a progress bar on
 * stderr if that is a terminal. line lacks its LF and is valid until the call returns. */
struct client_sink {
	void (*line)(void *user, const char *line);
	void (*progress)(void *user, uint64_t done, uint64_t total);
	void *user;
};

/* Asks with these words (any bytes), the first being the verb. sink may be NULL. CTL_OK, or
 * CTL_FAILED with the reason on stderr. */
int client_ask(struct ctl *ctl, const char *const *words, unsigned nwords,
	       const struct client_sink *sink);

/* Does an instance answer there? Says nothing. */
bool client_is_running(struct ctl *ctl);

#endif
