/* SPDX-License-Identifier: BSD-2-Clause */
/* THE table of ACL types, and what ties a type's values to the facts. */
#include "lib/base/check.h"
#include "squid-compat/acl/acl_internal.h"
#include "squid-compat/log/log_tags.h"
#include "squid-compat/pages/error_page.h"

/* ---- parts of the facts ---- */

static bool text_method(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	*out = facts->method;
	return out->len > 0;
}

static bool text_scheme(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	*out = facts->scheme;
	return out->len > 0;
}

static bool text_port_name(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	*out = facts->port_name;
	return out->len > 0;
}

static bool text_peer_name(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	*out = facts->peer_name;
	return out->len > 0;
}

static bool text_hierarchy(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	*out = facts->hierarchy;
	return out->len > 0;
}

static bool text_error(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	*out = facts->error;
	return out->len > 0;
}

static bool text_external_user(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	*out = facts->external_user;
	return out->len > 0;
}

static bool text_external_tag(const struct acl *acl, struct acl_facts *facts, struct str *out)
{
	(void)acl;
	*out = facts->external_tag;
	return out->len > 0;
}

static bool number_port(const struct acl_facts *facts, unsigned *out)
{
	*out = facts->port;
	return true;
}

static bool number_local_port(const struct acl_facts *facts, unsigned *out)
{
	if (facts->local == NULL)
		return false;
	*out = addr_port(facts->local);
	return true;
}

static bool number_status(const struct acl_facts *facts, unsigned *out)
{
	*out = (unsigned)(facts->status != 0 ? facts->status : facts->reply->status);
	return true;
}

static const struct addr *address_client(const struct acl_facts *facts)
{
	return facts->indirect != NULL ? facts->indirect : facts->client;
}

static const struct addr *address_local(const struct acl_facts *facts)
{
	return facts->local;
}

/* ---- comparing ---- */

static enum acl_match test(const struct acl *acl, struct str text, struct acl_check *check)
{
	enum acl_match match = acl->type->kind->test(acl->values, text);

	return match == ACL_STOP ? acl_check_undecided(check) : match;
}

static enum acl_match match_text(const struct acl *acl, struct acl_check *check)
{
	struct str text;

	if (!acl->type->text(acl, check->facts, &text))
		return ACL_MISMATCH;
	return test(acl, text, check);
}

static enum acl_match match_url(const struct acl *acl, struct acl_check *check)
{
	struct str text;

	if (!acl->type->text(acl, check->facts, &text) ||
	    (acl->screen && text.len <= ACL_MAX_SUBJECT_BYTES &&
	     !acl_screen_passes(acl, check->facts, text)))
		return ACL_MISMATCH;
	return test(acl, text, check);
}

/* Squid: user_cert and ca_cert: an attribute of a distinguished name, "DN" for all of it. */
static enum acl_match match_identity(const struct acl *acl, const struct tls_identity *identity,
                                     struct acl_check *check)
{
	struct str name = str_of(acl->field);
	const struct str *value = NULL;

	while ((value = tls_identity_next(identity, name, value))) {
		enum acl_match match = test(acl, *value, check);

		if (match != ACL_MISMATCH)
			return match;
	}
	return ACL_MISMATCH;
}

static enum acl_match match_user_cert(const struct acl *acl, struct acl_check *check)
{
	const struct tls_peer *peer = check->facts->tls_peer;

	return peer ? match_identity(acl, &peer->subject, check) : ACL_MISMATCH;
}

static enum acl_match match_ca_cert(const struct acl *acl, struct acl_check *check)
{
	const struct tls_peer *peer = check->facts->tls_peer;

	return peer ? match_identity(acl, &peer->issuer, check) : ACL_MISMATCH;
}

static enum acl_match match_number(const struct acl *acl, struct acl_check *check)
{
	unsigned number;

	return acl->type->number(check->facts, &number) && acl_numbers_has(acl->values, number)
	               ? ACL_MATCH
	               : ACL_MISMATCH;
}

static enum acl_match match_address(const struct acl *acl, struct acl_check *check)
{
	const struct addr *address = acl->type->address(check->facts);

	return address != NULL && acl_address_has(acl->values, address) ? ACL_MATCH : ACL_MISMATCH;
}

static enum acl_match match_dst(const struct acl *acl, struct acl_check *check)
{
	struct acl_facts *facts = check->facts;
	const struct addr *literal = acl_facts_host_address(facts);

	if (literal)
		return acl_address_has(acl->values, literal) ? ACL_MATCH : ACL_MISMATCH;
	if (acl->no_lookup || facts->host.len == 0)
		return ACL_MISMATCH;
	if (!facts->has_dst_addrs)
		return acl_check_need(check, ACL_NEED_DST_ADDRS);
	for (unsigned i = 0; i < facts->ndst_addrs; i++)
		if (acl_address_has(acl->values, &facts->dst_addrs[i]))
			return ACL_MATCH;
	return ACL_MISMATCH;
}

