/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of addresses. */
#include <ares.h>
#include <netdb.h>
#include <string.h>

#include "lib/net/hosts_internal.h"
#include "lib/net/resolver_internal.h"

/* c-ares does not tell the TTL of a PTR record. */
enum { KEEP_MS = 5 * 60 * 1000 };

/* Lower case, without the root's dot. Returns its length; 0: nothing that a host is called. */
static unsigned put_host(const char *name, char host[RESOLVER_HOST_BYTES])
{
	struct str text = str_of(name);

	if (text.len > 0 && text.at[text.len - 1] == '.')
		text.len--;
	if (text.len >= RESOLVER_HOST_BYTES)
		return 0;
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.at[i] <= ' ' || (unsigned char)text.at[i] >= 0x7f)
			return 0;
		host[i] = ascii_lower(text.at[i]);
	}
	return (unsigned)text.len;
}

/* From c-ares, also within ares_gethostbyaddr and ares_destroy. */
static void address_was_answered(void *arg, int status, int timeouts, struct hostent *found)
{
	struct name *name = arg;

	(void)timeouts;
	name->host_len = 0;
	if (status == ARES_SUCCESS && found && found->h_name)
		name->host_len = put_host(found->h_name, name->host);
	resolver_name_answered(name, status, KEEP_MS);
}

static int address_bytes(const struct addr *addr, const void **bytes)
{
	bool is_v4 = addr->as.any.sa_family == AF_INET;

	*bytes = is_v4 ? (const void *)&addr->as.v4.sin_addr : &addr->as.v6.sin6_addr;
	return is_v4 ? 4 : 16;
}

void resolver_ask_reverse(struct name *name)
{
	const void *bytes;
	struct addr addr;
	int len;

	addr_parse((struct str){name->text + 1, name->len - 1}, 0, &addr);
	len = address_bytes(&addr, &bytes);
	ares_gethostbyaddr(name->resolver->channel, bytes, len, addr.as.any.sa_family,
	                   address_was_answered, name);
}

bool resolver_ask_host(struct resolver *resolver, const struct addr *addr,
                       struct resolver_query *query)
{
	char text[1 + ADDR_TEXT_BYTES] = " ";
	struct addr plain = *addr;
	struct str host;

	list_init(&query->node_);
	addr_unmap(&plain);
	host = hosts_find_name(resolver->hosts, &plain);
	if (host.len > 0 || addr_len(&plain) == 0) {
		resolver_answer_host(query, host, "that is no address");
		return true;
	}
	addr_ip_text(&plain, text + 1);
	return resolver_ask_entry(resolver, str_of(text), true, query);
}

struct str resolver_blocking_host(const struct addr *addr, char host[RESOLVER_HOST_BYTES])
{
	char found[NI_MAXHOST];

	if (getnameinfo(&addr->as.any, addr_len(addr), found, sizeof(found), NULL, 0,
	                NI_NAMEREQD) != 0)
		return STR_NONE;
	return (struct str){host, put_host(found, host)};
}
