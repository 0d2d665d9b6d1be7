/* SPDX-License-Identifier: BSD-2-Clause */
/* THE table of %codes, and how each finds its value in the facts of a transaction. */
#include "squid-compat/log/logformat_internal.h"

#include <stdio.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/net/tls_identity.h"

/* ---- getters that read one field, which the row names */

static const void *slot(const struct log_code *code, const struct log_facts *facts)
{
	return (const char *)facts + code->slot;
}

static void set_text(struct log_value *value, struct str text)
{
	value->kind = LOG_VALUE_TEXT;
	value->text = text;
}

static void set_number(struct log_value *value, int64_t number)
{
	value->kind = LOG_VALUE_NUMBER;
	value->number = number;
}

#define GETTER(name) \
	static void name(const struct log_code *code, const struct log_item *item, \
			 const struct log_facts *facts, struct log_value *value)

GETTER(get_text)
{
	(void)item;
	set_text(value, *(const struct str *)slot(code, facts));
}

GETTER(get_u64)
{
	(void)item;
	set_number(value, (int64_t)*(const uint64_t *)slot(code, facts));
}

/* A status: none prints as 0. */
GETTER(get_status)
{
	(void)item;
	set_number(value, *(const int *)slot(code, facts));
}

GETTER(get_known_status)
{
	(void)item;
	if (*(const int *)slot(code, facts) != 0)
		set_number(value, *(const int *)slot(code, facts));
}

/* uint16_t, 0: none */
GETTER(get_url_port)
{
	(void)item;
	if (*(const uint16_t *)slot(code, facts) != 0)
		set_number(value, *(const uint16_t *)slot(code, facts));
}

static void set_ip(struct log_value *value, const struct addr *addr)
{
	_Static_assert(sizeof(value->small) >= ADDR_TEXT_BYTES, "room for an address");
	if (addr)
		set_text(value, str_of(addr_ip_text(addr, value->small)));
}

GETTER(get_ip)
{
	(void)item;
	set_ip(value, *(const struct addr *const *)slot(code, facts));
}

GETTER(get_port)
{
	const struct addr *addr = *(const struct addr *const *)slot(code, facts);

	(void)item;
	if (addr)
		set_number(value, addr_port(addr));
}

/* ---- addresses and names */

/* client_netmask hides the end of a client's address. */
static void set_masked_ip(struct log_value *value, const struct addr *addr,
			  const struct log_options *options)
{
	struct addr masked = {.as.v6.sin6_family = AF_INET6};
	uint8_t bytes[16];

	addr_ip_bytes(addr, bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] &= options->client_mask[i];
	memcpy(&masked.as.v6.sin6_addr, bytes, sizeof(bytes));
	addr_unmap(&masked);
	set_ip(value, &masked);
}

GETTER(get_client_ip)
{
	(void)code, (void)item;
	if (facts->client && facts->options && facts->options->has_client_mask)
		set_masked_ip(value, facts->client, facts->options);
	else
		set_ip(value, facts->client);
}

GETTER(get_client_name)
{
	if (facts->client_name.len > 0)
		set_text(value, facts->client_name);
	else
		get_client_ip(code, item, facts, value);
}

static const struct addr *listening(const struct log_facts *facts)
{
	return facts->listening ? facts->listening : facts->client_local;
}

GETTER(get_listening_ip)
{
	(void)code, (void)item;
	set_ip(value, listening(facts));
}

GETTER(get_listening_port)
{
	const struct addr *addr = listening(facts);

	(void)code, (void)item;
	if (addr)
		set_number(value, addr_port(addr));
}

/* ---- times */

GETTER(get_seconds)
{
	(void)code, (void)item;
	set_number(value, facts->end_us / 1000000);
}

/* The width, or .max, says how many digits of the second's fraction. */
GETTER(get_subsecond)
{
	int digits = item->max_width >= 0 ? item->max_width : item->width > 0 ? item->width : 3;
	int64_t fraction = facts->end_us % 1000000;

	(void)code;
	for (; digits < 6; digits++)
		fraction /= 10;
	set_number(value, fraction);
}

