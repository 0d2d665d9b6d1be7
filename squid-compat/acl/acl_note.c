/* SPDX-License-Identifier: BSD-2-Clause */
/* `note KEY [VALUE...]` asks what a transaction is marked with; `annotate_* KEY=VALUE` (in place of
 * what is there) and `KEY+=VALUE` (beside it) mark it, and always match. */
#include "lib/base/heap.h"
#include "squid-compat/acl/acl_internal.h"

/* A mark; value NULL: any. */
struct mark {
	char *key, *value;
	bool is_more; /* KEY+=VALUE */
};

struct marks {
	struct mark *at;
	size_t n;
};

static void add_mark(struct marks *marks, struct str key, struct str value, bool is_more)
{
	marks->at = mem_realloc(marks->at, (marks->n + 1) * sizeof(*marks->at));
	marks->at[marks->n++] = (struct mark){
		.key = str_dup(key),
		.value = value.at ? str_dup(value) : NULL,
		.is_more = is_more,
	};
}

static void free_marks(void *values)
{
	struct marks *marks = values;

	for (size_t i = 0; i < marks->n; i++) {
		mem_free(marks->at[i].key);
		mem_free(marks->at[i].value);
	}
	mem_free(marks->at);
}

static bool has_no_marks(const void *values)
{
	return ((const struct marks *)values)->n == 0;
}

/* ---- note */

static void parse_note(struct acl *acl, struct acl_reader *reader)
{
	struct marks *marks = acl->values;
	struct str word;
	size_t n = marks->n;
	char *key;

	if (!acl_reader_next(reader, &word))
		return;
	key = str_dup(word);
	while (acl_reader_next(reader, &word))
		add_mark(marks, str_of(key), word, false);
	if (marks->n == n)
		add_mark(marks, str_of(key), STR_NONE, false);
	mem_free(key);
}

/* Is wanted the value, or one of those that it lists? */
static bool has_value(const struct acl *acl, struct str value, struct str wanted)
{
	size_t from = 0;

	if (!acl->delimiters)
		return str_eq(value, wanted);
	for (size_t i = 0; i <= value.len; i++) {
		if (i < value.len && !strchr(acl->delimiters, value.at[i]))
			continue;
		if (str_eq(str_first(str_from(value, from), i - from), wanted))
			return true;
		from = i + 1;
	}
	return false;
}

static bool is_marked(const struct acl *acl, const struct notes *notes, const struct mark *mark)
{
	for (unsigned i = 0; i < notes->n; i++)
		if (str_eq(notes->at[i].key, str_of(mark->key)) &&
		    (!mark->value ||
		     has_value(acl, notes->at[i].value, str_of(mark->value))))
			return true;
	return false;
}

enum acl_match acl_note_match(const struct acl *acl, struct acl_check *check)
{
	const struct marks *marks = acl->values;
	const struct notes *notes = check->facts->notes;

	for (size_t i = 0; notes && i < marks->n; i++)
		if (is_marked(acl, notes, &marks->at[i]))
			return ACL_MATCH;
	return ACL_MISMATCH;
}

const struct acl_kind acl_kind_note = {
	.bytes = sizeof(struct marks),
	.parse = parse_note,
	.is_empty = has_no_marks,
	.fini = free_marks,
};

/* ---- annotate_transaction, annotate_client */

/* Commas part values, as in Squid: the first one may take the place of others, the next stand
 * beside it. */
static void add_values(struct marks *marks, struct str key, struct str values, bool is_more)
{
	size_t end;

	while ((end = str_find_char(values, ',')) < values.len) {
		add_mark(marks, key, str_first(values, end), is_more);
		values = str_from(values, end + 1);
		is_more = true;
	}
	add_mark(marks, key, values, is_more);
}

static void parse_annotations(struct acl *acl, struct acl_reader *reader)
{
	struct str word;

	while (acl_reader_next(reader, &word)) {
		size_t equals = str_find_char(word, '=');
		bool is_more = equals > 0 && equals < word.len && word.at[equals - 1] == '+';
		struct str key = str_first(word, is_more ? equals - 1 : equals);

		if (equals == word.len || key.len == 0)
			report_say(reader->report, REPORT_FATAL,
			           "ACL '%s': '%.*s' is neither KEY=VALUE nor KEY+=VALUE",
			           acl->name, STR_ARG(word));
		else
			add_values(acl->values, key, str_from(word, equals + 1), is_more);
	}
}

static void annotate(const struct marks *marks, struct acl_facts *facts)
{
	for (size_t i = 0; facts->notes && i < marks->n; i++) {
		const struct mark *mark = &marks->at[i];
		struct str key = str_of(mark->key), value = str_of(mark->value);

		if (!mark->is_more)
			notes_set(facts->notes, facts->arena, key, value);
		else if (!notes_has(facts->notes, key, value))
			notes_add(facts->notes, facts->arena, key, value);
	}
}

enum acl_match acl_annotate_transaction(const struct acl *acl, struct acl_check *check)
{
	annotate(acl->values, check->facts);
	return ACL_MATCH;
}

enum acl_match acl_annotate_client(const struct acl *acl, struct acl_check *check)
{
	const struct marks *marks = acl->values;
	struct acl_facts *facts = check->facts;

	for (size_t i = 0; facts->client_notes && i < marks->n; i++)
		notes_kept_set(facts->client_notes, str_of(marks->at[i].key),
		               str_of(marks->at[i].value), marks->at[i].is_more);
	annotate(marks, facts);
	return ACL_MATCH;
}

const struct acl_kind acl_kind_annotation = {
	.bytes = sizeof(struct marks),
	.parse = parse_annotations,
	.is_empty = has_no_marks,
	.fini = free_marks,
};
