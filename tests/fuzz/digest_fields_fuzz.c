/* SPDX-License-Identifier: BSD-2-Clause */
/* The value of an Authorization field: what is taken lies within it, is clean and complete. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "helpers/digest_fields.h"
#include "helpers/line.h"
#include "lib/base/check.h"

static void check_part(const char *bytes, size_t len, struct str part)
{
	check(part.len == 0 || (part.at >= bytes && part.at + part.len <= bytes + len));
	check(helper_value_is_clean(part));
}

static void check_fields(const char *bytes, size_t len, const struct digest_fields *fields)
{
	const struct str parts[] = {fields->username, fields->realm, fields->nonce,
				    fields->uri, fields->cnonce, fields->nc_text};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_part(bytes, len, parts[i]);
	check(fields->username.len > 0 && fields->nonce.len > 0 && fields->uri.len > 0);
	check(!memchr(fields->username.at, '"', fields->username.len));
	check((fields->nc > 0) == (fields->cnonce.len > 0));
	for (size_t i = 0; i < digest_hash_chars(fields->algorithm); i++)
		check(ascii_hex(fields->response[i]) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str value = {(const char *)bytes, len};
	struct digest_fields fields;
	char *copy = malloc(len + 1);

	check(copy != NULL);
	if (digest_fields_read(value, copy, &fields))
		check_fields(copy, len, &fields);
	free(copy);
	return 0;
}
