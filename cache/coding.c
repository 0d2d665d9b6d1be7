/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/coding.h"

#include "cache/head_line.h"
#include "cache/object.h"
#include "lib/base/check.h"

enum { HEAD_MAX_BYTES = 1 << 20 };

static bool list_names(struct str list, struct str word)
{
	struct str part;

	while (str_split(&list, ',', &part))
		if (str_eq_nocase(str_trim(part), word))
			return true;
	return false;
}

/* ---- reading */

static void read_encoding(struct str value, struct coding_facts *facts)
{
	/* Said twice, it is two codings on top of each other. */
	facts->coding = facts->coding == CODING_IDENTITY ? content_coding_of(value) : CODING_OTHER;
}

static void read_type(struct str value, struct coding_facts *facts)
{
	facts->type = str_trim(str_first(value, str_find_char(value, ';')));
}

static void read_control(struct str value, struct coding_facts *facts)
{
	facts->must_stay |= list_names(value, STR("no-transform"));
}

static void read_vary(struct str value, struct coding_facts *facts)
{
	facts->has_vary |= list_names(value, STR("Accept-Encoding")) || list_names(value, STR("*"));
}

static const struct {
	struct str name;
	void (*read)(struct str value, struct coding_facts *facts);
} readers[] = {
	{{"Content-Type", 12}, read_type},
	{{"Content-Encoding", 16}, read_encoding},
	{{"Cache-Control", 13}, read_control},
	{{"Vary", 4}, read_vary},
};

void coding_facts_read(struct str head, struct coding_facts *facts)
{
	struct head_line line;

	*facts = (struct coding_facts){.coding = CODING_IDENTITY};
	head_line_next(&head, &line); /* the status line */
	while (head_line_next(&head, &line))
		for (size_t i = 0; i < COUNT(readers); i++)
			if (str_eq_nocase(line.name, readers[i].name))
				readers[i].read(line.value, facts);
}

int64_t coding_said_length(struct str lines)
{
	int64_t length;

	return str_to_i64(head_line_value(lines, STR("Content-Length")), &length) ? length : -1;
}

/* ---- writing */

static bool is_of_former_bytes(struct str name)
{
	static const struct str names[] = {
		{"Content-Encoding", 16}, {"Content-Length", 14}, {"Content-MD5", 11},
		{"Digest", 6}, {"Content-Digest", 14}, {"Repr-Digest", 11}, {"Accept-Ranges", 13},
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq_nocase(name, names[i]))
			return true;
	return false;
}

static void add_etag(struct buf *out, const struct head_line *line, enum content_coding coding)
{
	struct str value = line->value;

	if (value.len < 2 || value.at[0] != '"' || value.at[value.len - 1] != '"') {
		buf_add_str(out, line->all);
		return;
	}
	buf_add_str(out, STR("ETag: "));
	buf_add_str(out, str_first(value, value.len - 1));
	buf_add_char(out, '-');
	buf_add_str(out, content_coding_name(coding));
	buf_add_str(out, STR("\"\r\n"));
}

static void add_own_lines(struct buf *out, enum content_coding coding, bool has_vary)
{
	if (coding != CODING_IDENTITY) {
		buf_add_str(out, STR("Content-Encoding: "));
		buf_add_str(out, content_coding_name(coding));
		buf_add_str(out, STR("\r\n"));
	}
	if (!has_vary)
		buf_add_str(out, STR("Vary: Accept-Encoding\r\n"));
}

void coding_write_head(struct str head, enum content_coding coding, struct buf *out)
{
	struct coding_facts facts;
	struct head_line line;

	coding_facts_read(head, &facts);
	if (!head_line_next(&head, &line))
		return;
	buf_add_str(out, line.all);
	add_own_lines(out, coding, facts.has_vary); /* in front: a Via is to stay the last line */
	while (head_line_next(&head, &line)) {
		if (str_eq_nocase(line.name, STR("ETag")))
			add_etag(out, &line, coding);
		else if (!is_of_former_bytes(line.name))
			buf_add_str(out, line.all);
	}
}

void coding_write_fields(struct str lines, struct buf *out)
{
	struct head_line line;

	while (head_line_next(&lines, &line))
		if (!is_of_former_bytes(line.name))
			buf_add_str(out, line.all);
}

/* ---- renewing */

static void carry_one(struct object *renewed, struct object *coded, enum content_coding coding)
{
	struct object_head head = {
		.status = renewed->status,
		.url = renewed->url,
		.vary = renewed->vary,
		.body_bytes = coded->body_bytes,
		.facts = renewed->facts,
		.decision = renewed->decision,
		.since = renewed->since,
	};
	struct object *again;
	struct buf lines;

	buf_init(&lines, HEAD_MAX_BYTES);
	coding_write_head(renewed->head, coding, &lines);
	head.head = buf_str(&lines);
	again = object_create_renewed(coded, &head);
	object_add_coded(renewed, coding, again);
	object_unref(again);
	buf_fini(&lines);
}

void coding_carry(const struct object *old, struct object *renewed)
{
	if (!object_is_whole(renewed))
		return;
	for (unsigned i = 0; i < CODINGS; i++) {
		struct object *coded = object_coded(old, i);

		if (coded)
			carry_one(renewed, coded, i);
	}
}
