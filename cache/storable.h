/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/storable.h: may a response be kept for later requests? RFC 9111 §3, with Squid's
 * directives. Threads: pure functions. */
#ifndef CACHE_STORABLE_H
#define CACHE_STORABLE_H
#include <stdbool.h>
#include <stdint.h>

#include "cache/freshness.h"
#include "lib/http/message.h"

enum storable_verdict {
	STORABLE_NO,
	STORABLE_YES,
	STORABLE_NEGATIVE, /* for negative_ttl; storable_make_negative sets its times */
};

struct control_reader; /* cache/targeted_control.h */

struct storable_policy {
	const struct refresh_rule_values *rule;
	int64_t minimum_expiry_s; /* minimum_expiry_time, 60 by default */
	int64_t negative_ttl_s;   /* 0: none */
	uint64_t max_body_bytes;  /* of a declared length; 0: no bound */
	uint64_t min_body_bytes;
	bool has_login; /* the origin got credentials that the client's request did not bring */
	bool is_offline; /* what is stored serves for ever: no lifetime is needed */
	bool ignore_cc; /* the port's: the client's Cache-Control does not count */
	uint32_t control; /* the response's directives, as freshness_facts_read returns them */
	bool names_target; /* the response's Content-Location is the request's URL */
	bool takes_parts; /* a 206 may be kept as a part of a response; otherwise it is not */
};

/* request: what the client asked (method, Authorization, Cache-Control). *reason is a static phrase
 * that says what decided, whatever the verdict. */
enum storable_verdict storable_decide(const struct http_request *request,
				      const struct http_response *response,
				      const struct freshness_facts *facts,
				      const struct storable_policy *policy, const char **reason);

/* What was read becomes the times of an answer that lives for negative_ttl. */
void storable_make_negative(struct freshness_facts *facts, int64_t negative_ttl_s);

/* May this field of a response be stored, for others to get? Not: hop-by-hop fields, Age,
 * Set-Cookie (unless the reader keeps cookies) and what private="..." or no-cache="..." names. RFC
 * 9111 §3.1, §5.2.2.4, §5.2.2.7. */
bool storable_keeps_field(const struct http_head *head, const struct http_field *field,
			  const struct control_reader *reader);

/* An answer to a GET with this status takes the place of the stored one even if it is not stored
 * itself. Squid: 200 203 300 301 302 303 403 404 405 410. */
bool storable_status_displaces(int status);

#endif
