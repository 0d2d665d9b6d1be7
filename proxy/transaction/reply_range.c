/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of a response: 206 with one part or several (multipart/byteranges), and 416. RFC 9110 §14,
 * §15.3.7. The body is the object's, read from where each part begins; what is still being fetched
 * is waited for. */
#include <inttypes.h>

#include "cache/object.h"
#include "cache/revalidate.h"
#include "lib/base/random.h"
#include "proxy/manager/pen.h"
#include "proxy/transaction/reply_internal.h"
#include "proxy/worker.h"

enum {
	RANGE_LINE_BYTES = 128, /* "Content-Range: bytes 1-2/3\r\n" */
	BOUNDARY_BYTES = 48,
};

/* ---- which parts */

/* The whole length, or -1 while it is not known. */
static int64_t length_of(const struct object *object)
{
	if (object_state(object) == OBJECT_COMPLETE)
		return (int64_t)object_length(object);
	return object->body_bytes;
}

/* GET alone has ranges (RFC 9110 §14.2). What an origin answered to a Range of the client's is its
 * own matter. */
static bool is_range_ours(const struct transaction *t)
{
	return t->exchange.request.method == HTTP_GET && t->object->status == 200 &&
	       (t->is_hit || t->is_range_withheld);
}

bool reply_plan_range(const struct transaction *t, struct range_plan *plan)
{
	const struct http_request *request = &t->exchange.request;
	int64_t length = length_of(t->object);

	if (!is_range_ours(t) || length < 0 || !revalidate_range_holds(request, t->object) ||
	    (t->uncoded && revalidate_range_is_dated(request)))
		return false;
	range_plan(http_value(&request->head, FIELD_RANGE), (uint64_t)length, plan);
	return plan->verdict != RANGE_WHOLE;
}

/* ---- their heads */

static void put_range_line(struct pen *pen, const struct range_piece *piece, uint64_t length)
{
	pen_put(pen, STR("Content-Range: bytes "));
	pen_put_number(pen, piece->first);
	pen_put(pen, STR("-"));
	pen_put_number(pen, piece->first + piece->len - 1);
	pen_put(pen, STR("/"));
	pen_put_number(pen, length);
	pen_put(pen, STR("\r\n"));
}

static struct str range_line(struct transaction *t, const struct range_piece *piece,
                             uint64_t length)
{
	char *memory = arena_alloc(&t->arena, RANGE_LINE_BYTES);
	struct pen pen = {memory};

	put_range_line(&pen, piece, length);
	return (struct str){memory, (size_t)(pen.at - memory)};
}

/* The object's fields, without its status line. */
static struct str fields_of(struct transaction *t)
{
	struct str head = reply_shown_head(t, t->object->head);

	return str_from(head, str_find_char(head, '\n') + 1);
}

static void add_head(struct transaction *t, struct str fields, struct str own)
{
	struct reply *reply = &t->exchange.reply;

	reply_add_piece(reply, STR("HTTP/1.1 206 Partial Content\r\n"));
	if (!t->is_hit)
		reply_add_piece(reply, t->object->head_once);
	reply_add_piece(reply, fields);
	reply_add_piece(reply, own);
	reply->has_body = true;
}

/* offset: where the piece begins in the object. */
static enum transaction_state reply_one(struct transaction *t, const struct range_piece *piece,
                                        uint64_t length, uint64_t offset)
{
	struct str line = range_line(t, piece, length), fields = fields_of(t);

	add_head(t, fields, reply_own_lines(t, 206, (int64_t)piece->len, line));
	t->exchange.reply.body_left = piece->len;
	reply_open_reader(t, offset);
	return reply_finish(t, 206);
}

enum transaction_state reply_part(struct transaction *t)
{
	const struct range_piece piece = {t->part.span.first, t->part.span.len};

	return reply_one(t, &piece, t->part.length, t->part.offset);
}

/* ---- multipart/byteranges, RFC 9110 §14.6 */

/* Cuts the object's Content-Type out of fields: *type is its value (at NULL: it has none), and what
 * is returned are the other lines, in the arena. */
