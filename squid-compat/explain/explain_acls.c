/* SPDX-License-Identifier: BSD-2-Clause */
/* ACLs as sets of texts. What is answered here is sure; where values cannot be compared (patterns,
 * files, names of hosts), the answer is "not known". */
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/addr.h"
#include "squid-compat/explain/explain_internal.h"

enum { MAX_COMPARED = 200 }; /* values of an ACL: comparing costs their square */

/* ---- gathering */

struct explain_acl *explain_acls_find(const struct explain_acls *acls, struct str name)
{
	for (size_t i = 0; i < acls->n; i++)
		if (str_eq_nocase(acls->at[i].name, name))
			return &acls->at[i];
	return NULL;
}

static struct explain_acl *add_acl(struct explain_acls *acls, struct str name, struct str type,
				   size_t line)
{
	struct explain_acl *acl;

	if (acls->n == acls->room) {
		acls->room = acls->room ? 2 * acls->room : 16;
		acls->at = mem_realloc(acls->at, acls->room * sizeof(*acls->at));
	}
	acl = &acls->at[acls->n++];
	*acl = (struct explain_acl){.name = name, .type = type, .first_line = line};
	return acl;
}

static void add_value(struct explain_acl *acl, struct str value)
{
	if (acl->nvalues == acl->room) {
		acl->room = acl->room ? 2 * acl->room : 8;
		acl->values = mem_realloc(acl->values, acl->room * sizeof(*acl->values));
	}
	acl->values[acl->nvalues++] = value;
}

static bool is_all(struct str value)
{
	return str_eq(value, STR("all")) || str_eq(value, STR("0/0")) ||
	       str_eq(value, STR("0.0.0.0/0")) || str_eq(value, STR("0.0.0.0/0.0.0.0"));
}

static void add_values(struct explain_acl *acl, const struct explain_line *line)
{
	for (size_t i = 3; i < line->nwords; i++) {
		struct str value = line->words[i].text;

		if (line->words[i].is_file ||
		    (value.len > 1 && (value.at[0] == '-' || value.at[0] == '+')))
			acl->is_opaque = true;
		if (is_all(value) && str_eq(acl->type, STR("src")))
			acl->is_everything = true;
		add_value(acl, value);
	}
	if (acl->nvalues > MAX_COMPARED || strlen(line->text) >= 8191)
		acl->is_opaque = true;
}

static void add_built_in(struct explain_acls *acls)
{
	static const struct {
		const char *name, *type, *values[4];
	} rows[] = {
		{"all", "src", {"all"}},
		{"manager", "url_regex", {"-i"}},
		{"localhost", "src", {"127.0.0.1/32", "::1"}},
		{"to_localhost", "dst", {"-"}},
		{"to_linklocal", "dst", {"-"}},
		{"CONNECT", "method", {"CONNECT"}},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct explain_acl *acl =
			add_acl(acls, str_of(rows[i].name), str_of(rows[i].type), 0);

		acl->is_everything = i == 0;
		acl->is_used = true;
		for (const char *const *value = rows[i].values; *value; value++)
			add_value(acl, str_of(*value));
	}
}

/* The name that a type had before. */
static struct str type_of(struct str name)
{
	if (str_eq(name, STR("myip")))
		return STR("localip");
	return str_eq(name, STR("myport")) ? STR("localport") : name;
}

void explain_acls_init(struct explain_acls *acls, struct explanation *explanation)
{
	*acls = (struct explain_acls){.arena = &explanation->arena};
	add_built_in(acls);
	for (size_t i = 0; i < explanation->nlines; i++) {
		const struct explain_line *line = &explanation->lines[i];
		struct explain_acl *acl;

		if (line->nwords < 3 || !str_eq(line->words[0].text, STR("acl")) ||
		    line->what == EXPLAIN_REFUSED)
			continue;
		acl = explain_acls_find(acls, line->words[1].text);
		if (!acl)
			acl = add_acl(acls, line->words[1].text, type_of(line->words[2].text), i);
		if (str_eq(acl->type, type_of(line->words[2].text)))
			add_values(acl, line);
	}
}

void explain_acls_fini(struct explain_acls *acls)
{
	for (size_t i = 0; i < acls->n; i++)
		mem_free(acls->at[i].values);
	mem_free(acls->at);
}

/* ---- values */

bool explain_domain_covers(struct str domain, struct str name)
{
	if (domain.len > 1 && domain.at[0] == '.')
		return str_eq_nocase(str_from(domain, 1), name) ||
		       str_eq_nocase(domain, name) || str_ends_with_nocase(name, domain);
	return str_eq_nocase(domain, name);
}

/* A host cannot be of both. Addresses have names, which may be of the other. */
static bool domains_exclude(struct str a, struct str b)
{
	struct addr addr;

	return !explain_domain_covers(a, b) && !explain_domain_covers(b, a) &&
	       !addr_parse(a, 0, &addr) && !addr_parse(b, 0, &addr);
}

struct range {
	uint8_t low[16], high[16];
};

