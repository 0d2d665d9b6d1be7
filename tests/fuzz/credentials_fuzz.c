/* SPDX-License-Identifier: BSD-2-Clause */
/* The value of an Authorization field: what is taken is two texts on one line. */
#include "tests/fuzz/fuzz.h"

#include "helpers/credentials.h"
#include "lib/base/check.h"

static void check_part(const struct credentials *credentials, struct str part)
{
	check(part.len > 0 && part.at >= credentials->bytes &&
	      part.at + part.len <= credentials->bytes + sizeof(credentials->bytes));
	check(!memchr(part.at, '\n', part.len) && !memchr(part.at, '\r', part.len) &&
	      !memchr(part.at, '\0', part.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct credentials credentials;

	for (int options = 0; options < 4; options++) {
		struct str value = {(const char *)bytes, len};

		if (!credentials_read(value, (enum credentials_options)options, &credentials))
			continue;
		check_part(&credentials, credentials.user);
		check_part(&credentials, credentials.pass);
	}
	return 0;
}
