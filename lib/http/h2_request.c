/* SPDX-License-Identifier: BSD-2-Clause */
/* Pseudo fields come first, in any order: their values wait in pseudo_ until the first other field,
 * or the end, writes the request line and Host. Cookie crumbs are joined behind all (RFC 9113
 * §8.2.3). */
#include "lib/http/h2.h"

#include "lib/http/message.h"
#include "lib/http/scan_internal.h"

enum pseudo {
	PSEUDO_METHOD,
	PSEUDO_SCHEME,
	PSEUDO_PATH,
	PSEUDO_AUTHORITY,
	PSEUDO_PROTOCOL,
};

enum { FIELD_OVERHEAD = 32 }; /* RFC 9113 §6.5.2 */

static void begin_buf(struct buf *buf, size_t max_bytes)
{
	buf_clear(buf);
	buf->max_bytes = max_bytes;
}

void h2_request_begin(struct h2_request *request, size_t max_bytes)
{
	begin_buf(&request->text, max_bytes);
	begin_buf(&request->pseudo_, max_bytes);
	begin_buf(&request->cookies_, max_bytes);
	request->list_bytes = 0;
	request->has_begun_ = request->is_too_large_ = request->is_extended_connect = false;
	memset(request->spans_, 0, sizeof(request->spans_));
}

void h2_request_fini(struct h2_request *request)
{
	buf_fini(&request->text);
	buf_fini(&request->pseudo_);
	buf_fini(&request->cookies_);
}

static struct str pseudo(const struct h2_request *request, enum pseudo which)
{
	if (!request->spans_[which].is_there)
		return STR_NONE;
	if (!request->pseudo_.at)
		return STR("");
	return (struct str){request->pseudo_.at + request->spans_[which].at,
	                    request->spans_[which].len};
}

/* ---- what may stand where */

static bool is_good_method(struct str value)
{
	return str_is_token(value);
}

static bool is_good_scheme(struct str value)
{
	return str_eq(value, STR("https")) || str_eq(value, STR("http"));
}

/* No blanks and no controls, whatever uri_whitespace says; the rest is HTTP/1's to judge. */
static bool is_good_path(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.at[i] <= ' ' || value.at[i] == 0x7f)
			return false;
	return value.len > 0 && (value.at[0] == '/' || str_eq(value, STR("*")));
}

static bool is_good_authority(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!byte_is(value.at[i], BYTE_TARGET) || value.at[i] == '@' ||
		    value.at[i] == '/')
			return false;
	return true;
}

static const struct {
	struct str name;
	bool (*is_good)(struct str value);
} pseudos[H2_PSEUDO_FIELDS] = {
	[PSEUDO_METHOD] = {{":method", 7}, is_good_method},
	[PSEUDO_SCHEME] = {{":scheme", 7}, is_good_scheme},
	[PSEUDO_PATH] = {{":path", 5}, is_good_path},
	[PSEUDO_AUTHORITY] = {{":authority", 10}, is_good_authority},
	[PSEUDO_PROTOCOL] = {{":protocol", 9}, str_is_token},
};

/* RFC 9113 §8.2.1: lower case, and nothing that a line of HTTP/1 could take for its end. */
static bool is_good_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is(name.at[i], BYTE_TOKEN) || (name.at[i] >= 'A' && name.at[i] <= 'Z'))
			return false;
	return name.len > 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_good_value(struct str value)
{
	if (value.len == 0)
		return true;
	for (size_t i = 0; i < value.len; i++)
		if (byte_is(value.at[i], BYTE_CONTROL))
			return false;
	return !is_blank(value.at[0]) && !is_blank(value.at[value.len - 1]);
}

/* §8.2.2: fields that speak of a connection. */
static bool is_of_connection(enum http_field_id id)
{
	return id == FIELD_CONNECTION || id == FIELD_KEEP_ALIVE || id == FIELD_PROXY_CONNECTION ||
	       id == FIELD_TRANSFER_ENCODING || id == FIELD_UPGRADE;
}

bool h2_may_be_trailer(struct str name)
{
	enum http_field_id id = http_field_id(name);

	return is_good_name(name) && !is_of_connection(id) && id != FIELD_CONTENT_LENGTH &&
	       id != FIELD_HOST && id != FIELD_TE && id != FIELD_TRAILER;
}

/* ---- fields */

static enum h2_verdict add_pseudo(struct h2_request *request, struct str name, struct str value)
{
	for (size_t i = 0; i < H2_PSEUDO_FIELDS; i++) {
		if (!str_eq(name, pseudos[i].name))
			continue;
		if (request->spans_[i].is_there || !pseudos[i].is_good(value))
			return H2_MALFORMED;
		request->spans_[i].at = request->pseudo_.len;
		request->spans_[i].len = value.len;
		request->spans_[i].is_there = true;
		return buf_add_str(&request->pseudo_, value) ? H2_OK : H2_TOO_LARGE;
	}
	return H2_MALFORMED;
}

