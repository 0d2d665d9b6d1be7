/* SPDX-License-Identifier: BSD-2-Clause */
/* What is read of digest credentials, and what becomes of nonces. RFC 7616. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "helpers/auth_text.h"
#include "helpers/digest_fields.h"
#include "helpers/digest_nonce.h"

#define HASH "0123456789ABCDEF0123456789abcdef"
#define BEGIN "Digest username=\"joe\", realm=\"R\", nonce=\"n\", uri=\"/\", "
#define COUNTED ", qop=auth, nc=0000000a, cnonce=\"c\""

static void fields_are_read_or_refused_as_a_whole(void **state)
{
	static const struct {
		const char *value;
		bool is_good;
	} cases[] = {
		{BEGIN "response=\"" HASH "\"" COUNTED, true},
		{BEGIN "response=" HASH, true}, /* RFC 2069 */
		{BEGIN "response=\"" HASH "\", unknown=1" COUNTED, true},
		{BEGIN "response=\"" HASH "\" , ,\t algorithm = \"md5\"" COUNTED, true},
		{BEGIN "response=\"" HASH HASH "\", algorithm=SHA-256" COUNTED, true},
		{BEGIN "response=\"" HASH "\", algorithm=SHA-256" COUNTED, false},
		{BEGIN "response=\"" HASH "\", algorithm=MD5-sess" COUNTED, false},
		{BEGIN "response=\"" HASH "\", userhash=true" COUNTED, false},
		{BEGIN "response=\"" HASH "\", userhash=false" COUNTED, true},
		{BEGIN "response=\"" HASH "\", realm=\"R\"" COUNTED, false},
		{BEGIN "response=\"" HASH "\", qop=auth-int, nc=00000001, cnonce=\"c\"", false},
		{BEGIN "response=\"" HASH "\", qop=auth", false},
		{BEGIN "response=\"" HASH "\", nc=00000001", false},
		{BEGIN "response=\"" HASH "\", qop=auth, nc=00000000, cnonce=\"c\"", false},
		{BEGIN "response=\"" HASH "\", qop=auth, nc=1, cnonce=\"c\"", false},
		{BEGIN "response=\"" HASH "\" qop=auth", false},
		{BEGIN "response=\"0\"", false},
		{BEGIN "response=\"" HASH, false},
		{BEGIN, false},
		{"Digest", false},
		{"Basic am9lOng=", false},
		{"Digest username=\"a\\\"b\", realm=\"R\", nonce=\"n\", uri=\"/\", response=" HASH, false},
		{"Digest username=\"\", realm=\"R\", nonce=\"n\", uri=\"/\", response=" HASH, false},
		{"Digest username=\"a\1b\", realm=\"R\", nonce=\"n\", uri=\"/\", response=" HASH, false},
	};
	struct digest_fields fields;
	char bytes[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (digest_fields_read(str_of(cases[i].value), bytes, &fields) != cases[i].is_good)
			fail_msg("%s", cases[i].value);
}

static void values_lose_their_quotes(void **state)
{
	struct digest_fields fields;
	char bytes[1024];

	(void)state;
	assert_true(digest_fields_read(STR("digest username=\"a\\\\b\", realm=\"q\\\"q\", nonce=n, "
					   "uri=\"/a,b\", response=\"" HASH "\"" COUNTED),
				       bytes, &fields));
	assert_true(str_eq(fields.username, STR("a\\b")));
	assert_true(str_eq(fields.realm, STR("q\"q")));
	assert_true(str_eq(fields.uri, STR("/a,b")));
	assert_int_equal(fields.nc, 10);
	assert_memory_equal(fields.response, "0123456789abcdef0123456789abcdef", 32);
}

/* ---- nonces */

static const struct digest_nonce_rules usual = {
	.max_duration_ms = 1000, .garbage_interval_ms = 100, .max_count = 5, .checks_count = true};

struct rig {
	struct digest_nonces *nonces;
	char text[DIGEST_NONCE_CHARS];
	bool is_ending;
};

static struct str make(struct rig *rig, int64_t now_ms)
{
	digest_nonce_make(rig->nonces, now_ms, rig->text);
	return (struct str){rig->text, sizeof(rig->text)};
}

static bool use(struct rig *rig, const struct digest_nonce_rules *rules, uint32_t count,
		int64_t now_ms)
{
	return digest_nonce_use(rig->nonces, rules, (struct str){rig->text, sizeof(rig->text)},
				count, now_ms, &rig->is_ending);
}

