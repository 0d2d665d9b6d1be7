/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/uri_whitespace.h"

#include "lib/base/buf.h"
#include "lib/http/uri.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void add_encoded(struct buf *out, char c)
{
	buf_add_str(out, c == ' ' ? STR("%20") : STR("%09"));
}

static bool is_target(struct str text)
{
	struct uri uri;

	return text.len > 0 && text.at[0] == '/' ? uri_is_path_and_query(text)
	                                         : uri_parse(text, &uri);
}

bool uri_whitespace_mend(enum uri_whitespace how, struct str target, struct buf *out)
{
	size_t before = out->len;

	for (size_t i = 0; i < target.len; i++) {
		char c = target.at[i];

		if (!is_blank(c))
			buf_add_char(out, c);
		else if (how == URI_WHITESPACE_ENCODE || how == URI_WHITESPACE_ALLOW)
			add_encoded(out, c);
		else if (how != URI_WHITESPACE_STRIP)
			break;
	}
	return !out->is_full && is_target(str_from(buf_str(out), before));
}
