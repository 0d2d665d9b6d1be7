/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cache/cache_control.h"
#include "cache/freshness.h"
#include "cache/targeted_control.h"
#include "lib/http/date.h"
#include "tests/support/messages.h"

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define NOW INT64_C(784111777)
#define DATE_NOW "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define HOUR_AGO "Sun, 06 Nov 1994 07:49:37 GMT"
#define IN_AN_HOUR "Sun, 06 Nov 1994 09:49:37 GMT"

static const struct control_reader US = {.surrogate_id = {"us", 2}};

/* Of a 200 with these lines that came at NOW. */
static struct freshness_facts read_facts(const char *lines, const struct control_reader *reader,
					 int64_t request_time_s)
{
	char text[1000];
	struct http_response response;
	const struct freshness_arrival arrival = {&response, reader, request_time_s, NOW};
	struct freshness_facts facts;

	message_response(200, lines, text, sizeof(text), &response);
	freshness_facts_read(&arrival, &facts);
	return facts;
}

/* RFC 9111 §4.2.1 lifetime, §4.2.3 age, §5.1, §5.3. What came at NOW, asked for 2 seconds before. */
static void times_are_read_as_the_rfc_says(void **state)
{
	static const struct {
		const char *lines;
		int64_t age_s, left_s; /* left_s -9: no explicit expiry */
	} cases[] = {
		{DATE_NOW "Cache-Control: max-age=60\r\n", 2, 58},
		{DATE_NOW "Cache-Control: max-age=60, s-maxage=10\r\n", 2, 8},
		{DATE_NOW "Cache-Control: max-age=60\r\nExpires: " HOUR_AGO "\r\n", 2, 58},
		{DATE_NOW "Expires: " IN_AN_HOUR "\r\n", 2, 3598},
		{DATE_NOW "Expires: " HOUR_AGO "\r\n", 2, -3602},
		{DATE_NOW "Expires: 0\r\n", 2, -2},
		{DATE_NOW "Expires: -1\r\n", 2, -2},
		{DATE_NOW "Expires: Sun, 06 Nov 1994 09:49:37\r\n", 2, -2},
		{DATE_NOW "Expires: Sun, 06 Nov 1994 09:61:37 GMT\r\n", 2, -2},
		{DATE_NOW "", 2, -9},
		{"Cache-Control: max-age=60\r\n", 2, 58}, /* no Date: from the arrival */
		{"Expires: " IN_AN_HOUR "\r\n", 2, 3598},
		{"Date: rubbish\r\nCache-Control: max-age=60\r\n", 2, 58},
		{"Date: " IN_AN_HOUR "\r\nCache-Control: max-age=60\r\n", 2, 58},
		{"Date: " IN_AN_HOUR "\r\nExpires: " IN_AN_HOUR "\r\n", 2, -2},
		{"Date: " HOUR_AGO "\r\nCache-Control: max-age=60\r\n", 3600, -3540},
		{"Date: " HOUR_AGO "\r\nCache-Control: max-age=7200\r\n", 3600, 3600},
		{DATE_NOW "Age: 30\r\nCache-Control: max-age=60\r\n", 32, 28},
		{DATE_NOW "Age: 30, 50\r\nCache-Control: max-age=60\r\n", 32, 28},
		{DATE_NOW "Age: -1\r\nCache-Control: max-age=60\r\n", 2, 58},
		{DATE_NOW "Age: 3x\r\nCache-Control: max-age=60\r\n", 2, 58},
		{DATE_NOW "Age: \r\nCache-Control: max-age=60\r\n", 2, 58},
		{DATE_NOW "Age: 2147483648\r\nCache-Control: max-age=60\r\n", DELTA_SECONDS_MAX,
		 60 - DELTA_SECONDS_MAX},
		{DATE_NOW "Age: 99999999999999999999999\r\nCache-Control: max-age=60\r\n",
		 DELTA_SECONDS_MAX, 60 - DELTA_SECONDS_MAX},
		{"Date: " HOUR_AGO "\r\nAge: 7200\r\n", 7202, -9},
		{DATE_NOW "Cache-Control: max-age=0\r\n", 2, -2},
		{DATE_NOW "Cache-Control: max-age=99999999999\r\n", 2, DELTA_SECONDS_MAX - 2},
		{DATE_NOW "Expires: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 2, DELTA_SECONDS_MAX - 2},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct freshness_facts facts = read_facts(cases[i].lines, &US, NOW - 2);

		if (freshness_age_s(&facts, NOW) != cases[i].age_s)
			fail_msg("%s: age %lld", cases[i].lines,
				 (long long)freshness_age_s(&facts, NOW));
		if (cases[i].left_s == -9 ? facts.expires_s != 0
					  : facts.expires_s - NOW != cases[i].left_s)
			fail_msg("%s: left %lld", cases[i].lines, (long long)(facts.expires_s - NOW));
	}
}

static void directives_become_flags(void **state)
{
	static const struct {
		const char *lines;
		uint32_t flags;
	} cases[] = {
		{"Cache-Control: NO-CACHE\r\n", FACT_REVALIDATE_ALWAYS},
		{"Cache-Control: no-cache=\"x\", private=\"y\"\r\n", 0},
		{"Cache-Control: no-cache=\"\"\r\n", FACT_REVALIDATE_ALWAYS},
		{"Cache-Control: private\r\n", FACT_REVALIDATE_ALWAYS},
		{"Pragma: no-cache\r\n", FACT_REVALIDATE_ALWAYS},
		{"Pragma: no-cache\r\nCache-Control: public\r\n", 0},
		{"Cache-Control: must-revalidate\r\n", FACT_REVALIDATE_STALE},
		{"Cache-Control: proxy-revalidate\r\n", FACT_REVALIDATE_STALE},
		{"Cache-Control: s-maxage=5\r\n", FACT_REVALIDATE_STALE},
		{"Cache-Control: immutable\r\nETag: \"x\"\r\n", FACT_IMMUTABLE | FACT_HAS_ETAG},
		{"Cache-Control: stale-if-error=5, stale-while-revalidate=6\r\n",
		 FACT_STALE_IF_ERROR | FACT_STALE_WHILE_REVALIDATE},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct freshness_facts facts = read_facts(cases[i].lines, &US, NOW);

		if (facts.flags != cases[i].flags)
			fail_msg("%s: %x", cases[i].lines, facts.flags);
	}
}

/* Squid: vary_ignore_expire */
static void an_expires_that_equals_date_may_be_passed_over(void **state)
{
	static const struct control_reader lenient = {.ignores_vary_expires = true};
	static const struct {
		const char *lines;
		const struct control_reader *reader;
		bool is_explicit;
	} cases[] = {
		{"Date: " HOUR_AGO "\r\nExpires: " HOUR_AGO "\r\nVary: A\r\n", &lenient, false},
		{"Date: " HOUR_AGO "\r\nExpires: " HOUR_AGO "\r\nVary: A\r\n", &US, true},
		{"Date: " HOUR_AGO "\r\nExpires: " HOUR_AGO "\r\n", &lenient, true},
		{"Date: " HOUR_AGO "\r\nExpires: " IN_AN_HOUR "\r\nVary: A\r\n", &lenient, true},
		{"Date: " HOUR_AGO "\r\nExpires: " HOUR_AGO
		 "\r\nVary: A\r\nCache-Control: max-age=0\r\n",
		 &lenient, true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct freshness_facts facts = read_facts(cases[i].lines, cases[i].reader, NOW);

		if ((facts.expires_s != 0) != cases[i].is_explicit)
			fail_msg("%s", cases[i].lines);
	}
}

enum {
	FRESH = FRESHNESS_FRESH,
	SERVE = FRESHNESS_SERVE_STALE,
	ASK = FRESHNESS_REVALIDATE,
	MUST = FRESHNESS_MUST_REVALIDATE,
	RENEW = FRESHNESS_SERVE_AND_RENEW,
	MISS = FRESHNESS_MISS,
};

enum { SWR = FACT_STALE_WHILE_REVALIDATE };

struct decision {
	const char *what;
	int64_t age_s, lifetime_s; /* lifetime_s -1: no expiry; modified_s ago before it was made */
	int64_t modified_s;
	uint32_t facts;
	uint32_t rule; /* of MIN 100, 20 %, MAX 1000 */
	const char *wishes;
	int verdict;
	struct freshness_policy policy; /* max_stale_s 0: 500 */
	bool is_conditional;
};

static void check_decision(const struct decision *d)
{
	struct freshness_facts facts = {
		.date_s = NOW - d->age_s,
		.arrived_s = NOW - d->age_s,
		.expires_s = d->lifetime_s < 0 ? 0 : NOW - d->age_s + d->lifetime_s,
		.modified_s = d->modified_s ? NOW - d->age_s - d->modified_s : 0,
		.flags = d->facts,
		.stale_if_error_s = 50,
		.stale_while_revalidate_s = 30,
	};
	struct refresh_rule_values rule = {100, 1000, 20, d->rule, 200};
	struct freshness_policy policy = d->policy;
	struct cache_control control = {0};
	struct freshness_question question = {&facts, &rule, &policy, &control, d->is_conditional, NOW};
	struct freshness_answer answer;

	if (policy.max_stale_s == 0)
		policy.max_stale_s = 500;
	if (d->wishes)
		cache_control_add(&control, str_of(d->wishes));
	else
		question.wishes = NULL;
	freshness_decide(&question, &answer);
	if ((int)answer.verdict != d->verdict)
		fail_msg("%s: %d (%s)", d->what, answer.verdict, answer.reason);
	assert_non_null(answer.reason);
	assert_int_equal(answer.age_s, d->age_s > 0 ? d->age_s : 0);
}

/* Squid: refreshCheck; RFC 9111 §4.2, §5.2.1 */
static void the_first_step_that_holds_decides(void **state)
{
	static const struct freshness_policy reloads = {.has_reload_option = true};
	static const struct freshness_policy into_ims = {.has_reload_option = true,
							 .reload_into_ims = true};
	static const struct freshness_policy all_ims = {.refresh_all_ims = true};
	static const struct freshness_policy offline = {.is_offline = true};
	const struct decision cases[] = {
		{"a second left", 59, 60, 0, 0, 0, NULL, FRESH, {0}, false},
		{"exactly used up", 60, 60, 0, 0, 0, NULL, ASK, {0}, false},
		{"no lifetime at all", 0, 0, 0, 0, 0, NULL, ASK, {0}, false},
		{"expiry wins over MAX", 5000, 6000, 0, 0, 0, NULL, FRESH, {0}, false},
		{"expiry wins over MIN", 50, 40, 0, 0, 0, NULL, ASK, {0}, false},
		{"20 % of a day", 900, -1, 86400, 0, 0, NULL, FRESH, {0}, false},
		{"20 % of a day, cut by MAX", 1001, -1, 86400, 0, 0, NULL, ASK, {0}, false},
		{"20 % of 1000", 199, -1, 1000, 0, 0, NULL, FRESH, {0}, false},
		{"20 % of 1000 used up", 200, -1, 1000, 0, 0, NULL, ASK, {0}, false},
		{"MIN is not looked at with Last-Modified", 50, -1, 100, 0, 0, NULL, ASK, {0}, false},
		{"MIN", 99, -1, 0, 0, 0, NULL, FRESH, {0}, false},
		{"MIN used up", 100, -1, 0, 0, 0, NULL, ASK, {0}, false},
		{"the clock was set back by a minute", -60, 60, 0, 0, 0, NULL, FRESH, {0}, false},
		{"by more, with an expiry", -61, 60, 0, 0, 0, NULL, ASK, {0}, false},
		{"by more, without one", -61, -1, 0, 0, 0, NULL, ASK, {0}, false},
		{"no-cache", 1, 60, 0, FACT_REVALIDATE_ALWAYS, 0, NULL, MUST, {0}, false},
		{"must-revalidate, fresh", 1, 60, 0, FACT_REVALIDATE_STALE, 0, NULL, FRESH, {0}, false},
		{"must-revalidate", 61, 60, 0, FACT_REVALIDATE_STALE, 0, "max-stale", MUST, {0}, false},
		{"beyond max_stale", 561, 60, 0, 0, 0, NULL, MUST, {0}, false},
		{"at max_stale", 560, 60, 0, 0, 0, NULL, ASK, {0}, false},
		{"beyond the rule's max-stale", 261, 60, 0, 0, REFRESH_HAS_MAX_STALE, NULL, MUST, {0},
		 false},
		{"override-expire", 99, 60, 0, 0, REFRESH_OVERRIDE_EXPIRE, NULL, SERVE, {0}, false},
		{"override-expire beyond MIN", 100, 60, 0, 0, REFRESH_OVERRIDE_EXPIRE, NULL, ASK, {0},
		 false},
		{"override-lastmod", 99, -1, 100, 0, REFRESH_OVERRIDE_LASTMOD, NULL, SERVE, {0}, false},
		{"beyond stale-if-error", 111, 60, 0, FACT_STALE_IF_ERROR, 0, NULL, MUST, {0}, false},
		{"within stale-if-error", 110, 60, 0, FACT_STALE_IF_ERROR, 0, NULL, ASK, {0}, false},
		{"within stale-while-revalidate", 89, 60, 0, SWR, 0, NULL, RENEW, {0}, false},
		{"beyond stale-while-revalidate", 90, 60, 0, SWR, 0, NULL, ASK, {0}, false},
		{"fresh, with stale-while-revalidate", 59, 60, 0, SWR, 0, NULL, FRESH, {0}, false},
		{"stale-while-revalidate, must-revalidate", 61, 60, 0, SWR | FACT_REVALIDATE_STALE, 0, NULL,
		 MUST, {0}, false},
		{"stale-while-revalidate, no-cache", 61, 60, 0, SWR | FACT_REVALIDATE_ALWAYS, 0, NULL, MUST,
		 {0}, false},
		{"stale-while-revalidate, min-fresh", 61, 60, 0, SWR, 0, "min-fresh=1", ASK, {0}, false},
		{"stale-while-revalidate, max-age", 61, 60, 0, SWR, 0, "max-age=60", ASK, {0}, false},
		{"the client's stale-if-error", 70, 60, 0, 0, 0, "stale-if-error=10", ASK, {0}, false},
		{"beyond the client's stale-if-error", 71, 60, 0, 0, 0, "stale-if-error=10", MUST, {0}, false},
		{"negative, fresh", 1, 60, 0, FACT_NEGATIVE, 0, NULL, FRESH, {0}, false},
		{"negative, spent", 60, 60, 0, FACT_NEGATIVE, 0, NULL, MISS, {0}, false},
		{"offline", 99999, 0, 0, FACT_REVALIDATE_ALWAYS, 0, NULL, SERVE, offline, false},
		{"offline, fresh", 1, 60, 0, FACT_REVALIDATE_ALWAYS, 0, NULL, FRESH, offline, false},
		/* the client's wishes */
		{"no-cache", 1, 60, 0, 0, 0, "no-cache", MISS, {0}, false},
		{"no-cache, reload options elsewhere", 1, 60, 0, 0, 0, "no-cache", MISS, reloads, false},
		{"ignore-reload", 1, 60, 0, 0, REFRESH_IGNORE_RELOAD, "no-cache", FRESH, reloads, false},
		{"ignore-reload, max-age=0", 1, 60, 0, 0, REFRESH_IGNORE_RELOAD, "max-age=0", FRESH,
		 reloads, false},
		{"ignore-reload, max-age=1", 2, 60, 0, 0, REFRESH_IGNORE_RELOAD, "max-age=1", ASK,
		 reloads, false},
		{"reload-into-ims", 1, 60, 0, 0, REFRESH_RELOAD_INTO_IMS, "no-cache", ASK, reloads, false},
		{"reload_into_ims", 1, 60, 0, 0, 0, "no-cache", ASK, into_ims, false},
		{"max-age=0", 0, 60, 0, 0, 0, "max-age=0", ASK, {0}, false},
		{"max-age reached", 30, 60, 0, 0, 0, "max-age=30", FRESH, {0}, false},
		{"max-age passed", 31, 60, 0, 0, 0, "max-age=30", ASK, {0}, false},
		{"max-age, immutable", 31, 60, 0, FACT_IMMUTABLE, 0, "max-age=0", FRESH, {0}, false},
		{"min-fresh met", 49, 60, 0, 0, 0, "min-fresh=10", FRESH, {0}, false},
		{"min-fresh not met", 50, 60, 0, 0, 0, "min-fresh=10", ASK, {0}, false},
		{"max-stale", 9999, 60, 0, 0, 0, "max-stale", SERVE, {0}, false},
		{"max-stale=N", 70, 60, 0, 0, 0, "max-stale=10", SERVE, {0}, false},
		{"max-stale=N passed", 71, 60, 0, 0, 0, "max-stale=10", ASK, {0}, false},
		{"max-stale on a fresh one", 1, 60, 0, 0, 0, "max-stale=10", FRESH, {0}, false},
		{"refresh-ims", 1, 60, 0, 0, REFRESH_REFRESH_IMS, "", ASK, {0}, true},
		{"refresh-ims, unconditional", 1, 60, 0, 0, REFRESH_REFRESH_IMS, "", FRESH, {0}, false},
		{"refresh_all_ims", 1, 60, 0, 0, 0, "", ASK, all_ims, true},
		{"conditional", 1, 60, 0, 0, 0, "", FRESH, {0}, true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_decision(&cases[i]);
}

/* ---- all combinations of what matters, against the rules as the RFC words them */

static int64_t largest(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* RFC 9111 §4.2.3: apparent_age, corrected_age_value, corrected_initial_age, current_age. */
static void age_is_the_sum_of_the_rfc(void **state)
{
	static const int64_t dates_ago[] = {-7200, -1, 0, 1, 59, 3600, 86400 * 400};
	static const int64_t ages[] = {-1, 0, 1, 60, 86400, 2147483647, 2147483648, 9999999999};
	static const int64_t delays[] = {-5, 0, 1, 30}, residents[] = {0, 1, 3600, 99999999999};

	(void)state;
	for (size_t i = 0; i < COUNT(dates_ago) * COUNT(ages) * COUNT(delays) * COUNT(residents); i++) {
		int64_t date_ago = dates_ago[i % COUNT(dates_ago)];
		int64_t age = ages[i / COUNT(dates_ago) % COUNT(ages)];
		int64_t delay = delays[i / COUNT(dates_ago) / COUNT(ages) % COUNT(delays)];
		int64_t resident = residents[i / COUNT(dates_ago) / COUNT(ages) / COUNT(delays)];
		int64_t apparent = largest(0, date_ago), corrected = 0, current;
		char lines[200], date[DATE_SIZE], age_line[40] = "";
		struct freshness_facts facts;

		date_format(NOW - date_ago, date);
		if (age >= 0)
			snprintf(age_line, sizeof(age_line), "Age: %lld\r\n", (long long)age);
		snprintf(lines, sizeof(lines), "Date: %s\r\n%s", date, age_line);
		facts = read_facts(lines, &US, NOW - delay);
		if (age > DELTA_SECONDS_MAX)
			corrected = DELTA_SECONDS_MAX;
		else if (age >= 0)
			corrected = age;
		corrected += largest(0, delay);
		current = largest(apparent, corrected);
		current = (current < DELTA_SECONDS_MAX ? current : DELTA_SECONDS_MAX) + resident;
		if (current > DELTA_SECONDS_MAX)
			current = DELTA_SECONDS_MAX;
		if (freshness_age_s(&facts, NOW + resident) != current)
			fail_msg("%s delay %lld resident %lld: %lld, not %lld", lines,
				 (long long)delay, (long long)resident,
				 (long long)freshness_age_s(&facts, NOW + resident),
				 (long long)current);
	}
}

static bool serves(int verdict)
{
	return verdict == FRESH || verdict == SERVE || verdict == RENEW;
}

/* What holds of every decision, whichever step makes it. */
static void check_rules(const struct freshness_facts *facts, const struct refresh_rule_values *rule,
			const struct freshness_policy *policy, const struct cache_control *wishes)
{
	const struct freshness_question question = {facts, rule, policy, wishes, false, NOW};
	struct freshness_answer answer;
	bool is_fresh, is_stale_forbidden, is_reload_ignored;
	uint32_t asks = wishes->flags;

	freshness_decide(&question, &answer);
	is_fresh = answer.left_s > 0;
	is_stale_forbidden = facts->flags & (FACT_REVALIDATE_ALWAYS | FACT_REVALIDATE_STALE);
	is_reload_ignored = rule->flags & REFRESH_IGNORE_RELOAD && policy->has_reload_option;
	assert_non_null(answer.reason);
	assert_true(answer.age_s >= 0 && answer.age_s <= DELTA_SECONDS_MAX);
	if (policy->is_offline) {
		assert_true(serves((int)answer.verdict) && (is_fresh || answer.verdict != FRESHNESS_FRESH));
		return;
	}
	/* §4.2.4: never stale where that is forbidden, whatever client and rule say */
	if (!is_fresh && is_stale_forbidden && serves((int)answer.verdict))
		fail_msg("stale, flags %x, wishes %x: %s", facts->flags, asks, answer.reason);
	/* §5.2.2.4: not without validation */
	if (facts->flags & FACT_REVALIDATE_ALWAYS && serves((int)answer.verdict))
		fail_msg("no-cache is served: %s", answer.reason);
	/* §4.2: what is stale is not called fresh; a wish for freshness is not met by what is stale */
	if (answer.verdict == FRESHNESS_FRESH)
		assert_true(is_fresh);
	if (serves((int)answer.verdict) && asks & CC_NO_CACHE && !is_reload_ignored)
		fail_msg("a reload is served: %s", answer.reason);
	if (answer.verdict == FRESHNESS_FRESH && asks & CC_MIN_FRESH)
		assert_true(answer.left_s > wishes->min_fresh_s);
	if (serves((int)answer.verdict) && asks & CC_MAX_AGE && !(facts->flags & FACT_IMMUTABLE) &&
	    !(rule->flags & REFRESH_IGNORE_RELOAD))
		assert_true(answer.age_s <= wishes->max_age_s && wishes->max_age_s > 0);
	/* what may only follow an answer of the origin is not served stale instead of it */
	if (facts->flags & FACT_NEGATIVE && !is_fresh && !(asks & CC_MAX_STALE))
		assert_false(serves((int)answer.verdict));
}

static void no_combination_breaks_a_rule(void **state)
{
	static const int64_t ages[] = {0, 30, 90, 100000}, lifetimes[] = {-1, 0, 60, 3600};
	static const char *const wishes[] = {
		"", "no-cache", "max-age=0", "max-age=50", "max-stale", "max-stale=40", "min-fresh=20",
		"max-stale, max-age=50", "min-fresh=20, max-stale=40", "stale-if-error=10"};
	static const uint32_t rule_flags[] = {
		0, REFRESH_OVERRIDE_EXPIRE | REFRESH_OVERRIDE_LASTMOD, REFRESH_IGNORE_RELOAD,
		REFRESH_RELOAD_INTO_IMS, REFRESH_HAS_MAX_STALE | REFRESH_STORE_STALE};

	(void)state;
	for (unsigned n = 0; n < COUNT(ages) * COUNT(lifetimes) * COUNT(wishes) * COUNT(rule_flags); n++)
		for (uint32_t bits = 0; bits < 1 << 9; bits++) {
			int64_t age = ages[n % COUNT(ages)];
			int64_t lifetime = lifetimes[n / COUNT(ages) % COUNT(lifetimes)];
			const char *wish = wishes[n / COUNT(ages) / COUNT(lifetimes) % COUNT(wishes)];
			struct refresh_rule_values rule = {
				100, 1000, 20,
				rule_flags[n / COUNT(ages) / COUNT(lifetimes) / COUNT(wishes)], 200};
			struct freshness_policy policy = {.max_stale_s = 500,
							  .has_reload_option = bits >> 7 & 1,
							  .is_offline = bits >> 8 & 1};
			struct freshness_facts facts = {
				.date_s = NOW - age,
				.arrived_s = NOW - age,
				.expires_s = lifetime < 0 ? 0 : NOW - age + lifetime,
				.modified_s = lifetime == -1 && bits & 1 ? NOW - age - 1000 : 0,
				.flags = bits & 0x7f,
				.stale_if_error_s = 50,
				.stale_while_revalidate_s = 30,
			};
			struct cache_control control = {0};

			cache_control_add(&control, str_of(wish));
			check_rules(&facts, &rule, &policy, &control);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read_as_the_rfc_says),
		cmocka_unit_test(directives_become_flags),
		cmocka_unit_test(an_expires_that_equals_date_may_be_passed_over),
		cmocka_unit_test(the_first_step_that_holds_decides),
		cmocka_unit_test(age_is_the_sum_of_the_rfc),
		cmocka_unit_test(no_combination_breaks_a_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
