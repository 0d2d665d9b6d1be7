/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/messages.h: parsed messages from text, for tests of what reads them. The text must
 * outlive the message; it is parsed as HTTP/1 and must be sound. */
#ifndef TESTS_SUPPORT_MESSAGES_H
#define TESTS_SUPPORT_MESSAGES_H
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/http/h1.h"

static const struct h1_limits message_limits = {
	.head_bytes = 65536, .target_bytes = 65536, .allow_no_host = true};

/* A request of method for /, with these lines ("Name: value\r\n..."); text holds the bytes. */
static inline void message_request(const char *method, const char *lines, char *text, size_t size,
				   struct http_request *out)
{
	struct h1_parser parser = {0};
	int n = snprintf(text, size, "%s / HTTP/1.1\r\nHost: www.example\r\n%s\r\n", method, lines);

	check(n > 0 && (size_t)n < size);
	check(h1_parse_request(&parser, text, (size_t)n, &message_limits, out) == H1_DONE);
}

static inline void message_response(int status, const char *lines, char *text, size_t size,
				    struct http_response *out)
{
	struct h1_parser parser = {0};
	int n = snprintf(text, size, "HTTP/1.1 %d Reason\r\n%s\r\n", status, lines);

	check(n > 0 && (size_t)n < size);
	check(h1_parse_response(&parser, text, (size_t)n, &message_limits, HTTP_GET, out) ==
	      H1_DONE);
}

#endif