static void a_count_comes_once_in_any_order(void **state)
{
	struct rig rig = {.nonces = digest_nonces_create()};

	(void)state;
	make(&rig, 0);
	assert_true(use(&rig, &usual, 1, 1));
	assert_false(use(&rig, &usual, 1, 1));
	assert_true(use(&rig, &usual, 4, 1));
	assert_true(use(&rig, &usual, 3, 1));
	assert_false(use(&rig, &usual, 3, 1));
	assert_false(rig.is_ending);
	assert_true(use(&rig, &usual, 1000, 1));
	assert_true(rig.is_ending); /* one more use */
	assert_false(use(&rig, &usual, 2, 1)); /* too far behind to tell */
	assert_true(use(&rig, &usual, 0xffffffff, 1));
	assert_false(use(&rig, &usual, 0xfffffffe, 1)); /* five uses were allowed */
	digest_nonces_unref(rig.nonces);
}

static void strictness_wants_each_count_in_turn(void **state)
{
	struct digest_nonce_rules strict = usual, lax = usual;
	struct rig rig = {.nonces = digest_nonces_create()};

	(void)state;
	strict.is_strict = true;
	lax.checks_count = false;
	make(&rig, 0);
	assert_false(use(&rig, &strict, 2, 1));
	assert_true(use(&rig, &strict, 1, 1));
	assert_false(use(&rig, &strict, 3, 1));
	assert_true(use(&rig, &strict, 2, 1));
	assert_true(use(&rig, &lax, 2, 1));
	digest_nonces_unref(rig.nonces);
}

static void a_nonce_ages(void **state)
{
	struct rig rig = {.nonces = digest_nonces_create()};

	(void)state;
	make(&rig, 5000);
	assert_true(use(&rig, &usual, 1, 5999));
	assert_false(use(&rig, &usual, 2, 6000));
	digest_nonces_unref(rig.nonces);
}

static void nobody_else_makes_nonces(void **state)
{
	struct rig rig = {.nonces = digest_nonces_create()}, other = {.nonces = digest_nonces_create()};

	(void)state;
	make(&rig, 0);
	memcpy(other.text, rig.text, sizeof(rig.text));
	assert_false(use(&other, &usual, 1, 1));
	rig.text[3] = rig.text[3] == '0' ? '1' : '0'; /* as if it were younger */
	assert_false(use(&rig, &usual, 1, 1));
	assert_false(digest_nonce_use(rig.nonces, &usual, STR(""), 1, 1, &rig.is_ending));
	assert_int_equal(digest_nonces_count(rig.nonces), 0);
	digest_nonces_unref(rig.nonces);
	digest_nonces_unref(other.nonces);
}

/* What falls out of the table is refused, not taken for new. */
static void the_table_is_bounded(void **state)
{
	enum { MANY = 70000 };
	struct rig rig = {.nonces = digest_nonces_create()}, first;

	(void)state;
	make(&rig, 1);
	assert_true(use(&rig, &usual, 1, 1));
	first = rig;
	for (int i = 0; i < MANY; i++) {
		make(&rig, 2);
		use(&rig, &usual, 1, 3);
	}
	assert_true(digest_nonces_count(rig.nonces) <= 65536);
	assert_false(use(&first, &usual, 1, 4));
	digest_nonces_unref(rig.nonces);
}

static void tokens_are_told_from_other_texts(void **state)
{
	(void)state;
	assert_true(auth_is_token68(STR("aZ09-._~+/==")));
	assert_false(auth_is_token68(STR("")));
	assert_false(auth_is_token68(STR("==")));
	assert_false(auth_is_token68(STR("a=b")));
	assert_false(auth_is_token68(STR("a b")));
	assert_false(auth_is_token68((struct str){"a\0b", 3}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_read_or_refused_as_a_whole),
		cmocka_unit_test(values_lose_their_quotes),
		cmocka_unit_test(a_count_comes_once_in_any_order),
		cmocka_unit_test(strictness_wants_each_count_in_turn),
		cmocka_unit_test(a_nonce_ages),
		cmocka_unit_test(nobody_else_makes_nonces),
		cmocka_unit_test(the_table_is_bounded),
		cmocka_unit_test(tokens_are_told_from_other_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
