/* SPDX-License-Identifier: BSD-2-Clause */
/* Forms of the status page: what is read is a text that fits, without control bytes. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/check.h"
#include "proxy/manager/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct str form = {(const char *)bytes, len};
	char out[16];
	const char *value = form_value(form, STR("text"), out, sizeof(out));

	if (!value)
		return 0;
	check(strlen(value) < sizeof(out) && strlen(value) <= len);
	for (; *value; value++)
		check((unsigned char)*value >= ' ' && *value != 0x7f);
	return 0;
}
