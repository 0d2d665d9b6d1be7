/* SPDX-License-Identifier: BSD-2-Clause */
/* A URL, an authority, and percent-encoding. A normal form is its own normal form. */
#include "tests/fuzz/fuzz.h"

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

static void check_escapes(struct str text)
{
	char *decoded = mem_alloc(text.len + 1), *back;
	struct buf escaped;
	size_t len;

	check(uri_percent_decode(text, decoded) <= text.len);
	mem_free(decoded);
	buf_init(&escaped, MAX_TEXT);
	check(uri_escape_1738(&escaped, text));
	back = mem_alloc(escaped.len + 1);
	len = uri_percent_decode(buf_str(&escaped), back);
	/* A NUL is not decoded. */
	if (str_find_char(text, '\0') == text.len)
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
