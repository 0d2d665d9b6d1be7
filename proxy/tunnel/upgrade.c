/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tunnel/upgrade.h"

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/http/message.h"
#include "proxy/tunnel/websocket.h"
#include "squid-compat/upgrade_rules.h"

enum { OFFER_MAX_BYTES = 4096 };

static const struct str accept_name = {"Sec-WebSocket-Accept", 20};

/* NAME ["/" VERSION], of the characters of tokens (RFC 9110 §5.6.2). */
static bool is_protocol(struct str text)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t slash = str_find_char(text, '/');

	for (size_t i = 0; i < text.len; i++)
		if (i != slash && !memchr(token, text.at[i], sizeof(token) - 1))
			return false;
	return slash > 0 && slash + 1 != text.len;
}

bool upgrade_is_asked(const struct http_request *request)
{
	return http_has(&request->head, FIELD_UPGRADE) && request->minor > 0 &&
	       request->body == HTTP_BODY_NONE &&
	       http_list_has(&request->head, FIELD_CONNECTION, STR("upgrade"));
}

static bool is_sound(const struct http_head *head)
{
	struct http_list list = {0};
	struct str protocol;

	while (http_list_next(head, FIELD_UPGRADE, &list, &protocol))
		if (!is_protocol(protocol))
			return false;
	return true;
}

struct str upgrade_offer(const struct http_request *request, const struct upgrade_rules *rules,
                         struct acl_facts *facts, struct arena *arena)
{
	struct http_list list = {0};
	struct str protocol, offer;
	struct buf text;

	if (!is_sound(&request->head))
		return STR("");
	buf_init(&text, OFFER_MAX_BYTES);
	while (http_list_next(&request->head, FIELD_UPGRADE, &list, &protocol)) {
		if (!upgrade_rules_allow(rules, protocol, facts))
			continue;
		if (text.len > 0)
			buf_add_str(&text, STR(", "));
		buf_add_str(&text, protocol);
	}
	offer = text.is_full ? STR("") : arena_str(arena, buf_str(&text));
	buf_fini(&text);
	return offer;
}

static bool is_offered(struct str offered, struct str protocol)
{
	struct str one;

	while (str_split(&offered, ',', &one))
		if (str_eq_nocase(str_trim(one), protocol))
			return true;
	return false;
}

bool upgrade_is_confirmed(const struct http_head *answer, struct str offered, struct str key)
{
	const struct http_field *accept = http_find_name(answer, accept_name, NULL);
	struct http_list list = {0};
	struct str protocol;
	unsigned n = 0;

	if (!http_list_has(answer, FIELD_CONNECTION, STR("upgrade")))
		return false;
	for (; http_list_next(answer, FIELD_UPGRADE, &list, &protocol); n++)
		if (!is_offered(offered, protocol))
			return false;
	if (n == 0 || !key.at)
		return n > 0;
	return accept && websocket_accepts(key, http_field_value(answer, accept));
}

static bool is_for_client(const struct http_head *head, const struct http_field *field,
                          bool is_http2)
{
	if (field->id == FIELD_UPGRADE)
		return !is_http2;
	return !http_is_hop_by_hop(head, field) && field->id != FIELD_CONTENT_LENGTH &&
	       !(is_http2 && str_eq_nocase(http_field_name(head, field), accept_name));
}

void upgrade_write_head(const struct http_head *answer, bool is_http2, struct buf *out)
{
	buf_add_str(out, is_http2 ? STR("HTTP/1.1 200 OK\r\n")
				  : STR("HTTP/1.1 101 Switching Protocols\r\n"));
	for (unsigned i = 0; i < answer->nfields; i++) {
		const struct http_field *field = &answer->fields[i];

		if (!is_for_client(answer, field, is_http2))
			continue;
		buf_add_str(out, http_field_name(answer, field));
		buf_add_str(out, STR(": "));
		buf_add_str(out, http_field_value(answer, field));
		buf_add_str(out, STR("\r\n"));
	}
}
