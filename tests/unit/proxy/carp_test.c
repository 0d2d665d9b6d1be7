/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "proxy/fetch/carp.h"
#include "squid-compat/peers.h"

enum { MOST = 100, NKEYS = 20000 };

static struct peer peers[MOST];
static char names[MOST][16];

static struct carp *make(unsigned n, unsigned (*weight)(unsigned i))
{
	struct carp *carp = carp_create(n);

	memset(peers, 0, sizeof(peers));
	for (unsigned i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "peer%u", i);
		peers[i].name = str_of(names[i]);
		peers[i].index = i;
		carp_set(carp, i, &peers[i], weight(i));
	}
	carp_weigh(carp);
	return carp;
}

static struct str text_of(void *owner, const struct peer *peer)
{
	(void)peer;
	return str_of(owner);
}

static unsigned one(unsigned i)
{
	(void)i;
	return 1;
}

static unsigned growing(unsigned i)
{
	return 1 + i;
}

static unsigned a_giant(unsigned i)
{
	return i == 3 ? 1000000 : 1;
}

static unsigned first_of_highest(const double *scores, unsigned n)
{
	unsigned best = 0;

	for (unsigned i = 1; i < n; i++)
		if (scores[i] > scores[best])
			best = i;
	return best;
}

static void the_first_has_the_highest_score(void **state)
{
	static const struct {
		unsigned n;
		unsigned (*weight)(unsigned i);
	} cases[] = {{1, one}, {2, one}, {7, growing}, {MOST, one}, {MOST, growing}, {MOST, a_giant}};
	char text[32];
	const struct carp_key key = {text_of, text};

	(void)state;
	for (size_t c = 0; c < COUNT(cases); c++) {
		struct carp *carp = make(cases[c].n, cases[c].weight);

		for (unsigned k = 0; k < NKEYS; k++) {
			snprintf(text, sizeof(text), "http://www.example/%u", k);
			assert_int_equal(carp_first(carp, &key),
					 first_of_highest(carp_scores(carp, &key), cases[c].n));
		}
		carp_destroy(carp);
	}
}

/* As Squid 5.7 was seen to choose, by sourcehash. */
static void choices_are_squids(void **state)
{
	static const struct {
		const char *client;
		unsigned peer;
	} cases[] = {{"127.0.1.1", 0}, {"127.0.2.2", 3}, {"127.0.0.3", 1}, {"127.0.1.4", 3}, {"127.0.2.5", 4},
		     {"127.0.0.6", 3}, {"127.0.1.7", 1}, {"127.0.2.8", 3}, {"127.0.0.9", 0},
		     {"127.0.1.10", 4}, {"127.0.0.15", 0}, {"127.0.2.17", 2}, {"127.0.0.24", 0},
		     {"127.0.2.26", 2}, {"127.0.2.29", 2}, {"127.0.0.30", 3}};
	struct carp *carp = make(5, growing);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[32];
		const struct carp_key key = {text_of, text};

		str_copy(str_of(cases[i].client), text, sizeof(text));
		assert_int_equal(carp_first(carp, &key), cases[i].peer);
	}
	carp_destroy(carp);
}

static struct str own_key(void *owner, const struct peer *peer)
{
	return peer->carp_key ? str_of(owner) : STR("another");
}

static void peers_may_have_keys_of_their_own(void **state)
{
	struct carp *carp = make(9, one);
	char text[32];
	const struct carp_key key = {own_key, text};
	bool was_first[2] = {false, false};

	(void)state;
	peers[4].carp_key = PEER_CARP_HOST;
	carp_weigh(carp);
	for (unsigned k = 0; k < 1000; k++) {
		unsigned first;

		snprintf(text, sizeof(text), "http://www.example/%u", k);
		first = carp_first(carp, &key);
		assert_int_equal(first, first_of_highest(carp_scores(carp, &key), 9));
		was_first[first == 4] = true;
	}
	assert_true(was_first[0] && was_first[1]);
	carp_destroy(carp);
}

static void of_none_there_is_none(void **state)
{
	struct carp *carp = make(0, one);
	const struct carp_key key = {text_of, ""};

	(void)state;
	assert_int_equal(carp_first(carp, &key), 0);
	carp_destroy(carp);
	carp_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_has_the_highest_score),
		cmocka_unit_test(choices_are_squids),
		cmocka_unit_test(peers_may_have_keys_of_their_own),
		cmocka_unit_test(of_none_there_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
