/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/ports_url.h: the URL that a request on a port is for.
 *
 * Pure, one pass, no allocation once the buffer has its size: it is on the path of each request.
 * The parser has checked the request-target and the Host field before (lib/http/h1.h); what it lets
 * through and is no host[:port] still gives PORT_URL_NO_SITE here. Any thread. */
#ifndef SQUID_COMPAT_PORTS_URL_H
#define SQUID_COMPAT_PORTS_URL_H
#include "lib/base/buf.h"
#include "lib/http/message.h"
#include "lib/net/addr.h"
#include "squid-compat/ports.h"

enum port_url_verdict {
	PORT_URL_OK,
	PORT_URL_NO_SITE,    /* nothing names the site, or it is malformed: 400 ERR_INVALID_URL */
	PORT_URL_BAD_SCHEME, /* absolute-form with a scheme other than http and https:
				400 ERR_UNSUP_REQ */
};

/* What a configuration says of site names. NULL instead: nothing. */
struct port_url_rules {
	struct str append_domain; /* ".example.com", for names without a dot; empty: none */
	bool refuses_underscore;  /* check_hostnames on with allow_underscore off */
};

/* Spans over the URL text: "SCHEME://AUTHORITY/PATH?QUERY". */
struct port_url {
	struct http_span scheme;    /* "http" or "https" */
	struct http_span authority; /* HOST[:PORT], what the Host field upstream says */
	struct http_span host;      /* lower case, no trailing dot, IPv6 without its brackets */
	struct http_span path;      /* with the query; begins with '/' */
	uint16_t port;              /* also when the text leaves it out */
	bool is_https;
};

/* What decides what URL a request is for. */
struct port_request {
	const struct port *port;
	struct str target; /* the request-target: origin-form, absolute-form; others have no site */
	struct str host;   /* the value of Host; STR_NONE or empty when there is none */
	const struct addr *local; /* where the client connected to; asked for with vport only */
	const struct port_url_rules *rules;
};

/* The URL replaces what is in out; *url is filled on PORT_URL_OK only. */
enum port_url_verdict port_request_url(const struct port_request *request, struct buf *out,
				       struct port_url *url);

/* Reads an absolute URL ("http://host[:port]/path", from a rewriter, say) by the same rules: what
 * it writes is normalised as above. */
enum port_url_verdict port_url_absolute(struct str text, const struct port_url_rules *rules,
					struct buf *out, struct port_url *url);

/* Cuts "host[:port]" (a defaultsite); *port 0: none said. False: it is no such thing. */
bool port_cut_site(struct str text, struct str *host, uint16_t *port);

#endif
