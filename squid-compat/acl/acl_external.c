/* SPDX-License-Identifier: BSD-2-Clause */
/* `external TYPE [args]`: what a helper says, which the hook knows or has to be asked for. */
#include "lib/base/heap.h"
#include "squid-compat/acl/acl_internal.h"

struct external {
	struct acl_external what; /* args: ours */
	struct str *args;
	bool has_type, is_about_user;
};

static void add_argument(struct external *external, struct str text)
{
	size_t n = external->what.nargs;

	external->args = mem_realloc(external->args, (n + 1) * sizeof(*external->args));
	external->args[n] = (struct str){str_dup(text), text.len};
	external->what.args = external->args;
	external->what.nargs++;
}

static bool parse_type(struct acl *acl, struct acl_reader *reader)
{
	struct external *external = acl->values;
	struct str name;
	unsigned type;

	if (!acl_reader_next(reader, &name))
		return false;
	if (!acl_set_find_external(reader->set, name, &type, &external->is_about_user)) {
		report_say(reader->report, REPORT_FATAL,
		           "ACL '%s': there is no external_acl_type '%.*s' before this line",
		           acl->name, STR_ARG(name));
		return false;
	}
	if (external->has_type && external->what.type != type) {
		report_say(reader->report, REPORT_FATAL,
		           "ACL '%s' asks another external_acl_type already", acl->name);
		return false;
	}
	external->has_type = true;
	external->what.type = type;
	external->what.name = acl->name;
	acl->is_about_user = external->is_about_user;
	return true;
}

static void parse_external(struct acl *acl, struct acl_reader *reader)
{
	struct str text;

	if (!parse_type(acl, reader))
		return;
	while (acl_reader_next(reader, &text))
		add_argument(acl->values, text);
}

static bool has_no_type(const void *values)
{
	return !((const struct external *)values)->has_type;
}

static void free_external(void *values)
{
	struct external *external = values;

	for (size_t i = 0; i < external->what.nargs; i++)
		mem_free((void *)(uintptr_t)external->args[i].at);
	mem_free(external->args);
}

enum acl_match acl_external_match(const struct acl *acl, struct acl_check *check)
{
	const struct external *external = acl->values;
	const struct acl_hooks *hooks = check->facts->hooks;

	if (external->is_about_user) {
		enum acl_match known = acl_check_user(check);

		if (known != ACL_MATCH)
			return known;
	}
	switch (hooks ? hooks->external(check->facts, &external->what) : ACL_EXTERNAL_UNKNOWN) {
	case ACL_EXTERNAL_MATCH:
		return ACL_MATCH;
	case ACL_EXTERNAL_MISMATCH:
		return ACL_MISMATCH;
	case ACL_EXTERNAL_UNDECIDED:
		return acl_check_undecided(check);
	case ACL_EXTERNAL_FAVOURS:
		return check->match_favours ? ACL_MATCH : ACL_MISMATCH;
	case ACL_EXTERNAL_UNKNOWN:
		break;
	}
	check->result->external = &external->what;
	return acl_check_need(check, ACL_NEED_EXTERNAL);
}

const struct acl_kind acl_kind_external = {
	.bytes = sizeof(struct external),
	.parse = parse_external,
	.is_empty = has_no_type,
	.fini = free_external,
};
