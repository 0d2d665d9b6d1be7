/* SPDX-License-Identifier: BSD-2-Clause */
/* What a helper is asked and answers while it is recorded: the first byte says how, then turns of
 * questions and answers, apart by a byte 0xff. Nothing is kept that was not said, and no password.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/base/check.h"
#include "proxy/ctl/helper/helper_difference.h"
#include "proxy/ctl/helper/helper_secrets.h"
#include "proxy/ctl/helper/helper_tap.h"

static const char *find_none(void *user, struct str hex)
{
	(void)user;
	check(hex.len < 1 << 20);
	return NULL;
}

static void take(void *user, const struct tap_pair *pair)
{
	struct secrets *secrets = user;
	struct buf question, answer, restored;
	unsigned n;

	check(pair->has_answer == (pair->latency_us >= 0));
	check(!memchr(pair->question.at, '\n', pair->question.len));
	buf_init(&question, 1 << 20);
	buf_init(&answer, 1 << 20);
	buf_init(&restored, 1 << 20);
	n = secrets_hide_question(secrets, pair->question, &question);
	check(n <= 1);
	if (secrets_restore(buf_str(&question), find_none, NULL, &restored))
		check(n == 0 && str_eq(buf_str(&restored), pair->question));
	secrets_hide_answer(secrets, pair->answer, &answer);
	check(helper_says_the_same(buf_str(&answer), buf_str(&answer)));
	buf_fini(&question);
	buf_fini(&answer);
	buf_fini(&restored);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const char *const kinds[] = {"basic", "digest", "negotiate", "external"};
	static struct secrets secrets[COUNT(kinds)]; /* kept, since hashing takes its time */
	struct str rest = {(const char *)bytes, len}, turn;
	unsigned kind;
	struct tap tap;

	if (len == 0)
		return 0;
	kind = bytes[0] % COUNT(kinds);
	if (!secrets[kind].place)
		secrets_init(&secrets[kind], kinds[kind], 0);
	tap_init(&tap, bytes[0] & 0x80, take, &secrets[kind]);
	rest = str_from(rest, 1);
	for (unsigned i = 0; str_split(&rest, '\xff', &turn); i++)
		(i % 2 == 0 ? tap_questions : tap_answers)(&tap, turn, i);
	tap_end(&tap);
	tap_fini(&tap);
	return 0;
}
