/* SPDX-License-Identifier: BSD-2-Clause */
/* A helper's line: its channel id, its reply, what a rewriter would make of it. The first byte of
 * the input chooses whether there is an id. */
#include "tests/fuzz/fuzz.h"

#include "helpers/url_rewrite.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/http/uri.h"

static void check_inside(struct str part, const char *text, size_t len)
{
	check(part.len == 0 || (part.at >= text && part.at + part.len <= text + len));
}

static void check_verdict(const struct url_rewrite_verdict *verdict)
{
	struct uri uri;

	check(verdict->action == URL_REWRITE_UNCHANGED || helper_value_is_clean(verdict->url));
	check(verdict->action != URL_REWRITE_TO || uri_parse(verdict->url, &uri));
	check(verdict->action != URL_REWRITE_REDIRECT || verdict->url.len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct helper_reply reply;
	struct url_rewrite_verdict verdict;
	struct str line;
	uint64_t id;
	char *text;

	if (size == 0)
		return 0;
	text = mem_dup(data + 1, size - 1);
	line = (struct str){text, size - 1};
	if (data[0] & 1)
		helper_line_take_id(&line, &id);
	helper_reply_parse(text + (line.at - text), line.len, &reply);
	check(reply.npairs <= HELPER_MAX_PAIRS);
	check_inside(reply.rest, text, size - 1);
	for (unsigned i = 0; i < reply.npairs; i++) {
		check(reply.pairs[i].key.len > 0);
		check_inside(reply.pairs[i].value, text, size - 1);
	}
	url_rewrite_read(&reply, STR("GET"), NULL, &verdict);
	check_verdict(&verdict);
	mem_free(text);
	return 0;
}
