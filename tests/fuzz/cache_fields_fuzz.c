/* SPDX-License-Identifier: BSD-2-Clause */
/* What the cache reads from an origin's head: Cache-Control, Vary, dates, ranges, references. The
 * bytes are the lines of a 200; the same head also plays the request and the 304 that renews it. */
#include "tests/fuzz/fuzz.h"

#include "cache/cache_control.h"
#include "cache/freshness.h"
#include "cache/invalidate.h"
#include "cache/object.h"
#include "cache/range.h"
#include "cache/revalidate.h"
#include "cache/storable.h"
#include "cache/targeted_control.h"
#include "cache/vary.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/http/h1.h"

#define NOW INT64_C(784111777)

static const struct control_reader US = {.surrogate_id = {"us", 2}};
static const struct refresh_rule_values rule = {.max_s = 3 * 86400, .percent = 20};

static const struct h1_limits limits = {.head_bytes = 65536, .target_bytes = 65536, .allow_no_host = true};

static void check_vary(const struct http_response *response)
{
	struct buf record;

	buf_init(&record, 2 * VARY_MAX_BYTES);
	if (vary_record(response, &response->head, &record))
		check(vary_matches(buf_str(&record), &response->head));
	else
		check(record.len == 0);
	buf_fini(&record);
}

static void check_ranges(const struct http_head *head, uint64_t body_bytes)
{
	struct range_plan plan;
	uint64_t at = 0;

	range_plan(http_value(head, FIELD_RANGE), body_bytes, &plan);
	check((plan.verdict == RANGE_PARTIAL) == (plan.npieces > 0));
	for (unsigned i = 0; i < plan.npieces; i++) {
		check(plan.pieces[i].len > 0 && plan.pieces[i].first >= at);
		at = plan.pieces[i].first + plan.pieces[i].len;
		check(at > plan.pieces[i].first && at <= body_bytes);
	}
}

static void check_content_range(const struct http_head *head)
{
	struct content_range range;

	if (content_range_read(http_value(head, FIELD_CONTENT_RANGE), &range))
		check(range.first <= range.last && range.last < range.length);
}

static void check_times(const struct http_request *request, const struct http_response *response,
			struct freshness_facts *facts)
{
	struct storable_policy storable = {.rule = &rule, .minimum_expiry_s = 60};
	struct freshness_policy policy = {.max_stale_s = 604800};
	struct cache_control control;
	const struct freshness_question question = {
		facts, &rule, &policy, &control, true, NOW + 5,
	};
	struct freshness_answer answer;
	const char *reason = NULL;

	storable.control = freshness_facts_read(
		&(struct freshness_arrival){response, &US, NOW - 1, NOW}, facts);
	cache_control_read(&request->head, &control);
	check(control.max_age_s >= 0 && control.max_age_s <= DELTA_SECONDS_MAX);
	freshness_decide(&question, &answer);
	check(answer.reason && answer.age_s >= 0 && answer.age_s <= DELTA_SECONDS_MAX);
	storable_decide(request, response, facts, &storable, &reason);
	check(reason);
}

/* The head as the proxy stores it. */
static void write_stored(const struct http_head *head, struct buf *out)
{
	buf_add_str(out, STR("HTTP/1.1 200 OK\r\n"));
	for (unsigned i = 0; i < head->nfields; i++) {
		if (!storable_keeps_field(head, &head->fields[i], &US))
			continue;
		buf_add_str(out, http_field_name(head, &head->fields[i]));
		buf_add_str(out, STR(": "));
		buf_add_str(out, http_field_value(head, &head->fields[i]));
		buf_add_str(out, STR("\r\n"));
	}
}

static void check_revalidation(const struct http_request *request,
			       const struct http_response *response,
			       const struct freshness_facts *facts)
{
	struct object_head head = {.status = 200, .facts = *facts};
	const struct freshness_arrival arrival = {response, &US, NOW, NOW};
	struct freshness_facts renewed;
	struct object *object;
	struct buf stored, out;

	buf_init(&stored, 1 << 20);
	buf_init(&out, 1 << 20);
	write_stored(&response->head, &stored);
	head.head = buf_str(&stored);
	object = object_create_whole(&head, STR("body"));
	revalidate_answer(request, object);
	revalidate_range_holds(request, object);
	if (revalidate_strong_validator(object).at)
		revalidate_is_same_strongly(object, response);
	revalidate_request_fields(object, &object, 1, &out);
	check(out.len > 0);
	revalidate_304_head(object, &out);
	buf_clear(&out);
	/* Its own 304 never speaks of another representation, unless the head is at its limits. */
	if (revalidate_merge(object, &arrival, &out, &renewed) == REVALIDATE_MERGED)
		check(str_starts_with(buf_str(&out), STR("HTTP/1.1 200 OK\r\n")));
	object_unref(object);
	buf_fini(&out);
	buf_fini(&stored);
}

static void check_invalidation(const struct http_response *response)
{
	struct str line, lines;
	struct buf urls;
	unsigned n = 0;

	buf_init(&urls, 65536);
	invalidate_urls(STR("http://www.example/a/b?c"), response, &urls);
	lines = buf_str(&urls);
	while (str_split(&lines, '\n', &line)) {
		check(line.len == 0 || str_starts_with(line, STR("http://www.example/")));
		n += line.len > 0;
	}
	check(n >= 1 && n <= INVALIDATE_MAX_URLS);
	buf_fini(&urls);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct http_request request = {.method = HTTP_GET};
	struct http_response response;
	struct freshness_facts facts;
	struct h1_parser parser = {0};
	struct buf text;

	buf_init(&text, 65536);
	buf_add_str(&text, STR("HTTP/1.1 200 OK\r\n"));
	buf_add(&text, bytes, len);
	buf_add_str(&text, STR("\r\n\r\n"));
	if (!text.is_full && h1_parse_response(&parser, text.at, text.len, &limits, HTTP_GET,
					       &response) == H1_DONE) {
		request.head = response.head;
		check_vary(&response);
		check_ranges(&response.head, 100);
		check_ranges(&response.head, UINT64_MAX);
		check_content_range(&response.head);
		check_times(&request, &response, &facts);
		check_revalidation(&request, &response, &facts);
		check_invalidation(&response);
	}
	buf_fini(&text);
	return 0;
}
