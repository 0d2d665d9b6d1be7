/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns that refuse nearly nobody, asked all at once: where a configuration denies by several
 * ACLs of type url_regex (or urlpath_regex), one program tells that none of them matches, once for
 * each request; only where it can't are they asked one by one. */
#include "squid-compat/acl/acl_internal.h"
#include "squid-compat/regex.h"

enum {
	MAX_PATTERNS = 16, /* of an ACL: more of them are a program of their own */
	MAX_SCREENED = 64, /* of all: a longer list would say "perhaps" too often */
};

enum { NOT_ASKED, NONE_MATCHES, SOME_MAY };

static bool is_about(const struct acl *acl, enum acl_subject subject)
{
	return acl->type->text == (subject == ACL_SUBJECT_URL ? acl_facts_url : acl_facts_path);
}

/* Prefixes alone are compared faster than any program runs. */
static bool is_worth_it(const struct acl *acl)
{
	const struct regex_list *patterns = acl_regex_list(acl->values);
	size_t n = regex_list_count(patterns);

	return n > 0 && n <= MAX_PATTERNS && !regex_list_has_prefixes_only(patterns);
}

struct regex_list *acl_screen_create(struct acl *const *acls, size_t n, enum acl_subject subject)
{
	struct regex_list *screen = regex_list_create();

	for (size_t i = 0; i < n; i++) {
		struct acl *acl = acls[i];

		if (!acl->is_denied || !is_about(acl, subject) || !is_worth_it(acl) ||
		    regex_list_count(screen) >= MAX_SCREENED)
			continue;
		regex_list_add_all(screen, acl_regex_list(acl->values));
		acl->screen = screen;
		acl->subject = subject;
	}
	regex_list_seal(screen);
	return screen;
}

bool acl_screen_passes(const struct acl *acl, struct acl_facts *facts, struct str text)
{
	uint8_t *known = &facts->screened_[acl->subject];

	if (*known == NOT_ASKED)
		*known = regex_list_match(acl->screen, text) == REGEX_NO ? NONE_MATCHES : SOME_MAY;
	return *known == SOME_MAY;
}
