/* SPDX-License-Identifier: BSD-2-Clause */
/* A PROXY header: the verdict does not depend on how the bytes came. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/net/proxy_header.h"

/* What was read can be said again, and reads as the same. */
static void check_again(const struct proxy_header *header, unsigned version)
{
	char text[PROXY_HEADER_MADE_BYTES], one[ADDR_TEXT_BYTES], other[ADDR_TEXT_BYTES];
	size_t len = proxy_header_write(version, &header->client, &header->local, text);
	struct proxy_header again;

	check(len < sizeof(text));
	check(proxy_header_parse(text, len, &again) == PROXY_HEADER_DONE && again.len == len);
	check(again.has_addrs && addr_eq_ip(&again.client, &header->client));
	check(strcmp(addr_text(&again.local, one), addr_text(&header->local, other)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *text = (const char *)bytes;
	struct proxy_header whole, part;
	enum proxy_header_verdict verdict = proxy_header_parse(text, len, &whole);
	enum proxy_header_verdict earlier = PROXY_HEADER_MORE;
	size_t shown = 0;
	char addr[ADDR_TEXT_BYTES];

	while (earlier == PROXY_HEADER_MORE && shown < len)
		earlier = proxy_header_parse(text, ++shown, &part);
	check(earlier == verdict);
	check(verdict != PROXY_HEADER_MORE || len < PROXY_HEADER_MAX_BYTES);
	if (verdict != PROXY_HEADER_DONE)
		return 0;
	check(whole.len == part.len && whole.len <= len && whole.len == shown);
	check(whole.has_addrs == part.has_addrs);
	if (whole.has_addrs) {
		check(memcmp(&whole.client, &part.client, addr_len(&whole.client)) == 0);
		check(strlen(addr_text(&whole.local, addr)) > 0);
		check_again(&whole, 1);
		check_again(&whole, 2);
	}
	return 0;
}
