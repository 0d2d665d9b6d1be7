/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/acl/acl_internal.h: what the files of the ACL module share.
 *
 * A type (a row of acl_types.c) joins a kind, which says how values are read and kept, with the
 * part of the facts that they are compared with. Kinds: acl_address, acl_domain, acl_regex,
 * acl_words, acl_numbers, acl_limit, acl_time, acl_random, acl_group, acl_external, acl_note,
 * acl_user_ips. */
#ifndef SQUID_COMPAT_ACL_INTERNAL_H
#define SQUID_COMPAT_ACL_INTERNAL_H
#include "lib/base/buf.h"
#include "squid-compat/acl/acl.h"

enum {
	ACL_MAX_NAME_BYTES = 63,
	ACL_MAX_FILE_BYTES = 256 * 1024 * 1024,
	ACL_MAX_NESTING = 64,                /* any-of in any-of ... */
	ACL_MAX_SUBJECT_BYTES = 1024 * 1024, /* what is longer is undecided */
};

enum acl_match {
	ACL_MISMATCH,
	ACL_MATCH,
	ACL_STOP, /* the check ends here: result says why */
};

/* One evaluation. */
struct acl_check {
	struct acl_facts *facts;
	struct acl_result *result;
	bool is_fast;
	/* a match of the ACL that is evaluated helps the request, a mismatch does not */
	bool match_favours;
	const struct acl *last; /* the last one evaluated */
};

/* Where a type's values come from: the words of the line and the files that they name. */
struct acl_reader {
	struct acl_set *set;
	const struct words *words;
	size_t next_word;
	const struct world *world;
	struct report *report;
	bool nocase;          /* -i was the last of -i and +i */
	struct buf file;      /* the file being read */
	struct str file_rest; /* of it */
};

struct acl_kind {
	size_t bytes; /* of the values; zeroed at first */
	void (*init)(void *values);
	/* Reads the values of one line. */
	void (*parse)(struct acl *acl, struct acl_reader *reader);
	bool (*is_empty)(const void *values);
	void (*seal)(struct acl *acl, struct report *report);
	void (*fini)(void *values);
	/* What the values have in the type's dimension; NULL: anything. Once sealed. */
	uint64_t (*filter)(const void *values);
	/* Compares one text with the values; ACL_STOP: can't be decided. Not of all kinds. */
	enum acl_match (*test)(const void *values, struct str text);
};

/* What a filter is about (acl_filter.c). */
enum acl_dimension { ACL_ANYTHING, ACL_CLIENT, ACL_HOST, ACL_METHOD, ACL_PORT, ACL_DIMENSIONS };

struct acl_key {
	uint64_t bits[ACL_DIMENSIONS];
};

enum acl_type_flag {
	ACL_IS_SLOW = 1 << 0,       /* may need a fact that has to be waited for */
	ACL_IS_ABOUT_USER = 1 << 1, /* a denial by it asks for credentials again */
	ACL_WANTS_REQUEST = 1 << 2, /* without one: a mismatch, and a warning */
	ACL_WANTS_REPLY = 1 << 3,
	ACL_HAS_FIELD = 1 << 4,      /* its first value is the name of a header field */
	ACL_HAS_NO_CASE = 1 << 5,    /* values compare without case */
	ACL_TAKES_REQUIRED = 1 << 6, /* the value REQUIRED stands for anyone */
	ACL_OF_CERT_ERROR = 1 << 7, /* of sslproxy_cert_error, which is ignored: it never matches */
	ACL_REFUSED = 1 << 9,        /* known, and fatal: what it guards would be open */
	ACL_NEVER_HERE = 1 << 10,    /* of what an accelerator does not do: it never matches */
	ACL_NEEDS_VALUE = 1 << 8,    /* without one the line is fatal */
	ACL_NEEDS_NONE = 1 << 11,    /* a line without one says enough */
	ACL_TAKES_ONE = 1 << 12,     /* more than one on a line are fatal */
};

