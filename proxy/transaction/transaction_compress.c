/* SPDX-License-Identifier: BSD-2-Clause */
/* The content coding that a client gets (compress and its family). Where it is allowed, the origin is asked
 * without Accept-Encoding, so that one stored response serves all clients; what hangs on it in other
 * codings (cache/coding.h) is sent, or made (recoder.h). RFC 9110 §12.5.3. */
#include "cache/coding.h"
#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/http/content_codec.h"
#include "proxy/transaction/recoder.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/worker.h"
#include "squid-compat/acl.h"
#include "squid-compat/config.h"

/* ---- on the way to the origin */

void transaction_hide_codings(struct transaction *t)
{
	struct http_request *request = &t->exchange.request;
	const struct access_list *list = transaction_config(t)->compress;

	if (!list || (request->method != HTTP_GET && request->method != HTTP_HEAD) ||
	    t->upgrade.len > 0 || !access_list_allows(list, false, &t->facts))
		return;
	t->may_recode = true;
	t->nhidden = http_take_out(&request->head, FIELD_ACCEPT_ENCODING, t->hidden,
				   COUNT(t->hidden));
}

void transaction_show_codings(struct transaction *t)
{
	http_put_back(&t->exchange.request.head, t->hidden, t->nhidden);
	t->nhidden = 0;
}

/* ---- what is worth packing */

static const char *const usual_types[] = {
	"text/html", "text/css", "text/plain", "text/xml", "text/javascript", "text/csv",
	"text/markdown", "text/vtt", "text/x-component",
	"application/javascript", "application/x-javascript", "application/json",
	"application/ld+json", "application/manifest+json", "application/geo+json",
	"application/problem+json", "application/xml", "application/xhtml+xml",
	"application/rss+xml", "application/atom+xml", "application/graphql-response+json",
	"application/wasm", "application/vnd.ms-fontobject", "font/ttf", "font/otf",
	"image/svg+xml", "image/bmp", "image/x-icon",
};

/* "text/html", "text/" and a star: all of text. */
static bool is_type(struct str type, struct str pattern)
{
	if (str_ends_with_nocase(pattern, STR("/*")))
		return str_starts_with_nocase(type, str_first(pattern, pattern.len - 1));
	return str_eq_nocase(type, pattern);
}

static bool is_worth_its_type(const struct config *config, struct str type)
{
	const struct config_words *said = &config->compress_types;
	const char *const *types = said->n > 0 ? said->at : usual_types;
	size_t n = said->n > 0 ? said->n : COUNT(usual_types);

	for (size_t i = 0; type.at && i < n; i++)
		if (is_type(type, str_of(types[i])))
			return true;
	return false;
}

/* Of a body that is still coming, as far as it is known; of the answer to HEAD, as it is said. */
static int64_t known_length(const struct transaction *t)
{
	const struct object *object = t->object;

	if (object_state(object) == OBJECT_COMPLETE && object_length(object) > 0)
		return (int64_t)object_length(object);
	if (transaction_request(t)->method == HTTP_HEAD && object->body_bytes == 0)
		return coding_said_length(object->head_once);
	return object->body_bytes;
}

static bool is_worth_packing(const struct transaction *t, const struct coding_facts *facts)
{
	const struct config *config = transaction_config(t);
	int64_t length = known_length(t);

	return facts->coding == CODING_IDENTITY && !facts->must_stay &&
	       (length < 0 || length >= config->compress_min_length_bytes) &&
	       is_worth_its_type(config, facts->type);
}

/* ---- what the client gets */

static void take_coded(struct transaction *t, struct object *coded)
{
	t->uncoded = t->object;
	t->object = object_ref(coded);
}

/* From what hangs on it, from who is at it, or from one of its own that begins with the reply's reader. */
static void recode(struct transaction *t, enum content_coding coding, enum content_coding wanted)
{
	const struct config *config = transaction_config(t);
	struct object *coded = recoder_find(t->worker, t->object, wanted);
	const struct recoder_order order = {
		.worker = t->worker,
		.from = t->object,
		.coding = coding,
		.wanted = wanted,
		.level = config->compress_level,
		.max_kept_bytes = (uint64_t)config->maximum_object_size_in_memory_bytes,
		.gap_bytes = (uint64_t)config->read_ahead_gap_bytes,
	};

	if (!coded) {
		t->recoder = recoder_create(&order);
		coded = t->recoder ? recoder_object(t->recoder) : NULL;
	}
	if (coded)
		take_coded(t, coded);
}

static bool is_range(const struct transaction *t)
{
	return http_has(&transaction_request(t)->head, FIELD_RANGE);
}

static enum content_coding choose(const struct transaction *t, const struct coding_wishes *wishes)
{
	unsigned among = 1U << CODING_IDENTITY | 1U << CODING_GZIP;

	if (content_codec_has(CODING_BROTLI))
		among |= 1U << CODING_BROTLI;
	return is_range(t) ? CODING_IDENTITY : coding_choose(wishes, among);
}

/* Its codings were made when it was looked at before: nothing is to be asked again. */
static bool take_ready(struct transaction *t, enum content_coding wanted)
{
	struct object *coded = wanted < CODINGS ? object_coded(t->object, wanted) : NULL;

	if (coded)
		take_coded(t, coded);
	return coded;
}

static void settle(struct transaction *t, const struct coding_wishes *wishes,
		   enum content_coding wanted)
{
	struct coding_facts facts;

	coding_facts_read(t->object->head, &facts);
	if (is_worth_packing(t, &facts)) {
		if (wanted == CODING_GZIP || wanted == CODING_BROTLI)
			recode(t, CODING_IDENTITY, wanted);
		if (!t->uncoded && !facts.has_vary)
			t->vary_line = STR("Vary: Accept-Encoding\r\n");
		return;
	}
	if (content_codec_has(facts.coding) && !facts.must_stay &&
	    !coding_is_wanted(wishes, facts.coding) && coding_is_wanted(wishes, CODING_IDENTITY) &&
	    !take_ready(t, CODING_IDENTITY))
		recode(t, facts.coding, CODING_IDENTITY);
}

void transaction_choose_coding(struct transaction *t)
{
	struct coding_wishes wishes;
	enum content_coding wanted;

	if (!t->may_recode || t->is_internal || t->object->status != 200 || t->part.span.len > 0 ||
	    t->fill.partial)
		return;
	coding_wishes_read(&transaction_request(t)->head, &wishes);
	wanted = choose(t, &wishes);
	if (wanted == CODING_IDENTITY || !take_ready(t, wanted))
		settle(t, &wishes, wanted);
}

void transaction_start_recoder(struct transaction *t)
{
	if (t->recoder)
		recoder_start(t->recoder);
	t->recoder = NULL;
}
