/* SPDX-License-Identifier: BSD-2-Clause */
/* `random P`: a chance, 0.333, 1/3 or 3:5 (three against five). Each ACL draws for itself, once for
 * a check: its draw is a hash of its name, keyed by the seed in the facts. */
#include "lib/base/hash.h"
#include "lib/base/random.h"
#include "squid-compat/acl/acl_internal.h"

struct chance {
	double value; /* 0: none given */
};

/* "A/B" or "A:B". */
static bool parse_ratio(struct str text, double *out)
{
	size_t at = str_find_char(text, '/');
	bool is_share = at < text.len;
	uint64_t a, b;

	if (!is_share)
		at = str_find_char(text, ':');
	if (!str_to_u64(str_first(text, at), &a) || !str_to_u64(str_from(text, at + 1), &b))
		return false;
	if (a == 0 || b == 0 || a > UINT32_MAX || b > UINT32_MAX)
		return false;
	*out = (double)a / (double)(is_share ? b : a + b);
	return true;
}

/* Digits with one point among them. */
static bool parse_decimal(struct str text, double *out)
{
	double scale = 1;
	bool has_point = false;

	*out = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (c == '.' && !has_point) {
			has_point = true;
			continue;
		}
		if (c < '0' || c > '9')
			return false;
		*out = *out * 10 + (c - '0');
		scale *= has_point ? 10 : 1;
	}
	*out /= scale;
	return has_point && text.len > 1;
}

static void parse_chance(struct acl *acl, struct acl_reader *reader)
{
	struct chance *chance = acl->values;
	struct str text;
	double value;

	while (acl_reader_next(reader, &text)) {
		if ((parse_ratio(text, &value) || parse_decimal(text, &value)) && value > 0 &&
		    value < 1) {
			chance->value = value;
			continue;
		}
		report_say(reader->report, REPORT_FATAL, "Invalid ACL: %.*s",
		           STR_ARG(reader->words->line));
		return;
	}
}

static bool has_no_chance(const void *values)
{
	return ((const struct chance *)values)->value == 0;
}

enum acl_match acl_random_match(const struct acl *acl, struct acl_check *check)
{
	const struct chance *chance = acl->values;
	uint64_t draw;

	while (check->facts->random_seed == 0)
		check->facts->random_seed = random_u64();
	draw = hash_str(str_of(acl->name), check->facts->random_seed);
	return (double)(draw >> 11) < chance->value * 0x1p53 ? ACL_MATCH : ACL_MISMATCH;
}

const struct acl_kind acl_kind_random = {
	.bytes = sizeof(struct chance),
	.parse = parse_chance,
	.is_empty = has_no_chance,
};
