/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/check_answer.h: does an answer to a check say that the peer can serve? Fed with the
 * bytes of the connection as they come.
 *
 * Threads: its owner's. */
#ifndef PROXY_CHECK_ANSWER_H
#define PROXY_CHECK_ANSWER_H
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/http/h1.h"
#include "squid-compat/peers.h"

enum { CHECK_WHY_BYTES = 100 };

enum check_verdict {
	CHECK_MORE, /* feed it with what comes */
	CHECK_GOOD,
	CHECK_BAD, /* why is set */
};

struct check_answer {
	const struct peer_check *check;
	char why[CHECK_WHY_BYTES];
	/* private */
	struct buf bytes_; /* the head, then what is kept of the body */
	struct h1_parser parser_;
	struct h1_chunks chunks_;
	uint64_t nbody_, left_;
	enum http_body body_;
	bool has_head_;
};

void check_answer_init(struct check_answer *answer, const struct peer_check *check);
void check_answer_fini(struct check_answer *answer);

enum check_verdict check_answer_feed(struct check_answer *answer, struct str bytes);
/* The connection was closed. */
enum check_verdict check_answer_end(struct check_answer *answer);

#endif
