/* SPDX-License-Identifier: BSD-2-Clause */
/* What ACLs compare: parts of the facts, decoded or joined where Squid does so. */
#include "squid-compat/acl/acl_internal.h"

void acl_facts_set_url(struct acl_facts *facts, struct str url, struct str scheme, struct str host,
                       uint16_t port, struct str path)
{
	facts->url = url;
	facts->scheme = scheme;
	facts->host = host;
	facts->port = port;
	facts->path = path;
	facts->decoded_url_ = STR_NONE;
	facts->decoded_path_ = STR_NONE;
	facts->decoded_query_ = STR_NONE;
	facts->host_bits_ = 0;
	facts->is_host_known_ = false;
	memset(facts->screened_, 0, sizeof(facts->screened_));
	facts->has_dst_addrs = false;
	facts->dst_addrs = NULL;
	facts->ndst_addrs = 0;
	facts->host_name = (struct acl_host_name){0};
}

bool acl_facts_has_request(const struct acl_facts *facts)
{
	return facts->request != NULL || facts->url.len > 0;
}

bool acl_facts_has_reply(const struct acl_facts *facts)
{
	return facts->reply != NULL || facts->status != 0;
}

const struct addr *acl_facts_host_address(struct acl_facts *facts)
{
	if (!facts->is_host_known_) {
		facts->is_host_known_ = true;
		facts->is_host_address_ = addr_parse(facts->host, 0, &facts->host_address_);
	}
	return facts->is_host_address_ ? &facts->host_address_ : NULL;
}

uint64_t acl_facts_host_bits(struct acl_facts *facts)
{
	if (facts->host_bits_ == 0)
		facts->host_bits_ = acl_domain_bits(facts->host);
	return facts->host_bits_;
}

/* One %-decoding, as Squid does it: %% is a %, and %00 stays as it is. */
static size_t decode(struct str from, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < from.len; i++) {
		int high = -1, low = -1;

		out[n++] = from.at[i];
		if (from.at[i] != '%')
			continue;
		if (i + 1 < from.len && from.at[i + 1] == '%') {
			i++;
			continue;
		}
		if (i + 2 < from.len) {
			high = ascii_hex(from.at[i + 1]);
			low = ascii_hex(from.at[i + 2]);
		}
		if (high >= 0 && low >= 0 && high + low > 0) {
			out[n - 1] = (char)(high * 16 + low);
			i += 2;
		}
	}
	return n;
}

/* Decodes once for all the ACLs that ask; without a % there is nothing to do. */
static struct str decoded(struct acl_facts *facts, struct str raw, struct str *kept)
{
	char *out;

	if (kept->at != NULL)
		return *kept;
	*kept = raw;
	if (raw.len > ACL_MAX_SUBJECT_BYTES || memchr(raw.at, '%', raw.len) == NULL)
		return *kept;
	out = arena_alloc(facts->arena, raw.len);
	*kept = (struct str){out, decode(raw, out)};
	return *kept;
}

static struct str raw_query(const struct acl_facts *facts)
{
	return str_from(facts->path, str_find_char(facts->path, '?') + 1);
}

bool acl_facts_query(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	struct str raw = raw_query(facts);

	(void)acl;
	if (raw.len == 0)
		return false;
	*out = decoded(facts, raw, &facts->decoded_query_);
	return true;
}

bool acl_facts_query_size(const struct acl_facts *facts, unsigned *out)
{
	*out = (unsigned)raw_query(facts).len;
	return true;
}

bool acl_facts_field_count(const struct acl_facts *facts, unsigned *out)
{
	if (!facts->request)
		return false;
	*out = facts->request->head.nfields;
	return true;
}

bool acl_facts_head_size(const struct acl_facts *facts, unsigned *out)
{
	if (!facts->request)
		return false;
	*out = (unsigned)facts->request->head.len;
	return true;
}

bool acl_facts_body_size(const struct acl_facts *facts, unsigned *out)
{
	uint64_t bytes;

	if (!facts->request || facts->request->body != HTTP_BODY_LENGTH)
		return false;
	bytes = facts->request->content_length;
	*out = bytes < UINT32_MAX ? (unsigned)bytes : UINT32_MAX;
	return true;
}

bool acl_facts_url(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	if (facts->url.len == 0)
		return false;
	*out = decoded(facts, facts->url, &facts->decoded_url_);
	return true;
}

bool acl_facts_path(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	if (facts->path.len == 0)
		return false;
	*out = decoded(facts, facts->path, &facts->decoded_path_);
	return true;
}

static const struct http_field *next_field(const struct http_head *head, enum http_field_id id,
                                           struct str name, const struct http_field *after)
{
	return id != FIELD_OTHER ? http_find_next(head, id, after)
	                         : http_find_name(head, name, after);
}

/* The value of a field; of several fields with that name, joined by ", ". */
static bool field_value(struct acl_facts *facts, const struct http_head *head,
                        enum http_field_id id, struct str name, struct str *out)
{
	const struct http_field *first = next_field(head, id, name, NULL);
	size_t len = 0;
	char *at;

	if (first == NULL)
		return false;
	*out = http_field_value(head, first);
	if (next_field(head, id, name, first) == NULL)
		return true;
	for (const struct http_field *f = first; f != NULL; f = next_field(head, id, name, f))
		len += f->value_len + 2;
	at = arena_alloc(facts->arena, len);
	*out = (struct str){at, len - 2};
	for (const struct http_field *f = first; f != NULL; f = next_field(head, id, name, f)) {
		memcpy(at, http_field_value(head, f).at, f->value_len);
		memcpy(at + f->value_len, ", ", 2);
		at += f->value_len + 2;
	}
	return true;
}

bool acl_facts_request_field(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	return facts->request != NULL &&
	       field_value(facts, &facts->request->head, acl->field_id, str_of(acl->field), out);
}

bool acl_facts_reply_field(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	return facts->reply != NULL &&
	       field_value(facts, &facts->reply->head, acl->field_id, str_of(acl->field), out);
}

static bool request_value(struct acl_facts *facts, enum http_field_id id, struct str *out)
{
	return facts->request != NULL &&
	       field_value(facts, &facts->request->head, id, STR_NONE, out);
}

bool acl_facts_user_agent(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	return request_value(facts, FIELD_USER_AGENT, out);
}

bool acl_facts_referer(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	return request_value(facts, FIELD_REFERER, out);
}

bool acl_facts_request_type(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	return request_value(facts, FIELD_CONTENT_TYPE, out);
}

bool acl_facts_reply_type(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	return facts->reply != NULL &&
	       field_value(facts, &facts->reply->head, FIELD_CONTENT_TYPE, STR_NONE, out);
}
