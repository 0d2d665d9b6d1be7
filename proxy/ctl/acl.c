/* SPDX-License-Identifier: BSD-2-Clause */
/* bobtailctl acl: walks the rules of the configuration as a request would, with the functions that
 * requests use, and shows the line that decides each. It asks no running instance. */
#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/http/h1.h"
#include "lib/net/resolver.h"
#include "proxy/ctl/commands.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"
#include "squid-compat/ports_url.h"
#include "squid-compat/refresh_pattern.h"

enum { HEAD_MAX_BYTES = 65536 };
enum { OPTION_SRC, OPTION_USER, OPTION_HEADER };

const struct ctl_option ctl_acl_options[] = {
	[OPTION_SRC] = {"src", 's', "ADDR", "the client's address (127.0.0.1)"},
	[OPTION_USER] = {"user", 'u', "NAME", "who has logged in; without it, nobody"},
	[OPTION_HEADER] = {"header", 'H', "'NAME: VALUE'", "a header field; may be repeated", true},
	{0},
};

const char ctl_acl_help[] =
	"Reads the configuration, not the running instance. \"-\" is a line that does not match, with\n"
	"the ACL at which that was clear; \"*\" the one that decides. Names that ACLs need are looked up.\n"
	"Exit status: 0 if http_access and adapted_http_access allow it, 1 if not.\n";

struct question {
	struct arena arena;
	struct buf url, head;
	struct port_url parts;
	struct http_request request; /* over head */
	struct acl_facts facts;
	struct addr client, addrs[RESOLVER_MAX_ADDRS];
};

static struct str part(const struct question *q, struct http_span span)
{
	return (struct str){q->url.at + span.at, span.len};
}

/* ---- the request */

static bool parse_head(struct question *q, const struct ctl_args *args)
{
	static const struct h1_limits limits = {HEAD_MAX_BYTES, HEAD_MAX_BYTES, false, false};
	struct h1_parser parser = {0};

	buf_printf(&q->head, "%s %.*s HTTP/1.1\r\nHost: %.*s\r\n", args->words[0],
		   STR_ARG(part(q, q->parts.path)), STR_ARG(part(q, q->parts.authority)));
	for (unsigned i = 0; i < args->ngiven; i++)
		if (args->given[i].option == OPTION_HEADER)
			buf_printf(&q->head, "%s\r\n", args->given[i].value);
	buf_add_str(&q->head, STR("\r\n"));
	if (h1_parse_request(&parser, q->head.at, q->head.len, &limits, &q->request) == H1_DONE)
		return true;
	ctl_fail("no request can be made of that: %s", h1_error_info(parser.error)->text);
	return false;
}

static bool set_up(struct question *q, const struct config *config, const struct ctl_args *args)
{
	const char *src = ctl_given(args, OPTION_SRC), *user = ctl_given(args, OPTION_USER);
	const struct port *port = config->ports->first;

	if (port_url_absolute(str_of(args->words[1]), config->url_rules, &q->url, &q->parts) !=
	    PORT_URL_OK) {
		ctl_fail("'%s' is no URL: http://HOST/PATH is asked for", args->words[1]);
		return false;
	}
	if (!addr_parse(str_of(src ? src : "127.0.0.1"), 0, &q->client)) {
		ctl_fail("'%s' is no address", src);
		return false;
	}
	if (!parse_head(q, args))
		return false;
	q->facts.arena = &q->arena;
	q->facts.client = &q->client;
	q->facts.local = port ? &port->addr : NULL;
	q->facts.port_name = port ? port->name : STR_NONE;
	q->facts.is_secure = port && port->is_tls;
	q->facts.client_connections = 1;
	q->facts.request = &q->request;
	q->facts.method = str_of(args->words[0]);
	q->facts.now_s = clock_wall_s();
	q->facts.auth = user ? ACL_AUTH_OK : ACL_AUTH_NONE;
	q->facts.user = user ? str_of(user) : STR_NONE;
	acl_facts_set_url(&q->facts, buf_str(&q->url), part(q, q->parts.scheme),
			  part(q, q->parts.host), q->parts.port, part(q, q->parts.path));
	return true;
}

