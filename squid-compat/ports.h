/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/ports.h: http_port and https_port lines: where to listen and how requests that come
 * in there are read. Squid: cf.data.pre, http_port, https_port.
 *
 *     http_port [HOST:]PORT [option ...]
 *     http_port unix:PATH [mode=OCTAL] [option ...]      (not Squid's)
 * The order of options counts: one that needs accelerator mode stands behind `accel`.
 * Memory: everything lies in the arena given to ports_init. One thread's while parsing, immutable
 * afterwards. */
#ifndef SQUID_COMPAT_PORTS_H
#define SQUID_COMPAT_PORTS_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/net/addr.h"
#include "squid-compat/report.h"
#include "squid-compat/tls/tls_files.h"
#include "squid-compat/tls/tls_options.h"
#include "squid-compat/words.h"
#include "squid-compat/world.h"

enum port_pmtu {
	PORT_PMTU_SYSTEM = 0, /* not said */
	PORT_PMTU_OFF,        /* disable-pmtu-discovery=off: the system's as well */
	PORT_PMTU_TRANSPARENT, /* never, for intercepted connections: there are none */
	PORT_PMTU_ALWAYS,     /* never discover */
};

struct port_keepalive {
	bool is_on;
	int idle_s, interval_s, timeout_s; /* 0: the system's */
};

struct port {
	struct str spec;         /* the address as written: "80", "127.0.0.1:80" */
	struct str name;         /* name=, else spec: what the ACL type myportname sees */
	struct addr addr;        /* where to bind, with the port */
	struct str unix_path;    /* unix:PATH; with a NUL behind it. addr is of AF_UNIX then, and nothing
	                            else in it counts. STR_NONE: a TCP port */
	unsigned unix_mode;      /* mode=: of the socket's file */
	bool is_any;             /* no address was named: IPv6 dual-stack, or IPv4 */
	bool is_ipv4_only;       /* ipv4: with is_any, 0.0.0.0 */
	bool is_https_line;      /* https_port rather than http_port */
	bool is_tls;             /* the socket speaks TLS (protocol= decides, not the directive) */

	bool is_accel;           /* requests are for our own sites */
	bool has_vhost;          /* the Host field chooses the site */
	bool is_https_url;       /* rebuilt URLs begin with https:// */
	struct str defaultsite;  /* "NAME" or "NAME:port" as written; STR_NONE: none */
	bool has_vport;          /* vport: the URL's port is that of the local address */
	uint16_t vport;          /* vport=NN: it is this; 0: not said */
	/* defaultsite cut for port_request_url; site_host is STR_NONE without one, or if it is no
	 * host[:port]. */
	struct str site_host;
	uint16_t site_port;      /* 0: the scheme's */

	bool is_act_as_origin;
	bool is_ignore_cc;
	bool may_go_direct;      /* allow-direct */
	bool has_connection_auth;
	bool needs_proxy_header; /* require-proxy-header */
	bool has_worker_queues;
	bool no_http2;           /* ours: no-http2, not offered by ALPN */
	bool has_h2c;            /* ours: h2c, HTTP/2 in clear with prior knowledge */
	int session_ttl_s; /* of TLS; sslproxy_session_ttl */
	int recv_bytes;          /* tcp_recv_bufsize; 0: the system's */
	enum port_pmtu pmtu;
	struct port_keepalive keepalive;
	struct tls_options tls;
	struct str tls_priorities;  /* of GnuTLS; with a NUL behind it */
	struct tls_files tls_files; /* as they were when the line was read */
	unsigned index;          /* 0.. in the order of the file */
	struct port *next;       /* in the order of the file */
};

struct ports {
	struct port *first;
	unsigned n;
	/* private */
	struct port **last_;
	struct arena *arena_;
	const struct world *world_;
	const char *password_program_; /* for the lines to come */
};

/* Arena and world must outlive the parsing; the arena also the ports. */
void ports_init(struct ports *ports, struct arena *arena, const struct world *world);

/* One line; its directive (http_port, ascii_port or https_port) is words->at[0]. A line that Squid
 * calls bungled says REPORT_FATAL and adds no port. */
void ports_parse(struct ports *ports, const struct words *words, struct report *report);

/* Squid 2.5: httpd_accel_* make accelerators of all ports. False, and nothing done, if one says
 * itself that it is an accelerator. */
struct httpd_accel; /* squid-compat/translate.h */
bool ports_accelerate(struct ports *ports, const struct httpd_accel *accel);

/* Does some port have a site of its own for requests without Host? (h1_limits.allow_no_host) */
bool port_allows_no_host(const struct port *port);

#endif
