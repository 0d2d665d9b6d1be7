/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/translate.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/values.h"

/* ---- a line by itself */

/* "$1" is the first value, "$*" all behind the directive. A value of "none" says nothing, where
 * none_is_nothing. */
static const struct translation {
	const char *name, *lines;
	bool none_is_nothing;
} translations[] = {
	{"authenticate_children", "auth_param basic children $*\n", false},
	{"authenticate_program", "auth_param basic program $*\n", true},
	{"header_access", "request_header_access $*\nreply_header_access $*\n", false},
	{"proxy_auth_realm", "auth_param basic realm $*\n", false},
	{"referer_log", "access_log $1 referrer\n", true},
	{"referrer_log", "access_log $1 referrer\n", true},
	{"sslproxy_cafile", "tls_outgoing_options cafile=$1\n", true},
	{"sslproxy_capath", "tls_outgoing_options capath=$1\n", true},
	{"sslproxy_cipher", "tls_outgoing_options cipher=$1\n", true},
	{"sslproxy_client_certificate", "tls_outgoing_options cert=$1\n", true},
	{"sslproxy_client_key", "tls_outgoing_options key=$1\n", true},
	{"sslproxy_flags", "tls_outgoing_options flags=$1\n", true},
	{"sslproxy_options", "tls_outgoing_options options=$1\n", true},
	{"sslproxy_version", "tls_outgoing_options version=$1\n", true},
	{"storeurl_access", "store_id_access $*\n", false},
	{"useragent_log", "access_log $1 useragent\n", true},
};

static void fill(const char *lines, const struct words *words, struct buf *out)
{
	for (const char *c = lines; *c; c++) {
		if (c[0] == '$' && (c[1] == '1' || c[1] == '*')) {
			buf_add_str(out, c[1] == '1' ? words_text(words, 1) : words_rest(words, 1));
			c++;
		} else {
			buf_add_char(out, *c);
		}
	}
}

bool translate_line(const struct words *words, struct buf *out)
{
	for (size_t i = 0; i < COUNT(translations); i++) {
		const struct translation *translation = &translations[i];

		if (!str_eq(words_text(words, 0), str_of(translation->name)))
			continue;
		if (!translation->none_is_nothing || !str_eq(words_text(words, 1), STR("none")))
			fill(translation->lines, words, out);
		return true;
	}
	return false;
}

/* ---- httpd_accel_* */

enum { HTTP_PORT = 80 };

void httpd_accel_init(struct httpd_accel *accel)
{
	*accel = (struct httpd_accel){.port = HTTP_PORT};
}

static void take_host(struct httpd_accel *accel, const struct words *words, struct report *report)
{
	struct str host = words_text(words, 1);

	if (host.len == 0 || host.len >= sizeof(accel->host)) {
		report_say(report, REPORT_FATAL,
		           "httpd_accel_host needs a host name, or 'virtual'");
		return;
	}
	str_copy(host, accel->host, sizeof(accel->host));
	accel->is_said = true;
}

static void take_port(struct httpd_accel *accel, const struct words *words, struct report *report)
{
	size_t i = 1;

	if (str_eq(words_text(words, 1), STR("virtual")))
		accel->port = 0;
	else
		value_port(words, &i, report, &accel->port);
}

void httpd_accel_parse(struct httpd_accel *accel, const struct words *words, struct report *report)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{"httpd_accel_single_host", &accel->is_single},
		{"httpd_accel_uses_host_header", &accel->uses_host},
		{"httpd_accel_with_proxy", &accel->with_proxy},
	};
	struct str name = words_text(words, 0);
	size_t at = 1;

	if (str_eq(name, STR("httpd_accel_host")))
		take_host(accel, words, report);
	else if (str_eq(name, STR("httpd_accel_port")))
		take_port(accel, words, report);
	for (size_t i = 0; i < COUNT(flags); i++)
		if (str_eq(name, str_of(flags[i].name)))
			value_on_off(words, &at, report, flags[i].flag);
}