GETTER(get_start)
{
	(void)code, (void)item;
	value->kind = LOG_VALUE_SECONDS;
	value->number = facts->start_us;
}

static void set_time(struct log_value *value, const struct log_item *item, const char *otherwise,
		     const struct tm *tm)
{
	const char *format = item->has_argument ? item->text.at : otherwise;
	size_t len = strftime(value->small, sizeof(value->small), format, tm);

	set_text(value, (struct str){value->small, len});
}

GETTER(get_local_time)
{
	time_t seconds = (time_t)(facts->end_us / 1000000);
	struct tm tm;

	(void)code;
	if (localtime_r(&seconds, &tm))
		set_time(value, item, "%d/%b/%Y:%H:%M:%S %z", &tm);
}

GETTER(get_gm_time)
{
	time_t seconds = (time_t)(facts->end_us / 1000000);
	struct tm tm;

	(void)code;
	if (gmtime_r(&seconds, &tm))
		set_time(value, item, "%d/%b/%Y:%H:%M:%S", &tm);
}

GETTER(get_response_ms)
{
	(void)code, (void)item;
	set_number(value, facts->response_ms);
}

GETTER(get_dns_ms)
{
	(void)code, (void)item;
	if (facts->has_dns_ms)
		set_number(value, facts->dns_ms);
}

GETTER(get_peer_ms)
{
	(void)code, (void)item;
	if (facts->has_peer_ms)
		set_number(value, facts->peer_ms);
}

GETTER(get_server_ms)
{
	(void)code, (void)item;
	if (facts->has_server_ms)
		set_number(value, facts->server_ms);
}

/* ---- the request line */

/* strip_query_terms cuts behind the '?', which stays. */
GETTER(get_stripped_url)
{
	struct str url = *(const struct str *)slot(code, facts);
	size_t mark = str_find_char(url, '?');

	(void)item;
	if (mark < url.len && !(facts->options && facts->options->keeps_query))
		url.len = mark + 1;
	set_text(value, url);
}

GETTER(get_version)
{
	const struct log_request *request = slot(code, facts);

	(void)item;
	set_text(value, (struct str){value->small,
				     (size_t)snprintf(value->small, sizeof(value->small), "%u.%u",
						      request->major, request->minor)});
}

/* Of a request that may not have been made. */
GETTER(get_known_version)
{
	const struct log_request *request = slot(code, facts);

	if (request->major != 0)
		get_version(code, item, facts, value);
}

/* As the built-in formats name the protocol: "HTTP/1.1", "NONE/0.0" without a request. */
GETTER(get_protocol)
{
	const struct log_request *request = slot(code, facts);

	(void)item;
	set_text(value, (struct str){value->small,
				     (size_t)snprintf(value->small, sizeof(value->small),
						      "%s/%u.%u", request->major ? "HTTP" : "NONE",
						      request->major, request->minor)});
}

/* ---- who */

GETTER(get_user)
{
	const struct str users[] = {facts->auth_user, facts->external_user, facts->tls_user};

	(void)code, (void)item;
	for (size_t i = 0; i < COUNT(users); i++)
		if (users[i].len > 0) {
			set_text(value, users[i]);
			return;
		}
}

/* ---- header fields */

GETTER(get_request_field)
{
	(void)code;
	log_take_field(value, item, facts->request_head);
}

GETTER(get_adapted_field)
{
	(void)code;
	log_take_field(value, item,
	               facts->adapted_head ? facts->adapted_head : facts->request_head);
}

GETTER(get_reply_field)
{
	(void)code;
	log_take_field(value, item, facts->reply_head);
}

/* Content-Type without its parameters. */
GETTER(get_mime_type)
{
	(void)code, (void)item;
	set_text(value, str_trim(str_first(facts->mime_type,
					   str_find_char(facts->mime_type, ';'))));
}