static struct str cut_content_type(struct transaction *t, struct str fields, struct str *type)
{
	static const struct str name = {"Content-Type:", 13};
	char *memory = arena_alloc(&t->arena, fields.len + 1);
	struct pen pen = {memory};

	while (fields.len > 0) {
		struct str line = str_first(fields, str_find_char(fields, '\n') + 1);

		fields = str_from(fields, line.len);
		if (str_starts_with_nocase(line, name))
			*type = str_trim(str_first(str_from(line, name.len),
			                           str_find_char(line, '\r') - name.len));
		else
			pen_put(&pen, line);
	}
	return (struct str){memory, (size_t)(pen.at - memory)};
}

/* It must not occur in the body: nobody can guess it. */
static struct str make_boundary(struct transaction *t)
{
	return arena_printf(&t->arena, "bobtail-%016" PRIx64 "%016" PRIx64, random_u64(),
	                    random_u64());
}

static struct str part_head(struct transaction *t, const struct range_piece *piece,
                            struct str boundary, struct str type, uint64_t length)
{
	char *memory = arena_alloc(&t->arena, RANGE_LINE_BYTES + BOUNDARY_BYTES + type.len + 32);
	struct pen pen = {memory};

	pen_put(&pen, STR("\r\n--"));
	pen_put(&pen, boundary);
	pen_put(&pen, STR("\r\n"));
	if (type.at) {
		pen_put(&pen, STR("Content-Type: "));
		pen_put(&pen, type);
		pen_put(&pen, STR("\r\n"));
	}
	put_range_line(&pen, piece, length);
	pen_put(&pen, STR("\r\n"));
	return (struct str){memory, (size_t)(pen.at - memory)};
}

/* The parts and the last boundary. Returns what they come to in bytes. */
static uint64_t make_parts(struct transaction *t, const struct range_plan *plan,
                           struct str boundary, struct str type, uint64_t length)
{
	struct reply_part *parts =
		arena_alloc(&t->arena, (plan->npieces + 1) * sizeof(struct reply_part));
	const struct range_piece *last = &plan->pieces[plan->npieces - 1];
	struct reply *reply = &t->exchange.reply;
	uint64_t total = 0;

	for (unsigned i = 0; i < plan->npieces; i++)
		parts[i] = (struct reply_part){
			.head = part_head(t, &plan->pieces[i], boundary, type, length),
			.offset = plan->pieces[i].first,
			.len = plan->pieces[i].len,
		};
	parts[plan->npieces] = (struct reply_part){
		.head = arena_printf(&t->arena, "\r\n--%.*s--\r\n", STR_ARG(boundary)),
		.offset = last->first + last->len,
	};
	reply->parts = parts;
	for (unsigned i = 0; i <= plan->npieces; i++)
		total += parts[i].head.len + parts[i].len;
	return total;
}

static enum transaction_state reply_several(struct transaction *t, const struct range_plan *plan,
                                            uint64_t length)
{
	struct str type = STR_NONE, boundary = make_boundary(t);
	struct str fields = cut_content_type(t, fields_of(t), &type);
	uint64_t total = make_parts(t, plan, boundary, type, length);
	struct str line =
		arena_printf(&t->arena, "Content-Type: multipart/byteranges; boundary=%.*s\r\n",
	                     STR_ARG(boundary));

	add_head(t, fields, reply_own_lines(t, 206, (int64_t)total, line));
	t->exchange.reply.body_left = total;
	reply_open_reader(t, plan->pieces[0].first);
	return reply_finish(t, 206);
}

enum transaction_state reply_range(struct transaction *t, const struct range_plan *plan)
{
	uint64_t length = (uint64_t)length_of(t->object);

	if (plan->verdict == RANGE_UNSATISFIABLE)
		return reply_made_empty(
			t, 416,
			arena_printf(&t->arena, "Content-Range: bytes */%" PRIu64 "\r\n", length));
	if (plan->npieces == 1)
		return reply_one(t, &plan->pieces[0], length, plan->pieces[0].first);
	return reply_several(t, plan, length);
}