static bool has_host(const struct httpd_accel *accel)
{
	return strcmp(accel->host, "virtual") != 0;
}

bool httpd_accel_is_virtual(const struct httpd_accel *accel)
{
	return accel->uses_host || !has_host(accel);
}

void httpd_accel_port_options(const struct httpd_accel *accel, struct buf *out)
{
	buf_add_str(out, STR(" accel"));
	if (has_host(accel))
		buf_printf(out, " defaultsite=%s", accel->host);
	if (!httpd_accel_is_virtual(accel))
		buf_add_str(out, STR(" no-vhost"));
	if (accel->port == 0)
		buf_add_str(out, STR(" vport"));
	else if (accel->port != HTTP_PORT)
		buf_printf(out, " vport=%u", accel->port);
}

void httpd_accel_peer_line(const struct httpd_accel *accel, struct buf *out)
{
	if (has_host(accel))
		buf_printf(out, "cache_peer %s parent %u 0 no-query originserver", accel->host,
			   accel->port ? accel->port : HTTP_PORT);
}

/* ---- cache_peer_domain */

static bool is_tree(struct str domain)
{
	return domain.len > 1 && domain.at[0] == '.';
}

/* Parents before what lies below them, which dstdomain would refuse the other way round. */
static int wide_ones_first(const void *a, const void *b)
{
	const struct str *x = a, *y = b;

	if (is_tree(*x) != is_tree(*y))
		return is_tree(*x) ? -1 : 1;
	return x->len < y->len ? -1 : x->len > y->len;
}

/* `acl NAME dstdomain ...` of those before end and from begin on that are negated, or are not;
 * false: there are none. */
static bool add_acl(const char *name, const struct peer_domain *domains, size_t begin, size_t end,
		    bool is_negated, struct buf *out)
{
	struct str *chosen = mem_array(end - begin + 1, sizeof(*chosen));
	size_t n = 0;

	for (size_t i = begin; i < end; i++)
		if (domains[i].is_negated == is_negated)
			chosen[n++] = domains[i].domain;
	qsort(chosen, n, sizeof(*chosen), wide_ones_first);
	if (n > 0)
		buf_printf(out, "acl %s dstdomain", name);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, " %.*s", STR_ARG(chosen[i]));
	if (n > 0)
		buf_add_char(out, '\n');
	mem_free(chosen);
	return n > 0;
}

/* What domains [begin, end), all negated, keep from the peer: but for what an earlier one gave
 * it. */
static void deny_run(struct str peer, struct str prefix, const struct peer_domain *domains,
		     size_t begin, size_t end, struct buf *out)
{
	char *name = mem_printf("%.*s_not%zu", STR_ARG(prefix), begin);
	char *before = mem_printf("%.*s_before%zu", STR_ARG(prefix), begin);
	bool has_before;

	add_acl(name, domains, begin, end, true, out);
	has_before = add_acl(before, domains, 0, begin, false, out);
	buf_printf(out, "cache_peer_access %.*s deny %s%s%s\n", STR_ARG(peer), name,
		   has_before ? " !" : "", has_before ? before : "");
	mem_free(name);
	mem_free(before);
}

void translate_peer_domains(struct str peer, struct str acl_prefix,
			    const struct peer_domain *domains, size_t n, struct buf *out)
{
	char *name = str_dup(acl_prefix);

	for (size_t i = 0; i < n; i++) {
		size_t end = i;

		while (end < n && domains[end].is_negated)
			end++;
		if (end > i) {
			deny_run(peer, acl_prefix, domains, i, end, out);
			i = end - 1;
		}
	}
	if (n > 0 && !domains[n - 1].is_negated && add_acl(name, domains, 0, n, false, out))
		buf_printf(out, "cache_peer_access %.*s deny !%s\n", STR_ARG(peer), name);
	mem_free(name);
}
