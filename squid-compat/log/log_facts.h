/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/log/log_facts.h: what is known about a transaction when it is logged, or asked
 * about.
 *
 * A plain struct that proxy/ fills; zeroed, it is a connection that sent nothing. Everything in it
 * is borrowed. Absent: STR_NONE, NULL, or what is said below; it renders as "-".
 * Threads: one a struct. */
#ifndef SQUID_COMPAT_LOG_FACTS_H
#define SQUID_COMPAT_LOG_FACTS_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/http/message.h"
#include "lib/net/addr.h"
#include "squid-compat/log/log_tags.h"

struct tls_peer; /* lib/net/tls_identity.h */

/* A request line at one point of its way: as the client sent it (after the URL was rebuilt), as it
 * stands after rewriting, as it went to the server. */
struct log_request {
	struct str method;
	struct str url;    /* absolute, or "error:invalid-request" */
	struct str scheme; /* parts of url, where it has them */
	struct str host;
	struct str path;   /* with the query */
	uint16_t port;     /* 0: none */
	uint8_t major, minor; /* 0.0 with no version */
};

struct log_note {
	struct str key, value;
};

/* Directives that change how some codes print. */
struct log_options {
	bool keeps_query;        /* strip_query_terms off */
	bool logs_mime_headers;  /* log_mime_hdrs on, or logformats.wants_mime */
	bool has_client_mask;    /* client_netmask */
	uint8_t client_mask[16]; /* over the address as IPv6 (IPv4 mapped) */
};

struct log_facts {
	const struct log_options *options; /* NULL: the defaults */
	int64_t start_us, end_us;          /* wall clock */
	int64_t response_ms;               /* %tr */
	int64_t dns_ms, peer_ms, server_ms; /* %dt %<pt %<tt, where they are known: */
	bool has_dns_ms, has_peer_ms, has_server_ms;

	const struct addr *client;       /* %>a %>p; NULL: not known */
	struct str client_name;          /* %>A, without it the address */
	const struct addr *client_local; /* %>la %>lp: where the client connected to */
	const struct addr *listening;    /* %la %lp: the port's own; NULL: as client_local */
	const struct addr *server;       /* %<a %<p */
	struct str server_name;          /* %<A: host or name= of the peer */
	const struct addr *server_local; /* %<la %<lp */

	struct log_request client_request; /* %>rm ... */
	struct log_request request;        /* %rm ...: as it stands at the end */
	struct log_request server_request; /* %<rm ... */

	int status;        /* %>Hs: sent to the client; 0: none */
	int server_status; /* %<Hs; 0: none */
	enum log_tag tag;
	unsigned tag_suffixes; /* enum log_tag_suffix */
	enum log_hier hier;

	uint64_t bytes_in, head_bytes_in;   /* %>st %>sh: from the client */
	uint64_t bytes_out, head_bytes_out; /* %<st %<sh: to the client */
	uint64_t body_bytes_out;            /* %<sH: highest offset of the body that was sent */
	int64_t object_bytes;               /* %<sS; with has_object_bytes */
	uint64_t server_body_bytes;         /* %<bs; with has_server_body */
	bool has_object_bytes, has_server_body;

	struct str auth_user, external_user, tls_user; /* %ul %ue, and of the certificate */
	struct str credentials;
	struct str external_tag, external_log;         /* %et %ea */
	struct str acl_name, acl_data; /* of the external ACL that asks; data quoted already */
	struct str mime_type;       /* Content-Type of the reply, parameters and all */
	const struct http_head *request_head;          /* %>h; NULL: none */
	const struct http_head *adapted_head;          /* %>ha; NULL: as request_head */
	const struct http_head *reply_head;            /* %<h: as sent to the client; NULL: none */
	const struct log_note *notes;
	unsigned nnotes;
	struct str err_code, err_detail; /* "ERR_ACCESS_DENIED" */
	uint64_t sequence;      /* %sn */
	uint64_t transaction;   /* %master_xaction */
	struct str tls_version, tls_cipher, tls_sni; /* %tls::>negotiated_version ... */
	struct str tls_subject, tls_issuer; /* of the client's certificate */
	const struct tls_peer *tls_peer;    /* likewise, its attributes; NULL: it has shown none */
};

#endif
