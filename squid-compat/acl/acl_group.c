/* SPDX-License-Identifier: BSD-2-Clause */
/* any-of and all-of: groups of other ACLs, each perhaps negated.
 *
 * A group is lines of which one must match, a line is terms that must all match: for all-of as
 * written, for any-of with one term a line. A group may not contain itself. */
#include "lib/base/heap.h"
#include "squid-compat/acl/acl_internal.h"

struct group {
	struct acl_term *terms;
	size_t nterms, cap;
	size_t *ends; /* where each line ends in terms */
	size_t nlines, lines_cap;
};

static void add_term(struct group *group, struct acl_term term)
{
	if (group->nterms == group->cap) {
		group->cap = group->cap > 0 ? group->cap * 2 : 4;
		group->terms = mem_realloc(group->terms, group->cap * sizeof(*group->terms));
	}
	group->terms[group->nterms++] = term;
}

static void end_line(struct group *group)
{
	if (group->nterms == (group->nlines > 0 ? group->ends[group->nlines - 1] : 0))
		return;
	if (group->nlines == group->lines_cap) {
		group->lines_cap = group->lines_cap > 0 ? group->lines_cap * 2 : 4;
		group->ends = mem_realloc(group->ends, group->lines_cap * sizeof(*group->ends));
	}
	group->ends[group->nlines++] = group->nterms;
}

static bool is_group(const struct acl *acl)
{
	return acl->type->kind == &acl_kind_any_of || acl->type->kind == &acl_kind_all_of;
}

/* Is acl in from, or from itself? Visits each group once. */
static bool reaches(struct acl *from, const struct acl *acl, unsigned search)
{
	const struct group *group = from->values;

	if (from == acl)
		return true;
	if (!is_group(from) || from->visited_at == search)
		return false;
	from->visited_at = search;
	for (size_t i = 0; i < group->nterms; i++)
		if (reaches(group->terms[i].acl, acl, search))
			return true;
	return false;
}

static bool may_contain(struct acl *acl, struct acl *member, struct acl_reader *reader)
{
	if (reaches(member, acl, acl_set_next_search(reader->set))) {
		report_say(reader->report, REPORT_FATAL, "ACL '%s' contains itself, by '%s'",
		           acl->name, member->name);
		return false;
	}
	if (member->nesting + 1 > ACL_MAX_NESTING) {
		report_say(reader->report, REPORT_FATAL,
		           "ACL '%s': groups are nested more than %d deep", acl->name,
		           ACL_MAX_NESTING);
		return false;
	}
	return true;
}

/* A group that another one already contains may not grow deeper: its containers would not know. */
static bool set_nesting(struct acl *acl, unsigned nesting, struct acl_reader *reader)
{
	if (nesting <= acl->nesting)
		return true;
	if (acl->is_member) {
		report_say(reader->report, REPORT_FATAL,
		           "ACL '%s' is part of another group and can't take a deeper one now",
		           acl->name);
		return false;
	}
	acl->nesting = nesting;
	return true;
}

static void parse_group(struct acl *acl, struct acl_reader *reader)
{
	struct group *group = acl->values;
	bool is_any = acl->type->kind == &acl_kind_any_of;
	struct str value;

	while (acl_reader_next(reader, &value)) {
		struct acl_term term;

		if (!acl_term_parse(reader->set, value, &term, reader->report) ||
		    !may_contain(acl, term.acl, reader) ||
		    !set_nesting(acl, term.acl->nesting + 1, reader))
			continue;
		term.acl->is_member = true;
		acl->is_slow |= term.acl->is_slow;
		add_term(group, term);
		if (is_any)
			end_line(group);
	}
	end_line(group);
}

static bool has_no_terms(const void *values)
{
	return ((const struct group *)values)->nterms == 0;
}

static void free_group(void *values)
{
	struct group *group = values;

	mem_free(group->terms);
	mem_free(group->ends);
}

enum acl_match acl_group_match(const struct acl *acl, struct acl_check *check)
{
	const struct group *group = acl->values;
	size_t start = 0;

	for (size_t i = 0; i < group->nlines; start = group->ends[i++]) {
		enum acl_match match =
			acl_terms_match(group->terms + start, group->ends[i] - start, check);

		if (match != ACL_MISMATCH)
			return match;
	}
	return ACL_MISMATCH;
}

const struct acl_kind acl_kind_any_of = {
	.bytes = sizeof(struct group),
	.parse = parse_group,
	.is_empty = has_no_terms,
	.fini = free_group,
};

const struct acl_kind acl_kind_all_of = {
	.bytes = sizeof(struct group),
	.parse = parse_group,
	.is_empty = has_no_terms,
	.fini = free_group,
};