struct acl_type {
	const char *name;
	const struct acl_kind *kind;
	enum acl_dimension dimension;
	const char *options; /* letters of the flags that it takes; NULL: none */
	unsigned flags;
	enum acl_match (*match)(const struct acl *acl, struct acl_check *check);
	/* For match functions that serve several types; false: the fact is not there. */
	bool (*text)(const struct acl *acl, struct acl_facts *facts, struct str *out);
	bool (*number)(const struct acl_facts *facts, unsigned *out);
	const struct addr *(*address)(const struct acl_facts *facts);
	/* Is a value possible? Says to report what is wrong. NULL: any is. */
	bool (*accepts)(struct str value, struct report *report);
	const char *renamed; /* an old name: the type that it became */
};

struct acl {
	char *name;
	const struct acl_type *type;
	void *values;
	char *field; /* ACL_HAS_FIELD: its name */
	enum http_field_id field_id;
	bool no_lookup;      /* -n */
	bool is_strict;      /* -s */
	/* -m, -m=DELIMITERS: values are lists, cut at these; NULL: they are not */
	char *delimiters;
	bool is_about_user;  /* the type is, or what an external ACL asks */
	bool is_slow;        /* the type is, or one of a group */
	unsigned nesting;    /* of groups within it */
	bool is_member;      /* of a group */
	bool is_pure;        /* acl_filter.c */
	uint64_t filter;     /* no bit in common with the key: it does not match */
	bool is_denied;      /* some line denies what it (and no "!") matches */
	enum acl_subject subject;        /* with a screen: what it is about */
	/* without a match of it there is none of the ACL; NULL: none */
	const struct regex_list *screen;
	unsigned visited_at; /* acl_group.c: the search that saw it last */
};

/* An ACL in a rule or group, "!" resolved. */
struct acl_term {
	struct acl *acl;
	bool is_negated;
};

/* ---- acl_types.c ---- */

/* By its name in squid.conf; NULL: there is none. */
const struct acl_type *acl_type_find(struct str name);

/* ---- acl_reader.c ---- */

/* The next value; false at the end of the line. Valid until the call after. */
bool acl_reader_next(struct acl_reader *reader, struct str *value);
/* As acl_reader_next, but steps over -i and +i, which set nocase. */
bool acl_reader_next_pattern(struct acl_reader *reader, struct str *value);
void acl_reader_fini(struct acl_reader *reader);

/* ---- acl.c ---- */

/* By its name; NULL: there is none. */
struct acl *acl_set_find(const struct acl_set *set, struct str name);
/* A number that no earlier call gave. */
unsigned acl_set_next_search(struct acl_set *set);
/* "[!]NAME"; an unknown name is said to report (fatal). */
bool acl_term_parse(const struct acl_set *set, struct str text, struct acl_term *out,
                    struct report *report);
bool acl_set_is_sealed(const struct acl_set *set);

/* The number of an external type; false: there is none of that name. */
bool acl_set_find_external(const struct acl_set *set, struct str name, unsigned *type,
                           bool *is_about_user);

/* ---- acl_check.c ---- */

/* All of the terms match (none: match). */
enum acl_match acl_terms_match(const struct acl_term *terms, size_t n, struct acl_check *check);
/* A fact is missing: ends the check, or is a mismatch if the caller may not wait. */
enum acl_match acl_check_need(struct acl_check *check, enum acl_need need);
enum acl_match acl_check_undecided(struct acl_check *check);
/* ACL_MATCH: the user is known. Else: who he is must be asked first, or he has not said it well. */
enum acl_match acl_check_user(struct acl_check *check);

/* ---- acl_filter.c ---- */

#define acl_filter_anything (~(uint64_t)0)

/* The bit that stands for a number, and for others. */
uint64_t acl_filter_bit(uint32_t number);
/* All from low on to high, which may lie behind the wrap. */
uint64_t acl_filter_range(uint32_t low, uint32_t high);
uint64_t acl_filter_word(struct str word);
/* What the ACL knows, once its values are sealed. */
void acl_filter_seal(struct acl *acl);
/* What these facts have. */
void acl_filter_key(struct acl_facts *facts, struct acl_key *key);
/* False: the terms do not match facts of that key, and to evaluate them would change nothing. */
bool acl_filter_admits(const struct acl_term *terms, size_t n, const struct acl_key *key);

