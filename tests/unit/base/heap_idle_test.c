/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/heap.h"
#include "lib/base/heap_idle.h"

/* Their heap is another. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SKIP_IF_SANITIZED() skip()
#else
#define SKIP_IF_SANITIZED() ((void)0)
#endif

enum { PIECE_BYTES = 8000, NPIECES = 3 * HEAP_IDLE_MIN_BYTES / PIECE_BYTES };

static void *pieces[NPIECES];

/* As many as a crowd takes; the last stays, above all that is freed. */
static void come_and_go(void)
{
	for (size_t i = 0; i < NPIECES; i++) {
		mem_free(pieces[i]);
		pieces[i] = memset(mem_alloc(PIECE_BYTES), 'x', PIECE_BYTES);
	}
	for (size_t i = 0; i + 1 < NPIECES; i++) {
		mem_free(pieces[i]);
		pieces[i] = NULL;
	}
}

static void what_a_crowd_left_behind_is_given_back(void **state)
{
	struct heap_idle idle = {0};

	(void)state;
	SKIP_IF_SANITIZED();
	for (int crowd = 0; crowd < 2; crowd++) {
		come_and_go();
		assert_false(heap_idle_look(&idle)); /* it may be in use again at once */
		assert_true(heap_idle_look(&idle));
		assert_false(heap_idle_look(&idle));
		assert_false(heap_idle_look(&idle));
	}
	mem_free(pieces[NPIECES - 1]);
	pieces[NPIECES - 1] = NULL;
}

static void what_is_in_use_stays(void **state)
{
	struct heap_idle idle = {0};

	(void)state;
	SKIP_IF_SANITIZED();
	for (size_t i = 0; i < NPIECES; i++)
		pieces[i] = memset(mem_alloc(PIECE_BYTES), 'x', PIECE_BYTES);
	for (int look = 0; look < 3; look++)
		assert_false(heap_idle_look(&idle));
	for (size_t i = 0; i < NPIECES; i++) {
		mem_free(pieces[i]);
		pieces[i] = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_crowd_left_behind_is_given_back),
		cmocka_unit_test(what_is_in_use_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
