/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/http/uri.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/http/scan_internal.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

/* "[" ADDRESS "]", and nothing else: no NUL behind which more could hide. */
static bool is_ip_literal(struct str host)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;

	if (host.len < 4 || host.len - 2 >= sizeof(address))
		return false;
	if (memchr(host.at, '\0', host.len))
		return false;
	str_copy((struct str){host.at + 1, host.len - 2}, address, sizeof(address));
	return inet_pton(AF_INET6, address, &ignored) == 1;
}

/* Labels apart by single dots; one dot may end it. */
static bool is_host_name(struct str host)
{
	bool was_dot = true;

	for (size_t i = 0; i < host.len; i++) {
		bool is_dot = host.at[i] == '.';

		if (!byte_is(host.at[i], BYTE_HOST) || (is_dot && was_dot))
			return false;
		was_dot = is_dot;
	}
	return host.len > 0 && host.len <= URI_MAX_HOST;
}

static bool parse_port(struct str text, uint16_t *port)
{
	uint64_t number;

	if (!str_to_u64(text, &number) || number == 0 || number > UINT16_MAX)
		return false;
	*port = (uint16_t)number;
	return true;
}

bool uri_parse_authority(struct str text, struct str *host, uint16_t *port, bool *has_port)
{
	bool is_literal = text.len > 0 && text.at[0] == '[';
	size_t host_len = is_literal ? str_find_char(text, ']') + 1 : str_find_char(text, ':');
	struct str name = str_first(text, host_len), rest = str_from(text, host_len);
	uint16_t number = 0;

	if (host_len > text.len || !(is_literal ? is_ip_literal(name) : is_host_name(name)))
		return false;
	if (rest.len > 0 && rest.at[0] != ':')
		return false;
	if (rest.len > 1 && !parse_port(str_from(rest, 1), &number))
		return false;
	*host = name;
	*port = number;
	*has_port = rest.len > 1;
	return true;
}

/* Are all escapes of a path two hex digits, and none of them NUL? */
static bool is_well_escaped(struct str path)
{
	struct str rest = path;
	size_t at;

	while ((at = str_find_char(rest, '%')) < rest.len) {
		struct str digits = str_first(str_from(rest, at + 1), 2);

		if (digits.len < 2 || !str_is_all(digits, BYTE_HEX) || str_eq(digits, STR("00")))
			return false;
		rest = str_from(rest, at + 3);
	}
	return true;
}

bool uri_is_path_and_query(struct str text)
{
	if (text.len == 0)
		return true;
	if (text.at[0] != '/' && text.at[0] != '?')
		return false;
	return scan_target(text.at, text.at + text.len) == text.at + text.len &&
	       is_well_escaped(str_first(text, str_find_char(text, '?')));
}

/* Where the authority of s ends: at the first '/' or '?'. */
static size_t authority_end(struct str s)
{
	size_t slash = str_find_char(s, '/');

	return str_find_char(str_first(s, slash), '?');
}

bool uri_parse(struct str text, struct uri *out)
{
	struct uri uri = {.scheme = str_first(text, str_find_char(text, ':'))};
	struct str rest = str_from(text, uri.scheme.len);
	size_t end;

	uri.is_https = str_eq_nocase(uri.scheme, STR("https"));
	if (!uri.is_https && !str_eq_nocase(uri.scheme, STR("http")))
		return false;
	if (!str_starts_with(rest, STR("://")))
		return false;
	rest = str_from(rest, 3);
	end = authority_end(rest);
	uri.path_and_query = str_from(rest, end);
	if (!uri_parse_authority(str_first(rest, end), &uri.host, &uri.port, &uri.has_port) ||
	    !uri_is_path_and_query(uri.path_and_query))
		return false;
	if (!uri.has_port)
		uri.port = uri.is_https ? HTTPS_PORT : HTTP_PORT;
	*out = uri;
	return true;
}

struct str uri_normal_host(struct str host, char *out)
{
	size_t len = host.len;

	if (len > 0 && host.at[len - 1] == '.')
		len--;
	for (size_t i = 0; i < len; i++)
		out[i] = ascii_lower(host.at[i]);
	return (struct str){out, len};
}

bool uri_add_authority(struct buf *buf, struct str host, uint16_t port, uint16_t default_port)
{
	char *room = buf_reserve(buf, host.len);

	if (!room)
		return false;
	buf->len += uri_normal_host(host, room).len;
	if (port == 0 || port == default_port)
		return true;
	return buf_add_char(buf, ':') && buf_add_u64(buf, port);
}

bool uri_add(struct buf *buf, const struct uri *uri)
{
	struct str path = uri->path_and_query;

	buf_add_str(buf, uri->is_https ? STR("https://") : STR("http://"));
	uri_add_authority(buf, uri->host, uri->port, uri->is_https ? HTTPS_PORT : HTTP_PORT);
	if (path.len == 0 || path.at[0] != '/')
		buf_add_char(buf, '/');
	buf_add_str(buf, path);
	return !buf->is_full;
}

bool uri_escape_1738(struct buf *buf, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.at[i];
		char escaped[] = {'%', digits[c >> 4], digits[c & 15]};

		if (!byte_is(s.at[i], BYTE_1738))
			buf_add_char(buf, s.at[i]);
		else
			buf_add(buf, escaped, sizeof(escaped));
	}
	return !buf->is_full;
}
