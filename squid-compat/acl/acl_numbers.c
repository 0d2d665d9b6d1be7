/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers: N, N-M and, for a status, N- (N and all above). */
#include "lib/base/heap.h"
#include "squid-compat/acl/acl_internal.h"

enum { MAX_NUMBER = 65535 };

struct number_range {
	unsigned lo, hi;
};

struct numbers {
	struct number_range *ranges;
	size_t n, cap;
};

static bool parse_number(struct str text, unsigned *out)
{
	uint64_t value;

	if (!str_to_u64(text, &value) || value > MAX_NUMBER)
		return false;
	*out = (unsigned)value;
	return true;
}

static bool parse_range(struct str value, bool may_be_open, struct number_range *out)
{
	size_t hyphen = str_find_char(value, '-');
	struct str last = str_from(value, hyphen + 1);

	if (!parse_number(str_first(value, hyphen), &out->lo))
		return false;
	out->hi = out->lo;
	if (hyphen == value.len)
		return true;
	if (last.len == 0 && may_be_open) {
		out->hi = MAX_NUMBER;
		return true;
	}
	return parse_number(last, &out->hi) && out->lo <= out->hi;
}

static void parse_numbers(struct acl *acl, struct acl_reader *reader)
{
	struct numbers *numbers = acl->values;
	bool may_be_open = acl->type->flags & ACL_WANTS_REPLY;
	struct number_range range;
	struct str value;

	while (acl_reader_next(reader, &value)) {
		if (!parse_range(value, may_be_open, &range)) {
			report_say(reader->report, REPORT_FATAL,
			           "ACL '%s': '%.*s' is no number and no range of numbers from 0 "
			           "to %d",
			           acl->name, STR_ARG(value), MAX_NUMBER);
			continue;
		}
		if (numbers->n == numbers->cap) {
			numbers->cap = numbers->cap > 0 ? numbers->cap * 2 : 4;
			numbers->ranges = mem_realloc(numbers->ranges,
			                              numbers->cap * sizeof(*numbers->ranges));
		}
		numbers->ranges[numbers->n++] = range;
	}
}

static bool has_no_numbers(const void *values)
{
	return ((const struct numbers *)values)->n == 0;
}

static uint64_t filter_of_numbers(const void *values)
{
	const struct numbers *numbers = values;
	uint64_t bits = 0;

	for (size_t i = 0; i < numbers->n; i++)
		bits |= acl_filter_range(numbers->ranges[i].lo, numbers->ranges[i].hi);
	return bits;
}

static void free_numbers(void *values)
{
	mem_free(((struct numbers *)values)->ranges);
}

bool acl_numbers_has(const void *values, unsigned number)
{
	const struct numbers *numbers = values;

	for (size_t i = 0; i < numbers->n; i++)
		if (number >= numbers->ranges[i].lo && number <= numbers->ranges[i].hi)
			return true;
	return false;
}

const struct acl_kind acl_kind_numbers = {
	.bytes = sizeof(struct numbers),
	.parse = parse_numbers,
	.is_empty = has_no_numbers,
	.fini = free_numbers,
	.filter = filter_of_numbers,
};