/* ---- acl_screen.c ---- */

/* A screen for the ACLs of a set that deny by that subject, which are told of it: the set's, and
 * sealed. Before they are. */
struct regex_list *acl_screen_create(struct acl *const *acls, size_t n, enum acl_subject subject);
/* False: the ACL, which has a screen, does not match text, its subject. */
bool acl_screen_passes(const struct acl *acl, struct acl_facts *facts, struct str text);

/* ---- acl_facts.c: parts of the facts, for the rows ---- */

bool acl_facts_url(const struct acl *acl, struct acl_facts *facts, struct str *out);
bool acl_facts_path(const struct acl *acl, struct acl_facts *facts, struct str *out);
/* Ours: what follows the first "?", decoded. */
bool acl_facts_query(const struct acl *acl, struct acl_facts *facts, struct str *out);
/* Ours, in bytes; a body by its Content-Length, so a chunked one has none. */
bool acl_facts_query_size(const struct acl_facts *facts, unsigned *out);
bool acl_facts_field_count(const struct acl_facts *facts, unsigned *out);
bool acl_facts_head_size(const struct acl_facts *facts, unsigned *out);
bool acl_facts_body_size(const struct acl_facts *facts, unsigned *out);
bool acl_facts_request_field(const struct acl *acl, struct acl_facts *facts, struct str *out);
bool acl_facts_reply_field(const struct acl *acl, struct acl_facts *facts, struct str *out);
bool acl_facts_user_agent(const struct acl *acl, struct acl_facts *facts, struct str *out);
bool acl_facts_referer(const struct acl *acl, struct acl_facts *facts, struct str *out);
bool acl_facts_request_type(const struct acl *acl, struct acl_facts *facts, struct str *out);
bool acl_facts_reply_type(const struct acl *acl, struct acl_facts *facts, struct str *out);
/* The host, where it is an address; else NULL. */
const struct addr *acl_facts_host_address(struct acl_facts *facts);
/* acl_domain_bits of the host. */
uint64_t acl_facts_host_bits(struct acl_facts *facts);
bool acl_facts_has_request(const struct acl_facts *facts);
bool acl_facts_has_reply(const struct acl_facts *facts);

/* ---- kinds ---- */

extern const struct acl_kind acl_kind_address;
extern const struct acl_kind acl_kind_domain;
extern const struct acl_kind acl_kind_regex;
extern const struct acl_kind acl_kind_words;
extern const struct acl_kind acl_kind_numbers;
extern const struct acl_kind acl_kind_limit;
extern const struct acl_kind acl_kind_time;
extern const struct acl_kind acl_kind_random;
extern const struct acl_kind acl_kind_any_of;
extern const struct acl_kind acl_kind_all_of;
extern const struct acl_kind acl_kind_external;
extern const struct acl_kind acl_kind_note;
extern const struct acl_kind acl_kind_annotation;
extern const struct acl_kind acl_kind_user_ips;

const struct regex_list *acl_regex_list(const void *values);
/* Filter bits of a host (lower case) and its parents. */
uint64_t acl_domain_bits(struct str host);
uint64_t acl_address_bit(const struct addr *addr);
bool acl_address_has(const void *values, const struct addr *addr);
bool acl_words_has(const struct acl *acl, struct str word);
bool acl_numbers_has(const void *values, unsigned number);
bool acl_limit_is_exceeded(const void *values, unsigned number);
enum acl_match acl_time_match(const struct acl *acl, struct acl_check *check);
enum acl_match acl_random_match(const struct acl *acl, struct acl_check *check);
enum acl_match acl_external_match(const struct acl *acl, struct acl_check *check);
enum acl_match acl_note_match(const struct acl *acl, struct acl_check *check);
enum acl_match acl_annotate_transaction(const struct acl *acl, struct acl_check *check);
enum acl_match acl_annotate_client(const struct acl *acl, struct acl_check *check);
enum acl_match acl_user_ips_match(const struct acl *acl, struct acl_check *check);
enum acl_match acl_group_match(const struct acl *acl, struct acl_check *check);

#endif
