/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/basic_ldap_auth/directory.h: whether an LDAP directory takes a name and a
 * password. Names are escaped for where they go: RFC 4514 (DNs), RFC 4515 (filters).
 *
 * Threads: one. */
#ifndef BASIC_LDAP_AUTH_DIRECTORY_H
#define BASIC_LDAP_AUTH_DIRECTORY_H
#include <stdbool.h>

#include "lib/base/err.h"

struct directory_config {
	const char *uris;   /* apart by blanks */
	const char *base;   /* -b */
	const char *filter; /* -f, with %s for the user; NULL: none, the DN is made of these: */
	const char *user_attribute; /* -u */
	const char *compare_with;   /* -U: compare this attribute in place of a bind; NULL: bind */
	const char *bind_dn, *bind_password;     /* -D, -w; NULL: anonymous */
	int scope, dereference, version;         /* LDAP's numbers */
	int connect_timeout_s, search_timeout_s; /* 0: none */
	bool has_tls, follows_no_referrals, is_persistent;
};

enum directory_verdict { DIRECTORY_YES, DIRECTORY_NO, DIRECTORY_BROKEN };

struct directory; /* opaque */

/* config is borrowed. Nothing is connected to yet. */
struct directory *directory_create(const struct directory_config *config);
void directory_destroy(struct directory *directory); /* accepts NULL */

/* DIRECTORY_BROKEN: no server answers as it should; why says how. An empty password is no: a server
 * would take it for nobody's. */
enum directory_verdict directory_ask(struct directory *directory, const char *user,
                                     const char *password, struct err_text *why);

#endif