/* ---- lists */

static struct acl_host_name host_name(struct question *q, const struct addr *addr)
{
	char host[RESOLVER_HOST_BYTES];

	return (struct acl_host_name){
		.is_known = true,
		.name = arena_str(&q->arena, resolver_blocking_host(addr, host)),
	};
}

static void fetch_fact(struct question *q, enum acl_need need)
{
	struct addr addr = {0};
	char *host;

	switch (need) {
	case ACL_NEED_DST_ADDRS:
		host = str_dup(q->facts.host);
		q->facts.ndst_addrs = resolver_blocking(host, q->facts.port, q->addrs,
							RESOLVER_MAX_ADDRS);
		q->facts.dst_addrs = q->addrs;
		q->facts.has_dst_addrs = true;
		mem_free(host);
		break;
	case ACL_NEED_CLIENT_NAME:
		q->facts.client_name = host_name(q, &q->client);
		break;
	case ACL_NEED_DST_NAME:
		addr_parse(q->facts.host, 0, &addr);
		q->facts.host_name = host_name(q, &addr);
		break;
	default:
		q->facts.is_fast = true; /* a helper's answer: what is not known is a mismatch */
		break;
	}
}

static void tell_line(void *user, const char *line, bool matches, const char *last_acl)
{
	bool *has_matched = user;

	*has_matched = matches;
	if (matches)
		printf("  * %s\n", line);
	else
		printf("  - %s (not %s)\n", line, last_acl);
}

/* Shows the lines of list, and what follows from them. */
static bool show_list(struct question *q, const char *name, const char *of,
		      const struct access_list *list, enum acl_verdict otherwise)
{
	struct acl_result result = {0};
	bool has_matched = false, was_fast = q->facts.is_fast;
	enum acl_verdict verdict;

	while (access_list_check(list, otherwise, &q->facts, &result) == ACL_NEED)
		fetch_fact(q, result.need);
	printf("%s%s%s\n", name, *of ? " " : "", of);
	verdict = access_list_explain(list, otherwise, &q->facts, &result, tell_line, &has_matched);
	q->facts.is_fast = was_fast;
	printf("  %s%s\n", verdict == ACL_ALLOW ? "allow" : "deny",
	       access_list_is_empty(list) ? ": there is no line"
	       : result.is_auth_required  ? ": a user must log in"
	       : result.is_undecided      ? ": an ACL cannot be decided"
	       : has_matched              ? ""
					  : ": no line matches, the opposite of the last");
	return verdict == ACL_ALLOW;
}

static bool show_all(struct question *q, const struct config *config)
{
	bool is_allowed = show_list(q, "http_access", "", config->http_access, ACL_DENY);

	is_allowed &=
		show_list(q, "adapted_http_access", "", config->adapted_http_access, ACL_ALLOW);
	show_list(q, "cache", "", config->cache, ACL_ALLOW);
	show_list(q, "miss_access", "", config->miss_access, ACL_ALLOW);
	show_list(q, "always_direct", "", config->always_direct, ACL_DENY);
	for (const struct peer *peer = config->peers->first; peer; peer = peer->next)
		show_list(q, "cache_peer_access", peer->name.at, peer->access, ACL_ALLOW);
	printf("refresh_pattern\n  * %s\n",
	       refresh_rules_find(config->refresh, buf_str(&q->url))->text);
	return is_allowed;
}

int ctl_run_acl(struct ctl *ctl, const struct ctl_args *args)
{
	const struct config *config = ctl_config(ctl);
	struct question *q;
	int status = CTL_FAILED;

	if (!config)
		return CTL_FAILED;
	q = mem_zalloc(sizeof(*q));
	buf_init(&q->url, HEAD_MAX_BYTES);
	buf_init(&q->head, HEAD_MAX_BYTES);
	arena_init(&q->arena, NULL, 0);
	if (set_up(q, config, args) && show_all(q, config))
		status = CTL_OK;
	buf_fini(&q->url);
	buf_fini(&q->head);
	arena_fini(&q->arena);
	mem_free(q);
	return status;
}