/* An address without a name is called "none". */
static enum acl_match test_host_name(const struct acl *acl, const struct acl_host_name *name,
                                     enum acl_need need, struct acl_check *check)
{
	if (!name->is_known)
		return acl_check_need(check, need);
	return test(acl, name->name.len > 0 ? name->name : STR("none"), check);
}

/* The host as it is; one that is an address by its reverse name too. */
static enum acl_match match_dst_host(const struct acl *acl, struct acl_check *check)
{
	struct acl_facts *facts = check->facts;
	enum acl_match match;

	if (facts->host.len == 0)
		return ACL_MISMATCH;
	match = test(acl, facts->host, check);
	if (match != ACL_MISMATCH || acl->no_lookup || !acl_facts_host_address(facts))
		return match;
	return test_host_name(acl, &facts->host_name, ACL_NEED_DST_NAME, check);
}

static enum acl_match match_client_name(const struct acl *acl, struct acl_check *check)
{
	return test_host_name(acl, &check->facts->client_name, ACL_NEED_CLIENT_NAME, check);
}

static enum acl_match match_user(const struct acl *acl, struct acl_check *check)
{
	enum acl_match known = acl_check_user(check);

	return known == ACL_MATCH ? test(acl, check->facts->user, check) : known;
}

/* The scheme of old; Squid 3.2 and later ask below a path instead. */
static bool is_for_manager(const struct acl_facts *facts)
{
	return str_starts_with(facts->path, STR("/squid-internal-mgr/"));
}

/* Squid: proto; cache_object stands for the cache manager, however it is asked. */
static enum acl_match match_proto(const struct acl *acl, struct acl_check *check)
{
	if (is_for_manager(check->facts) && acl_words_has(acl, STR("cache_object")))
		return ACL_MATCH;
	return match_text(acl, check);
}

/* Squid: maxconn: more connections than that. */
static enum acl_match match_connections(const struct acl *acl, struct acl_check *check)
{
	return acl_limit_is_exceeded(acl->values, check->facts->client_connections) ? ACL_MATCH
										    : ACL_MISMATCH;
}

/* Squid: `has request response ALE`; the log entry (ALE) is always there. */
static enum acl_match match_parts(const struct acl *acl, struct acl_check *check)
{
	const struct acl_facts *facts = check->facts;

	if (acl_words_has(acl, STR("ALE")) ||
	    (acl_words_has(acl, STR("request")) && acl_facts_has_request(facts)) ||
	    (acl_words_has(acl, STR("response")) && acl_facts_has_reply(facts)))
		return ACL_MATCH;
	return ACL_MISMATCH;
}

static enum acl_match match_secure(const struct acl *acl, struct acl_check *check)
{
	(void)acl;
	return check->facts->is_secure ? ACL_MATCH : ACL_MISMATCH;
}

/* Clients begin all that is asked about: what renews the cache in the background asks nothing. */
static enum acl_match match_initiator(const struct acl *acl, struct acl_check *check)
{
	(void)check;
	return acl_words_has(acl, STR("client")) || acl_words_has(acl, STR("all")) ? ACL_MATCH
										   : ACL_MISMATCH;
}

static enum acl_match match_never(const struct acl *acl, struct acl_check *check)
{
	(void)acl;
	(void)check;
	return ACL_MISMATCH;
}

/* ---- values that must be of a list ---- */

static bool accepts_scheme(struct str value, struct report *report)
{
	static const char *const schemes[] = {
		"HTTP", "FTP",   "HTTPS", "COAP", "COAPS", "GOPHER", "WAIS",
		"URN",  "WHOIS", "ICP",   "HTCP", "ICY",   "TLS",    "CACHE_OBJECT",
	};

	if (str_eq_nocase(value, STR("cache_object")))
		report_say(report, REPORT_NOTE,
		           "cache_object is taken for the cache manager, /squid-internal-mgr/, too");
	for (size_t i = 0; i < COUNT(schemes); i++)
		if (str_eq_nocase(value, str_of(schemes[i])))
			return true;
	report_say(report, REPORT_WARNING, "Ignoring unknown protocol '%.*s' in the ACL",
	           STR_ARG(value));
	return false;
}

static bool accepts_hierarchy(struct str value, struct report *report)
{
	enum log_hier hier;

	if (log_hier_by_name(value, &hier))
		return true;
	report_say(report, REPORT_FATAL, "No such hier_code '%.*s'", STR_ARG(value));
	return false;
}

