/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/http/content_codec.h"

enum { MAX_BYTES = 1 << 24 };

/* Gives the codec in bit by bit, with so little room each time. Returns where that ended. */
static enum codec_state run(struct content_codec *codec, struct str in, size_t bit, size_t room_bytes,
			    enum codec_wish between, struct buf *out)
{
	enum codec_state state = CODEC_FULL;

	do {
		struct str part = str_first(in, bit);

		in = str_from(in, part.len);
		do {
			char room[4096], *at = room;
			size_t nroom = room_bytes;

			state = content_codec_run(codec, &part, in.len > 0 ? between : CODEC_END,
						  &at, &nroom);
			assert_int_equal(at - room, room_bytes - nroom);
			assert_true(buf_add(out, room, room_bytes - nroom));
		} while (state == CODEC_FULL);
	} while (state == CODEC_HUNGRY && in.len > 0);
	content_codec_destroy(codec);
	return state;
}

static void fill(struct buf *text, size_t n)
{
	for (size_t i = 0; text->len < n; i++)
		buf_printf(text, "line %zu of %zu\n", i * i % 1013, i % 17);
	text->len = n;
}

static void all_comes_back(enum content_coding coding, size_t n, size_t bit, size_t room,
			   enum codec_wish between)
{
	struct buf text, packed, again;

	buf_init(&text, MAX_BYTES);
	buf_init(&packed, MAX_BYTES);
	buf_init(&again, MAX_BYTES);
	fill(&text, n);
	assert_int_equal(run(content_codec_packer(coding, 6), buf_str(&text), bit, room, between,
			     &packed), CODEC_DONE);
	assert_int_equal(run(content_codec_unpacker(coding), buf_str(&packed), bit, room, CODEC_GO_ON,
			     &again), CODEC_DONE);
	assert_true(str_eq(buf_str(&text), buf_str(&again)));
	if (n > 1000 && between != CODEC_FLUSH)
		assert_true(packed.len < n / 2);
	buf_fini(&text);
	buf_fini(&packed);
	buf_fini(&again);
}

static void what_was_packed_comes_back(void **state)
{
	static const size_t sizes[] = {0, 1, 100, 5000, 300000};
	static const size_t bits[] = {17, 4096, 1 << 20};

	(void)state;
	for (enum content_coding coding = CODING_GZIP; coding < CODINGS; coding++) {
		if (!content_codec_has(coding))
			continue;
		for (size_t i = 0; i < COUNT(sizes); i++)
			for (size_t j = 0; j < COUNT(bits); j++) {
				all_comes_back(coding, sizes[i], bits[j], 4096, CODEC_GO_ON);
				all_comes_back(coding, sizes[i], bits[j], 3, CODEC_GO_ON);
			}
		all_comes_back(coding, 20000, 700, 64, CODEC_FLUSH);
	}
}

/* All that came in comes out when that is wished for. */
static void a_flush_holds_nothing_back(void **state)
{
	(void)state;
	for (enum content_coding coding = CODING_GZIP; coding < CODINGS; coding++) {
		struct content_codec *packer, *unpacker;
		struct str in = STR("what has come so far"), packed;
		char middle[256], text[256], *at = middle;
		size_t room = sizeof(middle), nroom = sizeof(text);

		if (!content_codec_has(coding))
			continue;
		packer = content_codec_packer(coding, 6);
		unpacker = content_codec_unpacker(coding);
		assert_int_equal(content_codec_run(packer, &in, CODEC_FLUSH, &at, &room), CODEC_HUNGRY);
		packed = (struct str){middle, sizeof(middle) - room};
		at = text;
		assert_int_equal(content_codec_run(unpacker, &packed, CODEC_GO_ON, &at, &nroom),
				 CODEC_HUNGRY);
		assert_true(str_eq((struct str){text, sizeof(text) - nroom},
				   STR("what has come so far")));
		content_codec_destroy(packer);
		content_codec_destroy(unpacker);
	}
}

static void pack(enum content_coding coding, struct buf *packed)
{
	struct buf text;

	buf_init(&text, MAX_BYTES);
	fill(&text, 5000);
	assert_int_equal(run(content_codec_packer(coding, 9), buf_str(&text), 5000, 4096, CODEC_GO_ON,
			     packed), CODEC_DONE);
	buf_fini(&text);
}

static enum codec_state unpack(enum content_coding coding, struct str packed, size_t *len)
{
	struct buf out;
	enum codec_state state;

	buf_init(&out, MAX_BYTES);
	state = run(content_codec_unpacker(coding), packed, 100, 512, CODEC_GO_ON, &out);
	*len = out.len;
	buf_fini(&out);
	return state;
}

static void what_is_broken_or_cut_is_said_so(void **state)
{
	(void)state;
	for (enum content_coding coding = CODING_GZIP; coding < CODINGS; coding++) {
		struct buf packed;
		size_t len;

		if (!content_codec_has(coding))
			continue;
		buf_init(&packed, MAX_BYTES);
		pack(coding, &packed);
		assert_int_equal(unpack(coding, str_first(buf_str(&packed), packed.len - 9), &len),
				 CODEC_BROKEN);
		assert_int_equal(unpack(coding, STR(""), &len), CODEC_BROKEN);
		assert_int_equal(unpack(coding, STR("<html>no such thing</html>"), &len), CODEC_BROKEN);
		memset(packed.at + packed.len / 2, 0xff, 60);
		if (coding == CODING_GZIP) /* which alone has a checksum */
			assert_int_equal(unpack(coding, buf_str(&packed), &len), CODEC_BROKEN);
		buf_fini(&packed);
	}
}

/* RFC 1952 §2.2: members follow each other; padding behind them is none. */
static void a_gzip_file_may_have_several_members(void **state)
{
	struct buf packed;
	size_t len;

	(void)state;
	buf_init(&packed, MAX_BYTES);
	pack(CODING_GZIP, &packed);
	pack(CODING_GZIP, &packed);
	assert_int_equal(unpack(CODING_GZIP, buf_str(&packed), &len), CODEC_DONE);
	assert_int_equal(len, 10000);
	buf_add(&packed, "\0\0\0\0", 4);
	assert_int_equal(unpack(CODING_GZIP, buf_str(&packed), &len), CODEC_DONE);
	assert_int_equal(len, 10000);
	buf_fini(&packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_packed_comes_back),
		cmocka_unit_test(a_flush_holds_nothing_back),
		cmocka_unit_test(what_is_broken_or_cut_is_said_so),
		cmocka_unit_test(a_gzip_file_may_have_several_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