/* ---- the fate of the request */

GETTER(get_tag)
{
	(void)code, (void)item;
	if (facts->tag_suffixes == 0) {
		set_text(value, str_of(log_tag_name(facts->tag)));
		return;
	}
	log_tag_render(value->scratch, facts->tag, facts->tag_suffixes);
	set_text(value, buf_str(value->scratch));
}

GETTER(get_hierarchy)
{
	(void)code, (void)item;
	set_text(value, str_of(log_hier_name(facts->hier)));
}

GETTER(get_total_bytes)
{
	(void)code, (void)item;
	set_number(value, (int64_t)(facts->bytes_in + facts->bytes_out));
}

GETTER(get_object_bytes)
{
	(void)code, (void)item;
	if (facts->has_object_bytes)
		set_number(value, facts->object_bytes);
}

GETTER(get_server_body_bytes)
{
	(void)code, (void)item;
	if (facts->has_server_body)
		set_number(value, (int64_t)facts->server_body_bytes);
}

/* ---- certificates: an attribute by its name, "DN" for all of it */

static void set_attribute(const struct tls_identity *identity, const struct log_item *item,
			  struct log_value *value)
{
	const struct str *text = tls_identity_next(identity, item->text, NULL);

	if (text)
		set_text(value, *text);
}

GETTER(get_user_attribute)
{
	(void)code;
	if (facts->tls_peer)
		set_attribute(&facts->tls_peer->subject, item, value);
}

GETTER(get_ca_attribute)
{
	(void)code;
	if (facts->tls_peer)
		set_attribute(&facts->tls_peer->issuer, item, value);
}

/* ---- annotations */

GETTER(get_notes)
{
	struct buf *out = value->scratch;

	(void)code;
	for (unsigned i = 0; i < facts->nnotes; i++) {
		const struct log_note *note = &facts->notes[i];

		if (!item->has_argument) {
			buf_add_str(out, note->key);
			buf_add_str(out, STR(": "));
			buf_add_str(out, note->value);
			buf_add_str(out, STR("\r\n"));
		} else if (str_eq(note->key, item->text)) {
			if (out->len > 0)
				buf_add_str(out, item->element.len ? item->element : STR(","));
			buf_add_str(out, note->value);
		}
	}
	set_text(value, buf_str(out));
}

GETTER(get_percent)
{
	(void)code, (void)item, (void)facts;
	set_text(value, STR("%"));
}

/* ---- the table */

