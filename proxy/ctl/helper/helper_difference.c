/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/helper/helper_difference.h"

#include "helpers/line.h"
#include "lib/base/heap.h"

/* The value of the n-th pair with that key, from 0; at is NULL: there are not so many. */
static struct str find_value(const struct helper_reply *reply, struct str key, unsigned n)
{
	for (unsigned i = 0; i < reply->npairs; i++)
		if (str_eq(reply->pairs[i].key, key) && n-- == 0)
			return reply->pairs[i].value;
	return STR_NONE;
}

static unsigned count_before(const struct helper_reply *reply, unsigned i)
{
	unsigned n = 0;

	for (unsigned j = 0; j < i; j++)
		n += str_eq(reply->pairs[j].key, reply->pairs[i].key);
	return n;
}

static bool is_same(const struct helper_reply *one, const struct helper_reply *other)
{
	if (one->code != other->code || one->npairs != other->npairs ||
	    !str_eq(str_trim(one->rest), str_trim(other->rest)))
		return false;
	for (unsigned i = 0; i < one->npairs; i++) {
		struct str value = find_value(other, one->pairs[i].key, count_before(one, i));

		if (!value.at || !str_eq(value, one->pairs[i].value))
			return false;
	}
	return true;
}

bool helper_says_the_same(struct str one, struct str other)
{
	char *texts[2] = {str_dup(one), str_dup(other)};
	struct helper_reply replies[2];
	bool is_it;

	helper_reply_parse(texts[0], one.len, &replies[0]);
	helper_reply_parse(texts[1], other.len, &replies[1]);
	is_it = is_same(&replies[0], &replies[1]);
	mem_free(texts[0]);
	mem_free(texts[1]);
	return is_it;
}
