/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket's words: any line is read within its bounds, and words that were read are the
 * same when they are written and read again. The bytes are a line. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "proxy/control/control_words.h"

static void check_again(struct str word)
{
	struct str rest, read;
	struct buf line;
	char *out;

	buf_init(&line, 3 * word.len + 1);
	control_words_add(&line, word);
	check(!line.is_full);
	rest = buf_str(&line);
	out = mem_alloc(rest.len);
	check(control_words_next(&rest, out, &read) && str_eq(read, word) && rest.len == 0);
	mem_free(out);
	buf_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str rest = {(const char *)bytes, len}, word;
	char *out = mem_alloc(len + 1);
	size_t used = 0;

	while (control_words_next(&rest, out + used, &word)) {
		used += word.len;
		check(used <= len);
		check_again(word);
	}
	mem_free(out);
	check_again((struct str){(const char *)bytes, len});
	return 0;
}
