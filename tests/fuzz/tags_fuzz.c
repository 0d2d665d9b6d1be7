/* SPDX-License-Identifier: BSD-2-Clause */
/* Tags in an origin's head: each that is read is found again, and nothing that stands between two of
 * them is one. */
#include "tests/fuzz/fuzz.h"

#include "cache/tags.h"
#include "lib/base/check.h"

static void check_found(struct str head, struct str tags)
{
	struct str tag;

	while (str_split(&tags, ' ', &tag))
		check(tag.len == 0 || tags_have(head, tag));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str head = {(const char *)bytes, len};
	struct buf tags;

	buf_init(&tags, TAGS_MAX_BYTES);
	if (tags_read(head, &tags))
		check_found(head, buf_str(&tags));
	check(tags.len <= TAGS_MAX_BYTES);
	check(!tags_have(head, STR("")) && !tags_have(head, STR(" ")));
	buf_fini(&tags);
	return 0;
}
