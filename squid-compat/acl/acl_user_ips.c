/* SPDX-License-Identifier: BSD-2-Clause */
/* `max_user_ip [-s] N`: the user is seen at more than N addresses. */
#include "squid-compat/acl/acl_internal.h"

struct user_ips {
	bool has_max;
	unsigned max;
};

static void parse_user_ips(struct acl *acl, struct acl_reader *reader)
{
	struct user_ips *ips = acl->values;
	struct str word;
	uint64_t max;

	while (acl_reader_next(reader, &word)) {
		if (!str_to_u64(word, &max) || max > INT32_MAX) {
			report_say(reader->report, REPORT_FATAL, "Invalid ACL: %.*s",
			           STR_ARG(reader->words->line));
			return;
		}
		ips->max = (unsigned)max;
		ips->has_max = true;
	}
}

static bool has_no_max(const void *values)
{
	return !((const struct user_ips *)values)->has_max;
}

enum acl_match acl_user_ips_match(const struct acl *acl, struct acl_check *check)
{
	const struct user_ips *ips = acl->values;
	const struct acl_hooks *hooks = check->facts->hooks;
	enum acl_match known = acl_check_user(check);

	if (known != ACL_MATCH)
		return known;
	return hooks && ips->has_max &&
	                       hooks->has_too_many_ips(check->facts, ips->max, acl->is_strict)
	               ? ACL_MATCH
	               : ACL_MISMATCH;
}

const struct acl_kind acl_kind_user_ips = {
	.bytes = sizeof(struct user_ips),
	.parse = parse_user_ips,
	.is_empty = has_no_max,
};
