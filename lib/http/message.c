/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/http/message.h"

#include "lib/base/check.h"

const struct http_field *http_find_next(const struct http_head *head, enum http_field_id id,
                                        const struct http_field *after)
{
	const struct http_field *end = head->fields + head->nfields;

	for (const struct http_field *f = after ? after + 1 : head->fields; f < end; f++)
		if (f->id == id)
			return f;
	return NULL;
}

const struct http_field *http_find(const struct http_head *head, enum http_field_id id)
{
	return http_has(head, id) ? http_find_next(head, id, NULL) : NULL;
}

unsigned http_take_out(struct http_head *head, enum http_field_id id, struct http_field *out,
		       unsigned max)
{
	unsigned ntaken = 0, nleft = 0;
	const struct http_field *field = NULL;

	if (!http_has(head, id))
		return 0;
	while ((field = http_find_next(head, id, field)))
		if (++ntaken > max)
			return 0;
	ntaken = 0;
	for (unsigned i = 0; i < head->nfields; i++) {
		if (head->fields[i].id == id)
			out[ntaken++] = head->fields[i];
		else
			head->fields[nleft++] = head->fields[i];
	}
	head->nfields = nleft;
	head->present_[id / 64] &= ~(UINT64_C(1) << (id % 64));
	return ntaken;
}

void http_put_back(struct http_head *head, const struct http_field *fields, unsigned n)
{
	check(head->nfields + n <= HTTP_MAX_FIELDS);
	for (unsigned i = 0; i < n; i++) {
		head->fields[head->nfields++] = fields[i];
		head->present_[fields[i].id / 64] |= UINT64_C(1) << (fields[i].id % 64);
	}
}

const struct http_field *http_find_name(const struct http_head *head, struct str name,
                                        const struct http_field *after)
{
	enum http_field_id id = http_field_id(name);
	const struct http_field *f = after;

	while ((f = http_find_next(head, id, f)))
		if (id != FIELD_OTHER || str_eq_nocase(http_field_name(head, f), name))
			return f;
	return NULL;
}

struct str http_value(const struct http_head *head, enum http_field_id id)
{
	const struct http_field *field = http_find(head, id);

	return field ? http_field_value(head, field) : STR_NONE;
}

/* The end of the first list element of s: its first comma outside of quotes, or s.len. */
static size_t element_end(struct str s)
{
	bool is_quoted = false;

	if (s.len == 0 || !memchr(s.at, '"', s.len))
		return str_find_char(s, ',');
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && s.at[i] == '\\')
			i++;
		else if (!is_quoted && s.at[i] == ',')
			return i;
	}
	return s.len;
}

bool http_list_next(const struct http_head *head, enum http_field_id id, struct http_list *list,
                    struct str *element)
{
	for (;;) {
		while (list->rest.len > 0) {
			size_t end = element_end(list->rest);
			struct str part = str_trim(str_first(list->rest, end));

			list->rest = str_from(list->rest, end + 1);
			if (part.len > 0) {
				*element = part;
				return true;
			}
		}
		list->field =
			list->field ? http_find_next(head, id, list->field) : http_find(head, id);
		if (!list->field)
			return false;
		list->rest = http_field_value(head, list->field);
	}
}

bool http_list_has(const struct http_head *head, enum http_field_id id, struct str token)
{
	struct http_list list = {0};
	struct str element;

	if (!http_has(head, id))
		return false;
	while (http_list_next(head, id, &list, &element))
		if (str_eq_nocase(element, token))
			return true;
	return false;
}

bool http_method_is_safe(enum http_method method)
{
	return method == HTTP_GET || method == HTTP_HEAD || method == HTTP_OPTIONS ||
	       method == HTTP_TRACE;
}

bool http_method_is_idempotent(enum http_method method)
{
	return http_method_is_safe(method) || method == HTTP_PUT || method == HTTP_DELETE;
}

static const bool is_always_hop_by_hop[FIELD_ID_COUNT] = {
	[FIELD_CONNECTION] = true,
	[FIELD_HTTP2_SETTINGS] = true,
	[FIELD_KEEP_ALIVE] = true,
	[FIELD_PROXY_AUTHENTICATE] = true,
	[FIELD_PROXY_AUTHORIZATION] = true,
	[FIELD_PROXY_CONNECTION] = true,
	[FIELD_TE] = true,
	[FIELD_TRAILER] = true,
	[FIELD_TRANSFER_ENCODING] = true,
	[FIELD_UPGRADE] = true,
};

bool http_is_hop_by_hop(const struct http_head *head, const struct http_field *field)
{
	/* The fields that we know by name are the protected ones. */
	if (field->id != FIELD_OTHER)
		return is_always_hop_by_hop[field->id];
	return http_has(head, FIELD_CONNECTION) &&
	       http_list_has(head, FIELD_CONNECTION, http_field_name(head, field));
}

const char *http_reason(int status)
{
	/* By hundreds, then the rest. Source: IANA's registry of status codes. */
	static const char *const reasons[][52] = {
		[1] = {"Continue", "Switching Protocols", "Processing", "Early Hints"},
		[2] = {"OK", "Created", "Accepted", "Non-Authoritative Information", "No Content",
	               "Reset Content", "Partial Content", "Multi-Status",
	               "Already Reported", [26] = "IM Used"},
		[3] = {"Multiple Choices", "Moved Permanently", "Found", "See Other",
	               "Not Modified", "Use Proxy", [7] = "Temporary Redirect",
	               "Permanent Redirect"},
		[4] = {"Bad Request",
	               "Unauthorized",
	               "Payment Required",
	               "Forbidden",
	               "Not Found",
	               "Method Not Allowed",
	               "Not Acceptable",
	               "Proxy Authentication Required",
	               "Request Timeout",
	               "Conflict",
	               "Gone",
	               "Length Required",
	               "Precondition Failed",
	               "Content Too Large",
	               "URI Too Long",
	               "Unsupported Media Type",
	               "Range Not Satisfiable",
	               "Expectation Failed",
	               [21] = "Misdirected Request",
	               "Unprocessable Content",
	               "Locked",
	               "Failed Dependency",
	               "Too Early",
	               "Upgrade Required",
	               [28] = "Precondition Required",
	               "Too Many Requests",
	               [31] = "Request Header Fields Too Large",
	               [51] = "Unavailable For Legal Reasons"},
		[5] = {"Internal Server Error", "Not Implemented", "Bad Gateway",
	               "Service Unavailable", "Gateway Timeout", "HTTP Version Not Supported",
	               "Variant Also Negotiates", "Insufficient Storage",
	               "Loop Detected", [10] = "Not Extended", "Network Authentication Required"},
	};
	const char *reason = NULL;

	if (status >= 100 && status < 600 && (size_t)(status % 100) < COUNT(reasons[0]))
		reason = reasons[status / 100][status % 100];
	return reason ? reason : "Unknown";
}
