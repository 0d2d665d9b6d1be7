/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of heads, as codes such as %{Name:;element}>h show them. */
#include "squid-compat/log/logformat_internal.h"

#include "lib/http/message.h"

void log_head_text(const struct http_head *head, struct buf *out)
{
	for (unsigned i = 0; head && i < head->nfields; i++) {
		buf_add_str(out, http_field_name(head, &head->fields[i]));
		buf_add_str(out, STR(": "));
		buf_add_str(out, http_field_value(head, &head->fields[i]));
		buf_add_str(out, STR("\r\n"));
	}
}

/* Cuts an element off a list, as Squid does: a comma always ends it, separator besides; neither
 * does within quotes, in which a backslash hides the byte behind it. */
static bool cut_element(struct str *list, char separator, struct str *element)
{
	bool is_quoted = false;
	size_t n = 0;

	if (list->len == 0)
		return false;
	for (; n < list->len; n++) {
		char c = list->at[n];

		if (c == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && c == '\\')
			n++;
		else if (!is_quoted && (c == separator || c == ','))
			break;
	}
	*element = str_first(*list, n);
	*list = str_from(*list, n + 1);
	return true;
}

/* What stands behind "name=" in a list. */
static struct str list_member(struct str list, char separator, struct str name)
{
	struct str part;

	while (cut_element(&list, separator, &part)) {
		part = str_trim(part);
		if (str_starts_with(part, name) && part.len > name.len && part.at[name.len] == '=')
			return str_from(part, name.len + 1);
	}
	return STR_NONE;
}

/* All fields of the name, joined; without a copy when there is one. */
static struct str field_value(const struct http_head *head, const struct log_item *item,
			      struct buf *scratch)
{
	const struct http_field *field = http_find_name(head, item->text, NULL);
	struct str first;

	if (!field)
		return STR_NONE;
	first = http_field_value(head, field);
	field = http_find_name(head, item->text, field);
	if (!field)
		return first;
	buf_add_str(scratch, first);
	for (; field; field = http_find_name(head, item->text, field)) {
		buf_add_str(scratch, STR(", "));
		buf_add_str(scratch, http_field_value(head, field));
	}
	return buf_str(scratch);
}

void log_take_field(struct log_value *value, const struct log_item *item,
		    const struct http_head *head)
{
	if (!head)
		return;
	value->kind = LOG_VALUE_TEXT;
	if (!item->has_argument) {
		log_head_text(head, value->scratch);
		value->text = buf_str(value->scratch);
		return;
	}
	value->text = field_value(head, item, value->scratch);
	if (item->element.len > 0)
		value->text = list_member(value->text, item->separator, item->element);
}
