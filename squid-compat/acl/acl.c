/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/acl/acl.h"

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"
#include "squid-compat/acl/acl_internal.h"
#include "squid-compat/regex.h"

enum { FIRST_PLACES = 32 };

struct acl_set {
	struct acl **acls;
	size_t n, cap;
	struct acl **table; /* by hash of the name; mask + 1 places, at most half of them used */
	size_t mask;
	uint64_t seed;
	unsigned nsearches;
	bool is_sealed;
	struct external_name {
		char *name;
		bool is_about_user;
	} *externals;
	size_t nexternals;
	struct regex_list *screens[ACL_SUBJECTS]; /* once sealed */
};

/* ---- Squid's own ---- */

static const struct {
	const char *name, *type;
	const char *values[5];
} built_in[] = {
	{"all", "src", {"all"}},
	{"manager",
         "url_regex",
         {"-i", "^cache_object://", "+i", "^[^:]+://[^/]+/squid-internal-mgr/"}},
	{"localhost", "src", {"127.0.0.1/32", "::1"}},
	{"to_localhost", "dst", {"127.0.0.0/8", "0.0.0.0/32", "::1/128", "::/128"}},
	{"to_linklocal", "dst", {"169.254.0.0/16", "fe80::/10"}},
	{"CONNECT", "method", {"CONNECT"}},
};

static void parse_built_in(struct acl_set *set, size_t i)
{
	struct report *report = report_create();
	struct word at[COUNT(built_in[0].values) + 3] = {
		{.text = STR("acl")},
		{.text = str_of(built_in[i].name)},
		{.text = str_of(built_in[i].type)},
	};
	struct words words = {.line = STR("built-in acl"), .at = at, .n = 3};

	for (const char *const *value = built_in[i].values; *value != NULL; value++)
		at[words.n++].text = str_of(*value);
	acl_parse(set, &words, NULL, report);
	check(report_nmessages(report) == 0);
	report_destroy(report);
}

struct acl_set *acl_set_create(void)
{
	struct acl_set *set = mem_zalloc(sizeof(*set));

	set->seed = random_u64();
	set->mask = FIRST_PLACES - 1;
	set->table = mem_array(FIRST_PLACES, sizeof(*set->table));
	for (size_t i = 0; i < COUNT(built_in); i++)
		parse_built_in(set, i);
	return set;
}

static void acl_destroy(struct acl *acl)
{
	if (acl->type->kind != NULL && acl->type->kind->fini != NULL)
		acl->type->kind->fini(acl->values);
	mem_free(acl->values);
	mem_free(acl->field);
	mem_free(acl->delimiters);
	mem_free(acl->name);
	mem_free(acl);
}

void acl_set_destroy(struct acl_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->n; i++)
		acl_destroy(set->acls[i]);
	for (size_t i = 0; i < set->nexternals; i++)
		mem_free(set->externals[i].name);
	mem_free(set->externals);
	for (size_t i = 0; i < ACL_SUBJECTS; i++)
		regex_list_destroy(set->screens[i]);
	mem_free(set->table);
	mem_free(set->acls);
	mem_free(set);
}

/* ---- names, whose case does not count ---- */

/* Where name's ACL is, or belongs. name is at most ACL_MAX_NAME_BYTES long. */
static struct acl **place_of(const struct acl_set *set, struct str name)
{
	char lower[ACL_MAX_NAME_BYTES];
	size_t at;

	for (size_t i = 0; i < name.len; i++)
		lower[i] = ascii_lower(name.at[i]);
	at = hash_str((struct str){lower, name.len}, set->seed) & set->mask;
	while (set->table[at] && !str_eq_nocase(str_of(set->table[at]->name), name))
		at = (at + 1) & set->mask;
	return &set->table[at];
}

struct acl *acl_set_find(const struct acl_set *set, struct str name)
{
	return name.len <= ACL_MAX_NAME_BYTES ? *place_of(set, name) : NULL;
}

static void grow_table(struct acl_set *set)
{
	set->mask = 2 * set->mask + 1;
	mem_free(set->table);
	set->table = mem_array(set->mask + 1, sizeof(*set->table));
	for (size_t i = 0; i < set->n; i++)
		*place_of(set, str_of(set->acls[i]->name)) = set->acls[i];
}

/* ---- one line ---- */

static struct acl *add_acl(struct acl_set *set, struct str name, const struct acl_type *type)
{
	struct acl *acl = mem_zalloc(sizeof(*acl));

	if (set->n == set->cap) {
		set->cap = set->cap > 0 ? set->cap * 2 : 16;
		set->acls = mem_realloc(set->acls, set->cap * sizeof(*set->acls));
	}
	set->acls[set->n++] = acl;
	acl->name = str_dup(name);
	if (2 * set->n > set->mask)
		grow_table(set);
	else
		*place_of(set, name) = acl;
	acl->type = type;
	acl->is_slow = type->flags & ACL_IS_SLOW;
	acl->is_about_user = type->flags & ACL_IS_ABOUT_USER;
	if (type->kind == NULL)
		return acl;
	acl->values = mem_zalloc(type->kind->bytes);
	if (type->kind->init != NULL)
		type->kind->init(acl->values);
	return acl;
}