static enum h2_verdict add_line(struct h2_request *request, struct str name, struct str value)
{
	struct buf *text = &request->text;
	bool is_in = buf_reserve(text, name.len + value.len + 4) &&
	             buf_add_str(text, name) && buf_add_str(text, STR(": ")) &&
	             buf_add_str(text, value) && buf_add_str(text, STR("\r\n"));

	return is_in ? H2_OK : H2_TOO_LARGE;
}

/* §8.3.1, §8.5, RFC 8441 §4: what a request must have. */
static bool has_what_it_needs(const struct h2_request *request)
{
	bool is_connect = str_eq(pseudo(request, PSEUDO_METHOD), STR("CONNECT"));
	bool has_protocol = pseudo(request, PSEUDO_PROTOCOL).at != NULL;
	bool has_path = pseudo(request, PSEUDO_PATH).at != NULL;
	bool has_scheme = pseudo(request, PSEUDO_SCHEME).at != NULL;

	if (is_connect && pseudo(request, PSEUDO_AUTHORITY).len == 0)
		return false;
	if (is_connect && !has_protocol)
		return !has_path && !has_scheme;
	return pseudo(request, PSEUDO_METHOD).at && has_path && has_scheme &&
	       has_protocol == is_connect;
}

static enum h2_verdict add_upgrade(struct h2_request *request)
{
	if (add_line(request, STR("Connection"), STR("Upgrade")) != H2_OK)
		return H2_TOO_LARGE;
	return add_line(request, STR("Upgrade"), pseudo(request, PSEUDO_PROTOCOL));
}

/* The first lines. */
static enum h2_verdict begin(struct h2_request *request)
{
	struct str method = pseudo(request, PSEUDO_METHOD), path = pseudo(request, PSEUDO_PATH);
	struct str authority = pseudo(request, PSEUDO_AUTHORITY);
	struct buf *text = &request->text;

	request->has_begun_ = true;
	if (!has_what_it_needs(request))
		return H2_MALFORMED;
	request->is_extended_connect = pseudo(request, PSEUDO_PROTOCOL).at != NULL;
	if (request->is_extended_connect)
		method = STR("GET");
	else if (!path.at)
		path = authority; /* CONNECT */
	if (!buf_reserve(text, method.len + path.len + 16))
		return H2_TOO_LARGE;
	buf_add_str(text, method);
	buf_add_char(text, ' ');
	buf_add_str(text, path);
	buf_add_str(text, STR(" HTTP/1.1\r\n"));
	if (authority.len > 0 && add_line(request, STR("Host"), authority) != H2_OK)
		return H2_TOO_LARGE;
	return request->is_extended_connect ? add_upgrade(request) : H2_OK;
}

static enum h2_verdict add_crumb(struct h2_request *request, struct str value)
{
	struct buf *cookies = &request->cookies_;

	if (cookies->len > 0 && !buf_add_str(cookies, STR("; ")))
		return H2_TOO_LARGE;
	return buf_add_str(cookies, value) ? H2_OK : H2_TOO_LARGE;
}

static enum h2_verdict add_field(struct h2_request *request, struct str name, struct str value)
{
	struct str authority = pseudo(request, PSEUDO_AUTHORITY);
	enum http_field_id id = http_field_id(name);

	if (is_of_connection(id) || (id == FIELD_TE && !str_eq_nocase(value, STR("trailers"))))
		return H2_MALFORMED;
	if (id == FIELD_HOST && authority.len > 0)
		return str_eq_nocase(value, authority) ? H2_OK : H2_MALFORMED;
	return id == FIELD_COOKIE ? add_crumb(request, value) : add_line(request, name, value);
}

/* Once it is too large the rest is still judged, and counted. */
static enum h2_verdict note(struct h2_request *request, enum h2_verdict verdict)
{
	request->is_too_large_ |= verdict == H2_TOO_LARGE;
	return verdict == H2_OK && request->is_too_large_ ? H2_TOO_LARGE : verdict;
}

enum h2_verdict h2_request_add(struct h2_request *request, struct str name, struct str value)
{
	enum h2_verdict verdict = H2_OK;

	request->list_bytes += name.len + value.len + FIELD_OVERHEAD;
	if (!is_good_value(value))
		return H2_MALFORMED;
	if (name.len > 0 && name.at[0] == ':')
		return request->has_begun_ ? H2_MALFORMED
		                           : note(request, add_pseudo(request, name, value));
	if (!is_good_name(name))
		return H2_MALFORMED;
	if (!request->has_begun_ && !request->is_too_large_)
		verdict = note(request, begin(request));
	return verdict == H2_OK ? note(request, add_field(request, name, value)) : verdict;
}

enum h2_verdict h2_request_end(struct h2_request *request)
{
	enum h2_verdict verdict = H2_OK;

	if (request->is_too_large_)
		return H2_TOO_LARGE;
	if (!request->has_begun_)
		verdict = begin(request);
	if (verdict == H2_OK && request->cookies_.len > 0)
		verdict = add_line(request, STR("cookie"), buf_str(&request->cookies_));
	if (verdict == H2_OK && !buf_add_str(&request->text, STR("\r\n")))
		verdict = H2_TOO_LARGE;
	return note(request, verdict);
}
