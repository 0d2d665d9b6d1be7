/* SPDX-License-Identifier: BSD-2-Clause */
/* A date: what is read, written anew, reads the same. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/check.h"
#include "lib/http/date.h"

static void check_text(struct str text)
{
	int64_t time_s = 0, again = 0;
	char out[DATE_SIZE];

	if (!date_parse(text, 1700000000, &time_s))
		return;
	date_format(time_s, out);
	check(strlen(out) == DATE_SIZE - 1);
	check(date_parse(str_of(out), 0, &again));
	check(again == time_s);
}

static void check_time(int64_t time_s)
{
	char out[DATE_SIZE];
	int64_t again = 0;

	date_format(time_s, out);
	check(strlen(out) == DATE_SIZE - 1);
	check(date_parse(str_of(out), 0, &again));
	check(again == time_s || out[12] == '9' || out[12] == '0');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	int64_t time_s = 0;

	check_text((struct str){(const char *)bytes, len});
	memcpy(&time_s, bytes, len < sizeof(time_s) ? len : sizeof(time_s));
	check_time(time_s);
	return 0;
}