/* The row of a line's type word, new names for old; NULL, and said, if there is none. */
static const struct acl_type *parse_type(struct str name, struct report *report)
{
	const struct acl_type *type = acl_type_find(name);

	if (type == NULL) {
		report_say(report, REPORT_FATAL, "Invalid ACL type '%.*s'", STR_ARG(name));
	} else if (type->renamed != NULL) {
		report_say(report, REPORT_WARNING,
		           "UPGRADE: ACL '%s' type has been renamed to '%s'.", type->name,
		           type->renamed);
		type = acl_type_find(str_of(type->renamed));
	}
	return type;
}

/* The ACL that the line is about; NULL when it is about none. */
static struct acl *open_acl(struct acl_set *set, const struct words *words, struct report *report)
{
	struct str name = words_text(words, 1), type_name = words_text(words, 2);
	struct acl *acl = acl_set_find(set, name);
	const struct acl_type *type;

	if (name.len == 0 || type_name.len == 0) {
		report_say(report, REPORT_FATAL, "aclParseAclLine: missing ACL %s.",
		           name.len == 0 ? "name" : "type");
		return NULL;
	}
	if (name.len > ACL_MAX_NAME_BYTES) {
		report_say(report, REPORT_FATAL,
		           "aclParseAclLine: aclname '%.*s' is longer than %d characters.",
		           STR_ARG(str_first(name, 200)), ACL_MAX_NAME_BYTES);
		return NULL;
	}
	if (acl != NULL && str_eq(str_of(acl->name), STR("manager")) &&
	    str_eq(type_name, STR("proto"))) {
		report_say(report, REPORT_WARNING,
		           "UPGRADE: ACL 'manager' is now a built-in ACL. Remove it from your "
		           "config file.");
		return NULL;
	}
	type = parse_type(type_name, report);
	if (type == NULL)
		return NULL;
	if (acl == NULL)
		return add_acl(set, name, type);
	if (acl->type != type) {
		report_say(report, REPORT_FATAL, "ACL '%.*s' already exists with different type.",
		           STR_ARG(name));
		return NULL;
	}
	return acl;
}

/* -m or -m=DELIMITERS */
static bool parse_delimiters(struct acl *acl, struct str word)
{
	struct str rest = str_from(word, 2);

	if (!str_starts_with(word, STR("-m")) || (rest.len > 0 && rest.at[0] != '='))
		return false;
	mem_free(acl->delimiters);
	acl->delimiters = rest.len > 1 ? str_dup(str_from(rest, 1)) : mem_strdup(",");
	return true;
}

static bool parse_option(struct acl *acl, struct acl_reader *reader, struct str word)
{
	const char *options = acl->type->options;

	if (options != NULL && strchr(options, 'm') != NULL && parse_delimiters(acl, word))
		return true;
	if (word.len == 2 && options != NULL && strchr(options, word.at[1]) != NULL &&
	    (word.at[0] == '-' || word.at[1] == 'i')) {
		if (word.at[1] == 'i')
			reader->nocase = word.at[0] == '-';
		else if (word.at[1] == 's')
			acl->is_strict = true;
		else
			acl->no_lookup = true;
		return true;
	}
	report_say(reader->report, REPORT_FATAL,
	           "configuration error: unsupported ACL option: %.*s", STR_ARG(word));
	return false;
}

/* The flags behind the type, up to `--` or the first word that is none. */
static bool parse_options(struct acl *acl, struct acl_reader *reader)
{
	for (; reader->next_word < reader->words->n; reader->next_word++) {
		const struct word *word = &reader->words->at[reader->next_word];

		if (word->is_file || word->is_quoted || word->text.len < 2 ||
		    (word->text.at[0] != '-' && word->text.at[0] != '+'))
			return true;
		if (str_eq(word->text, STR("--"))) {
			reader->next_word++;
			return true;
		}
		if (!parse_option(acl, reader, word->text))
			return false;
	}
	return true;
}

/* req_header NAME: a second line may not name another field. */
static bool parse_field(struct acl *acl, struct acl_reader *reader)
{
	struct str name = words_text(reader->words, reader->next_word);

	if (name.len == 0) {
		report_say(reader->report, REPORT_FATAL,
		           "%s ACL '%s' names no header field or attribute", acl->type->name,
		           acl->name);
		return false;
	}
	if (acl->field != NULL && !str_eq_nocase(name, str_of(acl->field))) {
		report_say(reader->report, REPORT_FATAL,
		           "%s ACL '%s' is about %s already and can't be about %.*s too",
		           acl->type->name, acl->name, acl->field, STR_ARG(name));
		return false;
	}
	if (acl->field == NULL) {
		acl->field = str_dup(name);
		acl->field_id = http_field_id(name);
	}
	reader->next_word++;
	return true;
}

static bool has_values(const struct acl *acl, const struct acl_reader *reader)
{
	const struct acl_kind *kind = acl->type->kind;

	return kind != NULL ? !kind->is_empty(acl->values) : reader->words->n > 3;
}

