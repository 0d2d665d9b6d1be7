/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists, logs and sitemaps that somebody else wrote: what is taken for a URL can stand in a request
 * line, and each comes once. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/base/check.h"
#include "proxy/ctl/url_list.h"

static void check_url(const char *url)
{
	check(str_starts_with(str_of(url), STR("http://")) ||
	      str_starts_with(str_of(url), STR("https://")));
	check(strlen(url) <= URL_LIST_MAX_URL_BYTES);
	for (; *url; url++)
		check((unsigned char)*url > ' ' && *url != 0x7f && *url != '#');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str text = {(const char *)bytes, len};
	struct url_list list;
	size_t n;

	url_list_init(&list);
	url_list_read(&list, text, STR("http://site"));
	n = list.n;
	check(n <= len);
	for (size_t i = 0; i < n; i++)
		check_url(list.urls[i]);
	url_list_read(&list, text, STR("http://site"));
	check(list.n == n);
	url_list_fini(&list);
	return 0;
}