static bool accepts_error(struct str value, struct report *report)
{
	if (error_name_of(value) != ERROR_NONE)
		return true;
	report_say(report, REPORT_FATAL, "Invalid squid error type: %.*s", STR_ARG(value));
	return false;
}

static bool accepts_part(struct str value, struct report *report)
{
	if (str_eq(value, STR("request")) || str_eq(value, STR("response")) ||
	    str_eq(value, STR("ALE")))
		return true;
	report_say(report, REPORT_FATAL, "unsupported 'has' component: %.*s", STR_ARG(value));
	return false;
}

static bool accepts_initiator(struct str value, struct report *report)
{
	static const char *const known[] = {
		"client", "peer-mcast", "esi",   "certificate-fetching", "cache-digest", "internal",
		"server", "htcp",       "icp",   "icmp",                 "asn",          "ipc",
		"all",    "adaptation", "icon",
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq(value, str_of(known[i])))
			return true;
	report_say(report, REPORT_FATAL, "unknown transaction initiator: %.*s", STR_ARG(value));
	return false;
}

/* Ours: more of it than that. */
static enum acl_match match_limit(const struct acl *acl, struct acl_check *check)
{
	unsigned number;

	return acl->type->number(check->facts, &number) &&
			       acl_limit_is_exceeded(acl->values, number)
		       ? ACL_MATCH
		       : ACL_MISMATCH;
}

/* ---- the table ---- */

enum {
	SLOW = ACL_IS_SLOW,
	REQUEST = ACL_WANTS_REQUEST,
	REPLY = ACL_WANTS_REPLY,
	USER = ACL_IS_SLOW | ACL_IS_ABOUT_USER,
};

#define ADDRESS(part) .kind = &acl_kind_address, .match = match_address, .address = part
#define NUMBER(part) .kind = &acl_kind_numbers, .match = match_number, .number = part
#define WORDS(part) .kind = &acl_kind_words, .match = match_text, .text = part
#define REGEX(part) .kind = &acl_kind_regex, .match = match_text, .options = "i", .text = part
#define LIMIT(part) .kind = &acl_kind_limit, .match = match_limit, .number = part
#define NEVER .match = match_never