#define FACT(member) offsetof(struct log_facts, member)
/* NAME, getter, slot, argument, encoding, flags, instead */
#define ROW(name, get, slot, argument, encoding, flags, instead) \
	{name, get, slot, LOG_ARGUMENT_##argument, LOG_ENCODE_##encoding, flags, instead}
#define TEXT(name, member) ROW(name, get_text, FACT(member), NONE, URL_KEEP, 0, NULL)
#define VALUE(name, get) ROW(name, get, 0, NONE, RAW, 0, NULL)
#define FIELD(name, get, member) ROW(name, get, FACT(member), NONE, RAW, 0, NULL)
#define UNFILLED(name) ROW(name, NULL, 0, NONE, RAW, LOG_CODE_UNFILLED, NULL)
#define HEADER_UNFILLED(name) ROW(name, NULL, 0, HEADER, RAW, LOG_CODE_UNFILLED, NULL)

/* clang-format off */
static const struct log_code codes[] = {
	VALUE("%", get_percent),
	/* addresses */
	VALUE(">a", get_client_ip),
	FIELD(">p", get_port, client),
	ROW(">A", get_client_name, 0, NONE, URL_KEEP, 0, NULL),
	FIELD(">la", get_ip, client_local),
	FIELD(">lp", get_port, client_local),
	VALUE("la", get_listening_ip),
	VALUE("lp", get_listening_port),
	FIELD("<a", get_ip, server),
	FIELD("<p", get_port, server),
	TEXT("<A", server_name),
	FIELD("<la", get_ip, server_local),
	FIELD("<lp", get_port, server_local),
	ROW("oa", get_ip, FACT(server_local), NONE, RAW, 0, "<la"),
	UNFILLED(">eui"),
	UNFILLED(">handshake"),
	UNFILLED(">qos"),
	UNFILLED("<qos"),
	UNFILLED(">nfmark"),
	UNFILLED("<nfmark"),
	/* times */
	VALUE("ts", get_seconds),
	VALUE("tu", get_subsecond),
	ROW("tl", get_local_time, 0, MAY, RAW, 0, NULL),
	ROW("tg", get_gm_time, 0, MAY, RAW, 0, NULL),
	VALUE("tS", get_start),
	VALUE("tr", get_response_ms),
	VALUE("dt", get_dns_ms),
	VALUE("<pt", get_peer_ms),
	VALUE("<tt", get_server_ms),
	UNFILLED("busy_time"),
	/* users; nobody asks identd on behalf of a site, so %ui is always absent */
	ROW("un", get_user, 0, NONE, URL_KEEP, 0, NULL),
	TEXT("ul", auth_user),
	ROW("ui", NULL, 0, NONE, RAW, 0, NULL),
	TEXT("ue", external_user),
	TEXT("us", tls_user),
	TEXT("credentials", credentials),
	/* status and header fields */
	FIELD(">Hs", get_status, status),
	ROW("Hs", get_status, FACT(status), NONE, RAW, 0, ">Hs"),
	FIELD("<Hs", get_known_status, server_status),
	ROW(">h", get_request_field, 0, HEADER, URL_KEEP, LOG_CODE_MIME, NULL),
	ROW(">ha", get_adapted_field, 0, HEADER, URL_KEEP, LOG_CODE_MIME, NULL),
	ROW("<h", get_reply_field, 0, HEADER, URL_KEEP, LOG_CODE_MIME | LOG_CODE_REPLY, NULL),
	ROW("mt", get_mime_type, 0, NONE, BLOCK, 0, NULL),
	/* the request line: as it stands, as it came, as it was sent on */
	TEXT("rm", request.method),
	ROW("ru", get_stripped_url, FACT(request.url), NONE, BLANKS, 0, NULL),
	TEXT("rp", request.path),
	FIELD("rv", get_version, request),
	ROW(">v", get_known_version, FACT(client_request), NONE, RAW, 0, ">rv"),
	TEXT(">rm", client_request.method),
	TEXT(">ru", client_request.url),
	TEXT(">rs", client_request.scheme),
	TEXT(">rd", client_request.host),
	FIELD(">rP", get_url_port, client_request.port),
	TEXT(">rp", client_request.path),
	FIELD(">rv", get_known_version, client_request),
	TEXT("<rm", server_request.method),
	TEXT("<ru", server_request.url),
	TEXT("<rs", server_request.scheme),
	TEXT("<rd", server_request.host),
	FIELD("<rP", get_url_port, server_request.port),
	TEXT("<rp", server_request.path),
	FIELD("<rv", get_known_version, server_request),
	ROW("_protocol", get_protocol, FACT(request), NONE, RAW, LOG_CODE_INTERNAL, NULL),
	ROW("rG", NULL, 0, NONE, RAW, LOG_CODE_UNFILLED, NULL),
	/* fate */
	VALUE("Ss", get_tag),
	VALUE("Sh", get_hierarchy),
	TEXT("err_code", err_code),
	TEXT("err_detail", err_detail),
	ROW("sn", get_u64, FACT(sequence), NONE, RAW, 0, NULL),
	FIELD("master_xaction", get_u64, transaction),
	UNFILLED("request_attempts"),
	UNFILLED("transport::>connection_id"),
	/* sizes */
	FIELD(">st", get_u64, bytes_in),
	FIELD(">sh", get_u64, head_bytes_in),
	FIELD("<st", get_u64, bytes_out),
	FIELD("<sh", get_u64, head_bytes_out),
	FIELD("<sH", get_u64, body_bytes_out),
	VALUE("<sS", get_object_bytes),
	VALUE("st", get_total_bytes),
	VALUE("<bs", get_server_body_bytes),
	/* external ACLs and annotations */
	TEXT("et", external_tag),
	TEXT("ea", external_log),
	ROW("note", get_notes, 0, NOTE, URL_KEEP, LOG_CODE_MIME, NULL),
	ROW("_acl", get_text, FACT(acl_name), NONE, RAW, LOG_CODE_INTERNAL, NULL),
	ROW("_data", get_text, FACT(acl_data), NONE, RAW, LOG_CODE_INTERNAL, NULL),
	ROW("_user_cert", get_user_attribute, 0, MAY, URL_KEEP, LOG_CODE_INTERNAL, NULL),
	ROW("_ca_cert", get_ca_attribute, 0, MAY, URL_KEEP, LOG_CODE_INTERNAL, NULL),
	ROW("_certificate", NULL, 0, NONE, RAW, LOG_CODE_INTERNAL | LOG_CODE_UNFILLED, NULL),
	/* TLS; "ssl::" is read as "tls::" */
	TEXT("tls::>sni", tls_sni),
	TEXT("tls::>negotiated_version", tls_version),
	TEXT("tls::>negotiated_cipher", tls_cipher),
	TEXT("tls::>cert_subject", tls_subject),
	TEXT("tls::>cert_issuer", tls_issuer),
	UNFILLED("tls::<cert_subject"),
	UNFILLED("tls::<cert_issuer"),
	UNFILLED("tls::<cert_errors"),
	UNFILLED("tls::<cert"),
	UNFILLED("tls::<negotiated_version"),
	UNFILLED("tls::<negotiated_cipher"),
	UNFILLED("tls::>received_hello_version"),
	UNFILLED("tls::<received_hello_version"),
	UNFILLED("tls::>received_supported_version"),
	UNFILLED("tls::<received_supported_version"),
	UNFILLED("tls::bump_mode"),
	/* ICAP, eCAP, PROXY */
	UNFILLED("icap::tt"),
	UNFILLED("icap::tr"),
	UNFILLED("icap::tio"),
	UNFILLED("icap::to"),
	UNFILLED("icap::Hs"),
	UNFILLED("icap::rm"),
	UNFILLED("icap::ru"),
	UNFILLED("icap::<st"),
	UNFILLED("icap::>st"),
	UNFILLED("icap::<bs"),
	UNFILLED("icap::<service_name"),
	UNFILLED("icap::<A"),
	UNFILLED("icap::<a"),
	HEADER_UNFILLED("icap::>h"),
	HEADER_UNFILLED("icap::<h"),
	HEADER_UNFILLED("adapt::<last_h"),
	ROW("adapt::sum_trs", NULL, 0, MAY, RAW, LOG_CODE_UNFILLED, NULL),
	ROW("adapt::all_trs", NULL, 0, MAY, RAW, LOG_CODE_UNFILLED, NULL),
	HEADER_UNFILLED("proxy_protocol::>h"),
};
/* clang-format on */

const struct log_code *log_code_find(struct str text, bool is_internal, size_t *len)
{
	char aliased[64];
	struct str wanted = text;
	const struct log_code *best = NULL;

	if (str_starts_with(text, STR("ssl::"))) {
		str_copy(text, aliased, sizeof(aliased));
		memcpy(aliased, "tls", 3);
		wanted = str_of(aliased);
	}
	for (size_t i = 0; i < COUNT(codes); i++) {
		struct str name = str_of(codes[i].name);

		if ((codes[i].flags & LOG_CODE_INTERNAL) && !is_internal)
			continue;
		if (str_starts_with(wanted, name) && (!best || name.len > *len)) {
			best = &codes[i];
			*len = name.len;
		}
	}
	return best;
}
