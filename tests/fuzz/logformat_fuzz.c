/* SPDX-License-Identifier: BSD-2-Clause */
/* A format and a value, apart by a newline: the value stands for all that comes from outside. Whatever
 * the format, no encoded value ends its line, and none becomes HTML on an error page. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/check.h"
#include "squid-compat/log/logformat.h"
#include "squid-compat/pages/error_page.h"

enum { MAX_OUT = 1 << 22 };

static void check_encodings(struct str value)
{
	static const char *const formats[] = {"%[un", "%\"un", "%#un", "%un"};
	const struct log_facts facts = {.auth_user = value};
	struct arena arena;
	struct buf out;

	arena_init(&arena, NULL, 0);
	buf_init(&out, MAX_OUT);
	for (size_t i = 0; i < COUNT(formats); i++) {
		buf_clear(&out);
		logformat_render(logformat_compile(str_of(formats[i]), &arena, NULL), &facts, &out);
		for (size_t j = 0; j < out.len; j++)
			check((unsigned char)out.at[j] >= ' ' && out.at[j] != 127);
	}
	buf_fini(&out);
	arena_fini(&arena);
}

static void check_format(struct str text, struct str value)
{
	const struct log_request request = {.method = value, .url = value, .path = value};
	const struct log_facts facts = {
		.request = request,
		.client_request = request,
		.auth_user = value,
		.mime_type = value,
		.err_detail = value,
	};
	struct report *report = report_create();
	const struct logformat *format;
	struct arena arena;
	struct buf out;

	arena_init(&arena, NULL, 0);
	buf_init(&out, MAX_OUT);
	format = logformat_compile(text, &arena, report);
	check(!!format == (report_count(report, REPORT_FATAL) == 0));
	if (format)
		logformat_render(format, &facts, &out);
	buf_fini(&out);
	arena_fini(&arena);
	report_destroy(report);
}

static void check_page(struct str text, struct str value)
{
	const struct log_request request = {.method = value, .url = value, .path = value};
	const struct error_facts facts = {
		.name = ERROR_ACCESS_DENIED,
		.request = &request,
		.detail = value,
		.user = value,
		.external_message = value,
	};
	const struct error_template all = {.text = STR("%u%B%U%M%R%D%a%o%O%x%m%z%Z%H%P")};
	const struct error_template any = {.text = text};
	struct error_pages pages = {0};
	struct buf out;

	buf_init(&out, MAX_OUT);
	error_template_render(&pages, &all, &facts, &out);
	for (size_t i = 0; i < out.len; i++)
		check(out.at[i] != '<' && out.at[i] != '>' && out.at[i] != '"');
	error_template_render(&pages, &any, &facts, &out);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str all = {(const char *)bytes, len};
	struct str text = str_first(all, str_find_char(all, '\n'));
	struct str value = str_from(all, text.len + 1);

	check_encodings(value);
	check_format(text, value);
	check_page(text, value);
	return 0;
}