/* Types without values of ours. False: the line goes no further. */
static bool say_of_type(const struct acl *acl, struct report *report)
{
	if (acl->type->flags & ACL_REFUSED)
		report_say(report, REPORT_FATAL,
		           "ACL '%s': type %s can't be decided here: a rule by it would not hold",
		           acl->name, acl->type->name);
	else if (acl->type->flags & ACL_NEVER_HERE)
		report_say(report, REPORT_IGNORED,
		           "ACL '%s': type %s is of what no accelerator does: it never matches",
		           acl->name, acl->type->name);
	else if (acl->type->flags & ACL_OF_CERT_ERROR)
		report_say(report, REPORT_IGNORED,
		           "ACL '%s': type %s is for sslproxy_cert_error, which is ignored: it never "
		           "matches",
		           acl->name, acl->type->name);
	return !(acl->type->flags & ACL_REFUSED);
}

static void parse_values(struct acl *acl, struct acl_reader *reader)
{
	const struct acl_type *type = acl->type;

	if ((type->flags & ACL_HAS_FIELD) && !parse_field(acl, reader))
		return;
	if (!say_of_type(acl, reader->report))
		return;
	if ((type->flags & ACL_TAKES_ONE) && reader->words->n > 4) {
		report_say(reader->report, REPORT_FATAL,
		           "multiple components not supported for \"%s\" acl", type->name);
		return;
	}
	if (type->kind != NULL) {
		if (!parse_options(acl, reader))
			return;
		type->kind->parse(acl, reader);
	}
	if (has_values(acl, reader) || (type->flags & ACL_NEEDS_NONE))
		return;
	if (type->flags & ACL_NEEDS_VALUE)
		report_say(reader->report, REPORT_FATAL, "Invalid ACL: %.*s",
		           STR_ARG(reader->words->line));
	else
		report_say(reader->report, REPORT_WARNING, "empty ACL: %.*s",
		           STR_ARG(reader->words->line));
}

void acl_parse(struct acl_set *set, const struct words *words, const struct world *world,
               struct report *report)
{
	struct acl_reader reader = {
		.set = set,
		.words = words,
		.next_word = 3,
		.world = world,
		.report = report,
	};
	struct acl *acl = open_acl(set, words, report);

	check(!set->is_sealed);
	if (acl == NULL)
		return;
	buf_init(&reader.file, ACL_MAX_FILE_BYTES);
	parse_values(acl, &reader);
	acl_reader_fini(&reader);
}

void acl_set_seal(struct acl_set *set, struct report *report)
{
	check(!set->is_sealed);
	set->is_sealed = true;
	for (enum acl_subject i = 0; i < ACL_SUBJECTS; i++)
		set->screens[i] = acl_screen_create(set->acls, set->n, i);
	for (size_t i = 0; i < set->n; i++) {
		struct acl *acl = set->acls[i];

		if (acl->type->kind != NULL && acl->type->kind->seal != NULL)
			acl->type->kind->seal(acl, report);
		acl_filter_seal(acl);
	}
}

/* ---- questions ---- */

unsigned acl_set_next_search(struct acl_set *set)
{
	return ++set->nsearches;
}

bool acl_set_is_sealed(const struct acl_set *set)
{
	return set->is_sealed;
}

bool acl_term_parse(const struct acl_set *set, struct str text, struct acl_term *out,
                    struct report *report)
{
	bool is_negated = text.len > 0 && text.at[0] == '!';
	struct str name = is_negated ? str_from(text, 1) : text;
	struct acl *acl = acl_set_find(set, name);

	if (acl == NULL) {
		report_say(report, REPORT_FATAL, "ACL not found: %.*s", STR_ARG(name));
		return false;
	}
	*out = (struct acl_term){acl, is_negated};
	return true;
}

bool acl_set_has(const struct acl_set *set, struct str name)
{
	return acl_set_find(set, name) != NULL;
}

bool acl_set_find_external(const struct acl_set *set, struct str name, unsigned *type,
                           bool *is_about_user)
{
	for (size_t i = 0; i < set->nexternals; i++)
		if (str_eq(str_of(set->externals[i].name), name)) {
			*type = (unsigned)i;
			*is_about_user = set->externals[i].is_about_user;
			return true;
		}
	return false;
}

bool acl_set_add_external(struct acl_set *set, struct str name, bool is_about_user)
{
	unsigned type;
	bool was_about_user;

	if (acl_set_find_external(set, name, &type, &was_about_user))
		return false;
	set->externals = mem_realloc(set->externals,
	                             (set->nexternals + 1) * sizeof(*set->externals));
	set->externals[set->nexternals++] =
		(struct external_name){str_dup(name), is_about_user};
	return true;
}

bool acl_set_uses_auth(const struct acl_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->acls[i]->is_about_user)
			return true;
	return false;
}

bool acl_set_names_method(const struct acl_set *set, struct str method)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->acls[i]->type->name, "method") == 0 &&
		    acl_words_has(set->acls[i], method))
			return true;
	return false;
}
