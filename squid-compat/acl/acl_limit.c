/* SPDX-License-Identifier: BSD-2-Clause */
/* maxconn N, query_size N and so on: one number, which a count must exceed. */
#include "squid-compat/acl/acl_internal.h"

struct limit {
	unsigned most;
	bool is_set;
};

static void parse_limit(struct acl *acl, struct acl_reader *reader)
{
	struct limit *limit = acl->values;
	struct str value;
	uint64_t most;

	while (acl_reader_next(reader, &value)) {
		if (limit->is_set || !str_to_u64(value, &most) || most == 0 || most > UINT32_MAX) {
			report_say(reader->report, REPORT_FATAL,
			           "ACL '%s' takes one number from 1 to %u, and not '%.*s'", acl->name,
			           UINT32_MAX, STR_ARG(value));
			continue;
		}
		*limit = (struct limit){(unsigned)most, true};
	}
}

static bool has_no_limit(const void *values)
{
	return !((const struct limit *)values)->is_set;
}

bool acl_limit_is_exceeded(const void *values, unsigned number)
{
	const struct limit *limit = values;

	return limit->is_set && number > limit->most;
}

const struct acl_kind acl_kind_limit = {
	.bytes = sizeof(struct limit),
	.parse = parse_limit,
	.is_empty = has_no_limit,
};
