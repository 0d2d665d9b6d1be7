/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/external_acl_config.h: `external_acl_type NAME [options] %FORMAT... PROGRAM [args]`:
 * helpers that answer ACLs, and what each is asked. Squid: cf.data.pre, external_acl_type.
 *
 * Options: ttl= negative_ttl= grace= cache= children-max= children-startup= children-idle=
 * concurrency= queue-size= protocol= quote= ipv4 ipv6; ours: timeout= (seconds), stale= (seconds
 * that an old answer serves where no new one comes), on-error= (deny, allow, 503: what is undecided
 * then; stale:N). Memory: everything lies in the arena given. One thread's while parsing, immutable
 * afterwards. */
#ifndef SQUID_COMPAT_EXTERNAL_ACL_CONFIG_H
#define SQUID_COMPAT_EXTERNAL_ACL_CONFIG_H
#include "squid-compat/acl/acl.h"
#include "squid-compat/helper_config.h"

struct external_acl_type {
	struct external_acl_type *next; /* in the order of the file, which numbers them from 0 */
	struct str name;
	struct helper_command command;
	struct helper_children children;
	int64_t ttl_s, negative_ttl_s; /* as used: negative_ttl is ttl unless said */
	int64_t timeout_s, stale_s;
	unsigned max_entries; /* cache= */
	unsigned grace_percent;
	bool quotes_as_shell; /* quote=shell, protocol=2.5: the ACL's arguments; else by %XX */
	bool wants_user;      /* %LOGIN: he has to say who he is */
	bool wants_reply;     /* %<h...: what is asked changes when the reply is there */
	const struct logformat *format; /* the whole question, facts->acl_name and ->acl_data too */
	/* All that an answer depends on: name, format and command. */
	struct str identity;
};

struct external_acl_types {
	struct external_acl_type *first;
	unsigned n;
	/* private */
	struct external_acl_type **last_;
	struct arena *arena_;
	const struct world *world_;
};

void external_acl_types_init(struct external_acl_types *types, struct arena *arena,
			     const struct world *world);
/* One line; its name becomes known to set. */
void external_acl_types_parse(struct external_acl_types *types, struct acl_set *set,
			      const struct words *words, struct report *report);
/* When the file has been read: that the programs can be run. */
void external_acl_types_check(const struct external_acl_types *types, struct report *report);

/* What %DATA stands for: the ACL's arguments as they are sent; none: "-". */
void external_acl_write_data(const struct external_acl_type *type, const struct acl_external *acl,
			     struct buf *out);

#endif
