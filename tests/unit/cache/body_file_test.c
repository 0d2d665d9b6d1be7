/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/body_file.h"
#include "cache/object.h"
#include "lib/base/heap.h"
#include "lib/net/loop.h"

enum { LEN = 100000 }; /* not a whole number of pages, more than one chunk */

static char pattern(size_t at)
{
	return (char)(at * 31 + at / 251);
}

static void skip_if_not_usable(void)
{
	if (!body_file_is_usable()) {
		print_message("shared memory is made of huge pages here\n");
		skip();
	}
}

static void pieces_are_mapped_and_lie_in_their_file(void **state)
{
	struct body_piece a, b;
	char byte;

	(void)state;
	skip_if_not_usable();
	assert_true(body_piece_take(LEN, &a));
	assert_true(body_piece_take(1, &b));
	assert_true(body_piece_write(&a, 0, "first", 5));
	assert_true(body_piece_write(&a, LEN - 4, "last", 4));
	assert_true(body_piece_write(&b, 0, "b", 1));
	assert_memory_equal(a.at, "first", 5);
	assert_memory_equal(a.at + LEN - 4, "last", 4);
	assert_int_equal(pread(b.fd, &byte, 1, (off_t)b.offset), 1);
	assert_int_equal(byte, 'b');
	body_piece_give(&a);
	body_piece_give(&b);
}

/* Sockets may hold the old pages: they leave the file, and the range is not used again. */
static void a_piece_given_back_takes_its_pages_out_of_the_file(void **state)
{
	struct body_piece first, next, keeper;
	struct stat before, after;
	char *bytes = mem_zalloc(LEN);

	(void)state;
	skip_if_not_usable();
	assert_true(body_piece_take(1, &keeper));
	assert_true(body_piece_take(LEN, &first));
	memset(bytes, 'x', LEN);
	assert_true(body_piece_write(&first, 0, bytes, LEN));
	assert_int_equal(fstat(first.fd, &before), 0);
	next = first;
	body_piece_give(&first);
	assert_int_equal(fstat(keeper.fd, &after), 0);
	assert_true(after.st_blocks * 512 <= before.st_blocks * 512 - LEN);
	assert_true(body_piece_take(LEN, &first));
	assert_true(first.fd != next.fd || first.offset >= next.offset + LEN);
	body_piece_give(&first);
	body_piece_give(&keeper);
	mem_free(bytes);
}

static struct object *make_object(void)
{
	const struct object_head head = {
		.status = 200, .head = STR("HTTP/1.1 200 OK\r\n"), .url = STR("http://a/")};
	char *body = mem_alloc(LEN);
	struct object *object;

	for (size_t i = 0; i < LEN; i++)
		body[i] = pattern(i);
	object = object_create_whole(&head, (struct str){body, LEN});
	mem_free(body);
	return object;
}

/* An object with its body in a file reads like the one that it was made of. */
static void a_filed_object_reads_as_before(void **state)
{
	struct object *old = make_object(), *filed;
	struct object_reader reader = {0};
	struct loop *loop = loop_create(4096, NULL);
	uint64_t at = 33333;
	int64_t offset;
	int fd, niov;

	(void)state;
	skip_if_not_usable();
	assert_false(object_file(old, &fd, &offset));
	filed = object_create_filed(old);
	assert_non_null(filed);
	object_unref(old);
	assert_true(object_file(filed, &fd, &offset));
	object_reader_open(&reader, filed, at, loop, NULL, NULL);
	for (;;) {
		struct iovec iov[2];

		if (object_read(&reader, iov, 2, 5000, &niov) != OBJECT_READ_DATA)
			break;
		for (int i = 0; i < niov; i++)
			for (size_t k = 0; k < iov[i].iov_len; k++)
				if (((char *)iov[i].iov_base)[k] != pattern(at++))
					fail_msg("wrong byte at %zu", (size_t)at - 1);
		object_reader_advance(&reader, at - reader.offset);
	}
	assert_int_equal(at, LEN);
	object_reader_close(&reader);
	object_unref(filed);
	loop_destroy(loop);
}

/* What is told of a response beside its head goes along. */
static void a_filed_object_has_all_that_is_told_of_it(void **state)
{
	const struct object_head head = {
		.status = 200,
		.head = STR("HTTP/1.1 200 OK\r\n"),
		.url = STR("http://a/"),
		.body_bytes = -1,
		.decision = STR("max-age"),
		.since = 7,
	};
	struct object *old = object_create(NULL, NULL, NULL, 0), *filed;

	(void)state;
	skip_if_not_usable();
	object_keep(old, true);
	object_set_head(old, &head);
	object_append(old, STR("body"));
	object_set_trailers(old, STR("Digest: x\r\n"));
	object_finish(old);
	filed = object_create_filed(old);
	assert_non_null(filed);
	object_unref(old);
	assert_true(str_eq(filed->trailers, STR("Digest: x\r\n")));
	assert_true(str_eq(filed->decision, STR("max-age")));
	assert_int_equal(filed->since, 7);
	object_unref(filed);
}

/* The writer of a file hands bytes on without having asked for their chunk. */
static void a_reader_may_advance_without_reading(void **state)
{
	struct object *object = make_object();
	struct object_reader reader = {0};
	struct loop *loop = loop_create(4096, NULL);
	struct iovec iov;
	int niov;

	(void)state;
	object_reader_open(&reader, object, 0, loop, NULL, NULL);
	object_reader_advance(&reader, LEN - 1);
	assert_int_equal(object_read(&reader, &iov, 1, 10, &niov), OBJECT_READ_DATA);
	assert_int_equal(iov.iov_len, 1);
	assert_int_equal(*(char *)iov.iov_base, pattern(LEN - 1));
	object_reader_close(&reader);
	object_unref(object);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_mapped_and_lie_in_their_file),
		cmocka_unit_test(a_piece_given_back_takes_its_pages_out_of_the_file),
		cmocka_unit_test(a_filed_object_reads_as_before),
		cmocka_unit_test(a_filed_object_has_all_that_is_told_of_it),
		cmocka_unit_test(a_reader_may_advance_without_reading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
