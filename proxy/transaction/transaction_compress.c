/* SPDX-License-Identifier: BSD-2-Clause */
/* The content coding that a client gets (compress and its family). Where it is allowed, the origin
 * is asked without Accept-Encoding, so that one stored response serves all clients; what hangs on
 * it in other codings (cache/coding.h) is sent, or made (recoder.h). RFC 9110 §12.5.3. */
#include "cache/coding.h"
#include "cache/object.h"
#include "cache/revalidate.h"
#include "lib/base/check.h"
#include "proxy/transaction/compression.h"
#include "proxy/transaction/recoder.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/worker.h"
#include "squid-compat/acl/acl.h"
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

/* ---- what the client gets */

static void take_coded(struct transaction *t, struct object *coded, enum content_coding coding)
{
	t->worker->counters.coded_replies[coding]++;
	t->uncoded = t->object;
	t->object = object_ref(coded);
}

/* From what hangs on it, from who is at it, or from one of its own that begins with the reply's
 * reader. */
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
		take_coded(t, coded, wanted);
	else
		t->worker->counters.refused_codings++;
}

/* RFC 9110 §14.2: for GET alone. With a date nobody knows of which coding the bytes are that the
 * client has: then it gets all of what it takes. */
static bool is_range(const struct transaction *t)
{
	const struct http_request *request = transaction_request(t);

	return request->method == HTTP_GET && http_has(&request->head, FIELD_RANGE) &&
	       !revalidate_range_is_dated(request);
}

/* Its codings were made when it was looked at before: nothing is to be asked again. */
static bool take_ready(struct transaction *t, enum content_coding wanted)
{
	struct object *coded = wanted < CODINGS ? object_coded(t->object, wanted) : NULL;

	if (coded)
		take_coded(t, coded, wanted);
	return coded;
}

static void settle(struct transaction *t, const struct coding_wishes *wishes,
		   enum content_coding wanted)
{
	struct compression choice;

	compression_choose(transaction_config(t), wishes, wanted, t->object->head, known_length(t),
			   &choice);
	if (choice.to != choice.from && !take_ready(t, choice.to))
		recode(t, choice.from, choice.to);
	if (choice.varies && !t->uncoded)
		t->vary_line = STR("Vary: Accept-Encoding\r\n");
}

void transaction_choose_coding(struct transaction *t)
{
	struct coding_wishes wishes;
	enum content_coding wanted;

	if (!t->may_recode || t->is_internal || t->object->status != 200 || t->part.span.len > 0 ||
	    t->fill.partial)
		return;
	coding_wishes_read(&transaction_request(t)->head, &wishes);
	wanted = compression_wanted(&wishes, is_range(t));
	if (wanted == CODING_IDENTITY || !take_ready(t, wanted))
		settle(t, &wishes, wanted);
}

void transaction_start_recoder(struct transaction *t)
{
	if (t->recoder)
		recoder_start(t->recoder);
	t->recoder = NULL;
}
