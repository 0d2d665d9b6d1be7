/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields about content codings: what a client says it takes, and an origin's head that becomes that of
 * another coding. The bytes are the lines of both. */
#include "tests/fuzz/fuzz.h"

#include "cache/coding.h"
#include "lib/base/check.h"
#include "lib/http/h1.h"

static const struct h1_limits limits = {.head_bytes = 65536, .target_bytes = 65536, .allow_no_host = true};

/* One that is chosen is one that was offered and is wanted. */
static void check_choices(const struct http_head *head)
{
	struct coding_wishes wishes;

	coding_wishes_read(head, &wishes);
	for (unsigned among = 1; among < 1U << CODINGS; among++) {
		enum content_coding choice = coding_choose(&wishes, among);

		if (choice != CODING_OTHER)
			check((among & 1U << choice) && coding_is_wanted(&wishes, choice));
		for (unsigned i = 0; i < CODINGS; i++)
			if (among & 1U << i && choice == CODING_OTHER)
				check(!coding_is_wanted(&wishes, i));
	}
}

/* The new head says its coding once, and has the Vary that it needs. */
static void check_head(struct str head)
{
	for (unsigned coding = 0; coding < CODINGS; coding++) {
		struct coding_facts facts;
		struct buf out;

		buf_init(&out, 1 << 20);
		coding_write_head(head, coding, &out);
		coding_facts_read(buf_str(&out), &facts);
		check(facts.coding == coding && facts.has_vary);
		buf_fini(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct h1_parser parser = {0};
	struct http_request request;
	struct buf head;

	buf_init(&head, 1 << 17);
	buf_add_str(&head, STR("GET / HTTP/1.1\r\n"));
	buf_add(&head, bytes, len < 60000 ? len : 60000);
	if (h1_parse_request(&parser, head.at, head.len, &limits, &request) == H1_DONE) {
		check_choices(&request.head);
		/* As an object has it: without the empty line. */
		check_head((struct str){head.at, request.head.len - 2});
	}
	buf_fini(&head);
	return 0;
}
