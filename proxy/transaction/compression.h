/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/compression.h: in which content coding a response goes out where compress
 * allows the request (docs/COMPRESSION.md). RFC 9110 §12.5.3. Threads: pure functions. */
#ifndef PROXY_COMPRESSION_H
#define PROXY_COMPRESSION_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/http/content_coding.h"

struct config;

struct compression {
	enum content_coding from, to; /* to differs: it is recoded */
	bool varies;                  /* in another coding for others, and its head does not say so yet */
	const char *reason;           /* for people */
};

/* What the client would like best of what can be made; a range goes out plain. */
enum content_coding compression_wanted(const struct coding_wishes *wishes, bool is_range);

/* A whole 200 with this head (that of the stored object) and length (-1: not known yet). wanted: as
 * compression_wanted says for wishes. */
void compression_choose(const struct config *config, const struct coding_wishes *wishes,
			enum content_coding wanted, struct str head, int64_t length,
			struct compression *out);

#endif
