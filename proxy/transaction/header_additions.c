/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/header_additions.h"

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/log/logformat.h"
#include "squid-compat/report.h"

enum { VALUE_MAX_BYTES = 65536 };

struct header_additions {
	struct arena arena;
	size_t n;
	struct {
		const struct header_addition *what;
		const struct logformat *format;
	} at[];
};

struct header_additions *header_additions_create(const struct header_rules *rules)
{
	size_t n = header_rules_nadditions(rules);
	struct header_additions *additions;
	struct report *report;

	if (n == 0)
		return NULL;
	additions = mem_zalloc(sizeof(*additions) + n * sizeof(additions->at[0]));
	additions->n = n;
	arena_init(&additions->arena, NULL, 0);
	report = report_create();
	for (size_t i = 0; i < n; i++) {
		const struct header_addition *what = header_rules_addition(rules, i);

		additions->at[i].what = what;
		additions->at[i].format =
			logformat_compile(what->format, &additions->arena, report);
		check(additions->at[i].format); /* header_rules_parse_add takes no other */
	}
	report_destroy(report);
	return additions;
}

void header_additions_destroy(struct header_additions *additions)
{
	if (!additions)
		return;
	arena_fini(&additions->arena);
	mem_free(additions);
}

static bool is_clean(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.at[i] < 32 && value.at[i] != '\t')
			return false;
	return true;
}

void header_additions_write(const struct header_additions *additions, struct acl_facts *acl_facts,
			    const struct log_facts *facts, struct buf *out)
{
	struct buf value;

	buf_init(&value, VALUE_MAX_BYTES);
	for (size_t i = 0; additions && i < additions->n; i++) {
		const struct header_addition *what = additions->at[i].what;

		if (!acl_condition_holds(what->condition, acl_facts))
			continue;
		buf_clear(&value);
		logformat_render(additions->at[i].format, facts, &value);
		if (!is_clean(buf_str(&value)))
			continue;
		buf_add_str(out, what->name);
		buf_add_str(out, STR(": "));
		buf_add_str(out, buf_str(&value));
		buf_add_str(out, STR("\r\n"));
	}
	buf_fini(&value);
}
