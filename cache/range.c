/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/range.h"

enum spec {
	SPEC_OK,
	SPEC_BEYOND, /* sound, but of no byte that there is */
	SPEC_BAD,
};

static bool is_digits(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
	return s.len > 0;
}

/* A position; what is too large for 64 bits lies behind any body. */
static uint64_t position(struct str digits)
{
	uint64_t value = UINT64_MAX;

	str_to_u64(digits, &value);
	return value;
}

/* FIRST "-" [LAST] or "-" SUFFIX-LENGTH, RFC 9110 §14.1.1. */
static enum spec read_spec(struct str spec, uint64_t body_bytes, struct range_piece *piece)
{
	size_t dash = str_find_char(spec, '-');
	struct str left = str_first(spec, dash), right = str_from(spec, dash + 1);
	uint64_t first, last;

	if (dash == spec.len || (left.len > 0 && !is_digits(left)) ||
	    (right.len > 0 && !is_digits(right)) || left.len + right.len == 0)
		return SPEC_BAD;
	if (left.len == 0) {
		uint64_t suffix = position(right);

		if (suffix == 0 || body_bytes == 0)
			return SPEC_BEYOND;
		first = suffix < body_bytes ? body_bytes - suffix : 0;
		*piece = (struct range_piece){first, body_bytes - first};
		return SPEC_OK;
	}
	first = position(left);
	last = right.len > 0 ? position(right) : UINT64_MAX;
	if (last < first)
		return SPEC_BAD;
	if (first >= body_bytes)
		return SPEC_BEYOND;
	if (last >= body_bytes)
		last = body_bytes - 1;
	*piece = (struct range_piece){first, last - first + 1};
	return SPEC_OK;
}

/* In order and apart from what there is. */
static bool follows(const struct range_plan *plan, const struct range_piece *piece)
{
	const struct range_piece *before;

	if (plan->npieces == 0)
		return true;
	before = &plan->pieces[plan->npieces - 1];
	return piece->first >= before->first + before->len;
}

static bool cut_unit(struct str *value)
{
	size_t equals = str_find_char(*value, '=');
	bool is_bytes = str_eq_nocase(str_trim(str_first(*value, equals)), STR("bytes"));

	*value = str_from(*value, equals + 1);
	return is_bytes && value->len > 0;
}

/* False: the field is to be ignored. */
static bool add_specs(struct str specs, uint64_t body_bytes, struct range_plan *plan)
{
	unsigned nspecs = 0;
	struct str spec;

	while (str_split(&specs, ',', &spec)) {
		struct range_piece piece;
		enum spec verdict;

		spec = str_trim(spec);
		if (spec.len == 0)
			continue; /* empty elements are allowed, RFC 9110 §5.6.1.2 */
		verdict = read_spec(spec, body_bytes, &piece);
		if (verdict == SPEC_BAD || ++nspecs > RANGE_MAX_PIECES)
			return false;
		if (verdict == SPEC_BEYOND)
			continue;
		if (!follows(plan, &piece))
			return false;
		plan->pieces[plan->npieces++] = piece;
	}
	return nspecs > 0;
}

void range_plan(struct str value, uint64_t body_bytes, struct range_plan *plan)
{
	*plan = (struct range_plan){.verdict = RANGE_WHOLE};
	if (!value.at || !cut_unit(&value) || !add_specs(value, body_bytes, plan))
		plan->npieces = 0;
	else
		plan->verdict = plan->npieces > 0 ? RANGE_PARTIAL : RANGE_UNSATISFIABLE;
}

bool range_lowest(struct str value, uint64_t *first)
{
	uint64_t lowest = UINT64_MAX;
	struct str spec;

	if (!value.at || !cut_unit(&value))
		return false;
	while (str_split(&value, ',', &spec)) {
		struct str left;

		spec = str_trim(spec);
		left = str_first(spec, str_find_char(spec, '-'));
		if (spec.len == 0)
			continue;
		if (!is_digits(left) || left.len == spec.len)
			return false;
		if (position(left) < lowest)
			lowest = position(left);
	}
	*first = lowest;
	return lowest != UINT64_MAX;
}

bool content_range_read(struct str value, struct content_range *out)
{
	struct str unit, range;
	struct content_range read;
	size_t slash, dash;

	value = str_trim(value);
	if (!str_word(&value, &unit) || !str_eq_nocase(unit, STR("bytes")))
		return false;
	range = str_trim(value);
	slash = str_find_char(range, '/');
	dash = str_find_char(range, '-');
	if (dash > slash || !str_to_u64(str_first(range, dash), &read.first) ||
	    !str_to_u64(str_first(str_from(range, dash + 1), slash - dash - 1), &read.last) ||
	    !str_to_u64(str_from(range, slash + 1), &read.length))
		return false;
	if (read.first > read.last || read.last >= read.length)
		return false;
	*out = read;
	return true;
}
