/* SPDX-License-Identifier: BSD-2-Clause */
/* A URL, an authority, and percent-encoding. A normal form is its own normal form. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/http/uri.h"

enum { MAX_TEXT = 1 << 22 };

static void check_url(struct str text)
{
	struct buf once, twice;
	struct uri uri, again;

	if (!uri_parse(text, &uri))
		return;
	check(uri.port > 0 && uri.host.len > 0 && uri_is_path_and_query(uri.path_and_query));
	buf_init(&once, MAX_TEXT);
	buf_init(&twice, MAX_TEXT);
	check(uri_add(&once, &uri));
	check(uri_parse(buf_str(&once), &again));
	check(again.port == uri.port && again.is_https == uri.is_https);
	check(uri_add(&twice, &again));
	check(str_eq(buf_str(&once), buf_str(&twice)));
	buf_fini(&once);
	buf_fini(&twice);
}

static void check_authority(struct str text)
{
	struct str host;
	uint16_t port;
	bool has_port;

	if (!uri_parse_authority(text, &host, &port, &has_port))
		return;
	check(host.at == text.at && host.len > 0 && host.len <= text.len);
	check(has_port == (port > 0));
}

/* What %XX stands for, for uri_escape_1738's output alone. */
static size_t unescape(struct str s, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char digits[3] = {0};

		if (s.at[i] != '%') {
			out[n++] = s.at[i];
			continue;
		}
		check(s.len - i > 2);
		memcpy(digits, s.at + i + 1, 2);
		out[n++] = (char)strtoul(digits, NULL, 16);
		i += 2;
	}
	return n;
}

static void check_escapes(struct str text)
{
	struct buf escaped;
	char *back;
	size_t len;

	buf_init(&escaped, MAX_TEXT);
	check(uri_escape_1738(&escaped, text));
	back = mem_alloc(escaped.len + 1);
	len = unescape(buf_str(&escaped), back);
	check(str_eq((struct str){back, len}, text));
	mem_free(back);
	buf_fini(&escaped);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str text = {(const char *)bytes, len};

	check_url(text);
	check_authority(text);
	check_escapes(text);
	return 0;
}