/* clang-format off */
static const struct acl_type types[] = {
	{.name = "src", ADDRESS(address_client), .dimension = ACL_CLIENT},
	{.name = "dst", .kind = &acl_kind_address, .match = match_dst, .options = "n",
	 .flags = SLOW | REQUEST},
	{.name = "localip", ADDRESS(address_local)},
	{.name = "myip", .renamed = "localip"},
	{.name = "localport", NUMBER(number_local_port)},
	{.name = "myport", .renamed = "localport"},
	{.name = "myportname", WORDS(text_port_name)},
	{.name = "port", NUMBER(number_port), .dimension = ACL_PORT, .flags = REQUEST},
	{.name = "dstdomain", .kind = &acl_kind_domain, .match = match_dst_host, .options = "n",
	 .dimension = ACL_HOST, .flags = REQUEST},
	{.name = "dstdom_regex", .kind = &acl_kind_regex, .match = match_dst_host,
	 .options = "in", .flags = REQUEST},
	{.name = "srcdomain", .kind = &acl_kind_domain, .match = match_client_name, .flags = SLOW},
	{.name = "srcdom_regex", .kind = &acl_kind_regex, .match = match_client_name,
	 .options = "i", .flags = SLOW},
	{.name = "url_regex", .kind = &acl_kind_regex, .match = match_url, .options = "i",
	 .text = acl_facts_url, .flags = REQUEST},
	{.name = "urlpath_regex", .kind = &acl_kind_regex, .match = match_url, .options = "i",
	 .text = acl_facts_path, .flags = REQUEST},
	{.name = "proto", .kind = &acl_kind_words, .match = match_proto, .text = text_scheme,
	 .accepts = accepts_scheme,
	 .flags = REQUEST | ACL_HAS_NO_CASE},
	{.name = "method", WORDS(text_method), .dimension = ACL_METHOD,
	 .flags = REQUEST | ACL_HAS_NO_CASE},
	{.name = "http_status", NUMBER(number_status), .flags = REPLY},
	{.name = "browser", REGEX(acl_facts_user_agent), .flags = REQUEST},
	{.name = "referer_regex", REGEX(acl_facts_referer), .flags = REQUEST},
	{.name = "req_header", REGEX(acl_facts_request_field), .flags = REQUEST | ACL_HAS_FIELD},
	{.name = "rep_header", REGEX(acl_facts_reply_field), .flags = REPLY | ACL_HAS_FIELD},
	{.name = "req_mime_type", REGEX(acl_facts_request_type), .flags = REQUEST},
	{.name = "rep_mime_type", REGEX(acl_facts_reply_type), .flags = REPLY},
	{.name = "time", .kind = &acl_kind_time, .match = acl_time_match},
	{.name = "random", .kind = &acl_kind_random, .match = acl_random_match,
	 .flags = ACL_NEEDS_VALUE},
	{.name = "proxy_auth", .kind = &acl_kind_words, .match = match_user, .options = "i",
	 .flags = USER | REQUEST | ACL_TAKES_REQUIRED},
	{.name = "proxy_auth_regex", .kind = &acl_kind_regex, .match = match_user, .options = "i",
	 .flags = USER | REQUEST},
	{.name = "max_user_ip", .kind = &acl_kind_user_ips, .match = acl_user_ips_match,
	 .options = "s", .flags = SLOW | REQUEST | ACL_NEEDS_VALUE},
	{.name = "external", .kind = &acl_kind_external, .match = acl_external_match,
	 .flags = SLOW | REQUEST | ACL_NEEDS_VALUE},
	{.name = "ext_user", WORDS(text_external_user), .options = "i",
	 .flags = REQUEST | ACL_TAKES_REQUIRED},
	{.name = "ext_user_regex", REGEX(text_external_user), .flags = REQUEST},
	{.name = "tag", WORDS(text_external_tag)},
	{.name = "note", .kind = &acl_kind_note, .match = acl_note_match, .options = "m",
	 .flags = ACL_NEEDS_VALUE},
	{.name = "annotate_transaction", .kind = &acl_kind_annotation,
	 .match = acl_annotate_transaction, .flags = ACL_NEEDS_VALUE},
	{.name = "annotate_client", .kind = &acl_kind_annotation, .match = acl_annotate_client,
	 .flags = ACL_NEEDS_VALUE},
	{.name = "any-of", .kind = &acl_kind_any_of, .match = acl_group_match},
	{.name = "all-of", .kind = &acl_kind_all_of, .match = acl_group_match},
	{.name = "peername", WORDS(text_peer_name), .flags = REQUEST},
	{.name = "peername_regex", REGEX(text_peer_name), .flags = REQUEST},
	{.name = "hier_code", WORDS(text_hierarchy), .accepts = accepts_hierarchy,
	 .flags = REQUEST},
	{.name = "user_cert", .kind = &acl_kind_words, .match = match_user_cert,
	 .flags = ACL_HAS_FIELD},
	{.name = "ca_cert", .kind = &acl_kind_words, .match = match_ca_cert,
	 .flags = ACL_HAS_FIELD},
	{.name = "maxconn", .kind = &acl_kind_limit, .match = match_connections,
	 .flags = ACL_NEEDS_VALUE},
	/* ours */
	{.name = "query_regex", REGEX(acl_facts_query), .flags = REQUEST},
	{.name = "query_size", LIMIT(acl_facts_query_size), .flags = REQUEST | ACL_NEEDS_VALUE},
	{.name = "req_header_count", LIMIT(acl_facts_field_count),
	 .flags = REQUEST | ACL_NEEDS_VALUE},
	{.name = "req_head_size", LIMIT(acl_facts_head_size), .flags = REQUEST | ACL_NEEDS_VALUE},
	{.name = "req_body_size", LIMIT(acl_facts_body_size), .flags = REQUEST | ACL_NEEDS_VALUE},
	{.name = "has", .kind = &acl_kind_words, .match = match_parts, .accepts = accepts_part,
	 .flags = ACL_TAKES_ONE},
	{.name = "squid_error", WORDS(text_error), .accepts = accepts_error},
	{.name = "connections_encrypted", .match = match_secure, .flags = ACL_NEEDS_NONE},
	{.name = "transaction_initiator", .kind = &acl_kind_words, .match = match_initiator,
	 .accepts = accepts_initiator},
	/* refused: what they deny would pass */
	{.name = "arp", NEVER, .flags = ACL_REFUSED},
	{.name = "eui64", NEVER, .flags = ACL_REFUSED},
	/* of what is not done here */
	{.name = "adaptation_service", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "at_step", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "client_connection_mark", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "clientside_mark", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "dst_as", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "ident", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "ident_regex", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "snmp_community", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "src_as", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "ssl::server_name", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "ssl::server_name_regex", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "urllogin", NEVER, .flags = ACL_NEVER_HERE},
	{.name = "server_cert_fingerprint", NEVER, .flags = ACL_OF_CERT_ERROR},
	{.name = "ssl_error", NEVER, .flags = ACL_OF_CERT_ERROR},
};
/* clang-format on */

bool acl_type_is_refused(struct str name)
{
	const struct acl_type *type = acl_type_find(name);

	return type && (type->flags & ACL_REFUSED);
}

const struct acl_type *acl_type_find(struct str name)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (str_eq(name, str_of(types[i].name)))
			return &types[i];
	return NULL;
}