/* "ADDRESS[/BITS]" in digits alone. */
static bool read_range(struct str value, struct range *out)
{
	size_t slash = str_find_char(value, '/');
	struct addr addr;
	uint64_t bits = 128;

	if (!addr_parse(str_first(value, slash), 0, &addr))
		return false;
	if (slash < value.len && !str_to_u64(str_from(value, slash + 1), &bits))
		return false;
	if (slash < value.len && addr.as.any.sa_family == AF_INET)
		bits += 96;
	if (bits > 128)
		return false;
	addr_ip_bytes(&addr, out->low);
	for (unsigned i = 0; i < 16; i++) {
		uint8_t mask = bits >= 8 * (i + 1)  ? 0xff
			       : bits <= 8 * i ? 0
						   : (uint8_t)(0xff00 >> (bits - 8 * i));

		out->low[i] &= mask;
		out->high[i] = (uint8_t)(out->low[i] | (uint8_t)~mask);
	}
	return true;
}

static bool range_covers(struct str outer, struct str inner)
{
	struct range a, b;

	return read_range(outer, &a) && read_range(inner, &b) && memcmp(a.low, b.low, 16) <= 0 &&
	       memcmp(a.high, b.high, 16) >= 0;
}

static bool ranges_exclude(struct str x, struct str y)
{
	struct range a, b;

	return read_range(x, &a) && read_range(y, &b) &&
	       (memcmp(a.high, b.low, 16) < 0 || memcmp(b.high, a.low, 16) < 0);
}

static bool read_ports(struct str value, uint64_t *low, uint64_t *high)
{
	size_t hyphen = str_find_char(value, '-');

	if (!str_to_u64(str_first(value, hyphen), low))
		return false;
	*high = *low;
	return hyphen == value.len || str_to_u64(str_from(value, hyphen + 1), high);
}

static bool ports_cover(struct str outer, struct str inner)
{
	uint64_t a, b, c, d;

	return read_ports(outer, &a, &b) && read_ports(inner, &c, &d) && a <= c && d <= b;
}

static bool ports_exclude(struct str x, struct str y)
{
	uint64_t a, b, c, d;

	return read_ports(x, &a, &b) && read_ports(y, &c, &d) && (b < c || d < a);
}

static bool words_exclude(struct str a, struct str b)
{
	return !str_eq_nocase(a, b);
}

/* Types whose values can be compared one by one. */
static const struct comparison {
	const char *type;
	bool (*covers)(struct str outer, struct str inner);
	bool (*exclude)(struct str a, struct str b);
} comparisons[] = {
	{"dstdomain", explain_domain_covers, domains_exclude},
	{"src", range_covers, ranges_exclude},
	{"localip", range_covers, ranges_exclude},
	{"port", ports_cover, ports_exclude},
	{"localport", ports_cover, ports_exclude},
	{"method", str_eq_nocase, words_exclude},
	{"myportname", str_eq, words_exclude},
};

static const struct comparison *comparison_of(const struct explain_acl *a,
					      const struct explain_acl *b)
{
	if (!str_eq(a->type, b->type) || a->is_opaque || b->is_opaque)
		return NULL;
	for (size_t i = 0; i < COUNT(comparisons); i++)
		if (str_eq(a->type, str_of(comparisons[i].type)))
			return &comparisons[i];
	return NULL;
}

/* ---- sets */

static bool is_within(const struct explain_acl *a, const struct explain_acl *b)
{
	const struct comparison *comparison = comparison_of(a, b);

	if (!comparison || a->is_everything || a->nvalues == 0)
		return false;
	for (size_t i = 0; i < a->nvalues; i++) {
		size_t j = 0;

		while (j < b->nvalues && !comparison->covers(b->values[j], a->values[i]))
			j++;
		if (j == b->nvalues)
			return false;
	}
	return true;
}

bool explain_acls_exclude(const struct explain_acl *a, const struct explain_acl *b)
{
	const struct comparison *comparison = comparison_of(a, b);

	if (!comparison || a->is_everything || b->is_everything || a->nvalues == 0 ||
	    b->nvalues == 0)
		return false;
	for (size_t i = 0; i < a->nvalues; i++)
		for (size_t j = 0; j < b->nvalues; j++)
			if (!comparison->exclude(a->values[i], b->values[j]))
				return false;
	return true;
}

bool explain_term_is_always(struct explain_term term)
{
	return term.acl->is_everything && !term.is_negated;
}

bool explain_term_is_never(struct explain_term term)
{
	return term.acl->is_everything && term.is_negated;
}

/* Asked twice, it may answer in two ways. */
static bool is_fickle(const struct explain_acl *acl)
{
	return str_eq(acl->type, STR("random")) || str_eq(acl->type, STR("any-of")) ||
	       str_eq(acl->type, STR("all-of")) || str_eq(acl->type, STR("external")) ||
	       str_eq(acl->type, STR("max_user_ip"));
}

bool explain_term_implies(struct explain_term a, struct explain_term b)
{
	if (explain_term_is_always(b) || explain_term_is_never(a))
		return true;
	if (a.acl == b.acl)
		return a.is_negated == b.is_negated && !is_fickle(a.acl);
	if (a.is_negated != b.is_negated)
		return false;
	return a.is_negated ? is_within(b.acl, a.acl) : is_within(a.acl, b.acl);
}
