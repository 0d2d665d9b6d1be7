/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks at the rules of a file as a whole for what nobody can have meant. A warning tells a fact:
 * where an ACL cannot be judged (a pattern, a file, a helper), nothing is said. */
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/addr.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/explain/explain_internal.h"
#include "squid-compat/reading.h"

enum {
	MAX_TERMS = 64,      /* of a rule; one with more is not looked at */
	MAX_COMPARED = 2000, /* rules of a list that are compared with each other */
	MAX_SITES = 1000,
	MAX_SITES_SAID = 50,
};

struct rule {
	size_t line;
	const struct directive *directive;
	struct str key; /* cache_peer_access: the peer; *_header_access: the field */
	bool is_allow;
	struct explain_term terms[MAX_TERMS];
	size_t nterms;
};

struct looking {
	struct explanation *explanation;
	struct explain_acls acls;
	struct rule *rules;
	size_t nrules, room;
};

static struct explain_line *line_at(const struct looking *looking, const struct rule *rule)
{
	return &looking->explanation->lines[rule->line];
}

/* ---- the rules of all lists */

/* Where `allow` or `deny` stands in lines of the directive; 0: they are no rules. */
static size_t action_word(const struct directive *directive)
{
	static const struct {
		directive_fn *parse;
		size_t at;
	} rows[] = {
		{parse_access, 1},       {parse_fast_access, 1},       {parse_upgrade_rule, 2},
		{parse_header_access, 2}, {parse_cache_peer_access, 2}, {parse_delay_access, 2},
		{parse_client_delay_access, 2}, {parse_response_delay_access, 2},
	};

	for (size_t i = 0; directive && i < COUNT(rows); i++)
		if (directive->parse == rows[i].parse)
			return rows[i].at;
	return 0;
}

/* False: the line is no rule, or none that can be looked at. */
static bool read_rule(struct looking *looking, size_t i, struct rule *rule)
{
	const struct explain_line *line = &looking->explanation->lines[i];
	size_t at = action_word(line->directive);
	struct str action = explain_word(line, at);

	if (at == 0 || line->what == EXPLAIN_REFUSED || line->nwords <= at + 1 ||
	    line->nwords > at + 1 + MAX_TERMS)
		return false;
	*rule = (struct rule){.line = i, .directive = line->directive};
	rule->key = at == 2 ? explain_word(line, 1) : STR_NONE;
	rule->is_allow = str_eq(action, STR("allow"));
	if (!rule->is_allow && !str_eq(action, STR("deny")))
		return false;
	for (size_t word = at + 1; word < line->nwords; word++) {
		struct str name = explain_word(line, word);
		struct explain_term *term = &rule->terms[rule->nterms++];

		term->is_negated = name.len > 0 && name.at[0] == '!';
		term->acl = explain_acls_find(&looking->acls, str_from(name, term->is_negated));
		if (!term->acl)
			return false;
	}
	return true;
}

static void read_rules(struct looking *looking)
{
	for (size_t i = 0; i < looking->explanation->nlines; i++) {
		if (looking->nrules == looking->room) {
			looking->room = looking->room ? 2 * looking->room : 16;
			looking->rules = mem_realloc(looking->rules,
						     looking->room * sizeof(*looking->rules));
		}
		looking->nrules += read_rule(looking, i, &looking->rules[looking->nrules]);
	}
}

static bool are_of_one_list(const struct rule *a, const struct rule *b)
{
	return a->directive == b->directive && str_eq_nocase(a->key, b->key);
}

static bool decides_all(const struct rule *rule)
{
	for (size_t i = 0; i < rule->nterms; i++)
		if (!explain_term_is_always(rule->terms[i]))
			return false;
	return true;
}

static bool is_http_access(const struct rule *rule)
{
	return str_eq(str_of(rule->directive->name), STR("http_access"));
}

/* ---- rules that never count */

/* Whatever matches later matches earlier. */
static bool hides(const struct rule *earlier, const struct rule *later)
{
	for (size_t i = 0; i < earlier->nterms; i++) {
		size_t j = 0;

		while (j < later->nterms &&
		       !explain_term_implies(later->terms[j], earlier->terms[i]))
			j++;
		if (j == later->nterms && !explain_term_is_always(earlier->terms[i]))
			return false;
	}
	return true;
}

static void say_hidden(struct looking *looking, const struct rule *rule, const struct rule *by)
{
	const struct explain_line *above = line_at(looking, by);
	const char *who = by->is_allow ? "allowed" : "denied";

	if (decides_all(by) && is_http_access(rule) && by->is_allow != rule->is_allow)
		explain_remark(looking->explanation, line_at(looking, rule), true,
			       "never reached: '%s' (%s:%d) stands above it, so that all are %s, and "
			       "nobody is %s here: are the lines in the wrong order, or allow and "
			       "deny mixed up?",
			       above->text, above->file, above->number, who,
			       by->is_allow ? "denied" : "allowed");
	else
		explain_remark(looking->explanation, line_at(looking, rule), true,
			       "never reached: '%s' (%s:%d) above decides all that it would match",
			       above->text, above->file, above->number);
}

static void look_for_hidden(struct looking *looking)
{
	for (size_t i = 0; i < looking->nrules; i++) {
		size_t ncompared = 0;

		for (size_t j = 0; j < i; j++) {
			const struct rule *earlier = &looking->rules[j];

			if (!are_of_one_list(earlier, &looking->rules[i]))
				continue;
			if (++ncompared > MAX_COMPARED && !decides_all(earlier))
				continue;
			if (!hides(earlier, &looking->rules[i]))
				continue;
			say_hidden(looking, &looking->rules[i], earlier);
			break;
		}
	}
}

/* No request can match both of two of its ACLs. */
static void look_for_contradiction(struct looking *looking, const struct rule *rule)
{
	for (size_t i = 0; i < rule->nterms; i++) {
		if (explain_term_is_never(rule->terms[i])) {
			explain_remark(looking->explanation, line_at(looking, rule), true,
				       "never matches: '!%.*s' holds for nobody",
				       STR_ARG(rule->terms[i].acl->name));
			return;
		}
		for (size_t j = 0; j < i; j++) {
			struct explain_term a = rule->terms[j], b = rule->terms[i];
			bool is_same = a.acl == b.acl && a.is_negated != b.is_negated;

			if (!is_same && (a.is_negated || b.is_negated ||
					 !explain_acls_exclude(a.acl, b.acl)))
				continue;
			explain_remark(looking->explanation, line_at(looking, rule), true,
				       "never matches: all ACLs of a line must hold, and no request is "
				       "both '%s%.*s' and '%s%.*s'; for \"or\" write two lines",
				       a.is_negated ? "!" : "", STR_ARG(a.acl->name),
				       b.is_negated ? "!" : "", STR_ARG(b.acl->name));
			return;
		}
	}
}

/* Whom no line of http_access names gets the opposite of the last. */
static void look_at_the_end(struct looking *looking)
{
	const struct rule *last = NULL;

	for (size_t i = 0; i < looking->nrules; i++) {
		if (!is_http_access(&looking->rules[i]))
			continue;
		last = &looking->rules[i];
		if (decides_all(last))
			return;
	}
	if (last && !last->is_allow)
		explain_remark(looking->explanation, line_at(looking, last), true,
			       "the last line denies some, so all whom no line names are allowed, its "
			       "opposite: end with 'http_access deny all', or with 'allow all' if "
			       "that is meant");
}

/* ---- sites that nobody gets */

enum sureness { NO, PERHAPS, YES };

static enum sureness site_matches(struct str site, struct explain_term term)
{
	const struct explain_acl *acl = term.acl;
	enum sureness sureness = NO;

	if (acl->is_everything)
		return term.is_negated ? NO : YES;
	if (acl->is_opaque || !str_eq(acl->type, STR("dstdomain")))
		return PERHAPS;
	for (size_t i = 0; i < acl->nvalues && sureness != YES; i++) {
		struct addr addr;

		if (explain_domain_covers(acl->values[i], site))
			sureness = YES;
		else if (explain_domain_covers(site, acl->values[i]) ||
			 addr_parse(acl->values[i], 0, &addr)) /* whose name may be the site's */
			sureness = PERHAPS;
	}
	if (sureness != PERHAPS && term.is_negated)
		sureness = sureness == YES ? NO : YES;
	return sureness;
}

static enum sureness rule_matches(const struct rule *rule, struct str site)
{
	enum sureness sureness = YES;

	for (size_t i = 0; i < rule->nterms; i++) {
		enum sureness one = site_matches(site, rule->terms[i]);

		if (one < sureness)
			sureness = one;
	}
	return sureness;
}

/* The rule that keeps a site from everybody; NULL: some may get it, or the last line's opposite
 * keeps it (*is_unnamed). */
static const struct rule *find_denial(const struct looking *looking, struct str site,
                                      bool *is_unnamed)
{
	const struct rule *last = NULL;

	*is_unnamed = false;
	for (size_t i = 0; i < looking->nrules; i++) {
		const struct rule *rule = &looking->rules[i];
		enum sureness sureness;

		if (!is_http_access(rule))
			continue;
		last = rule;
		sureness = rule_matches(rule, site);
		if (rule->is_allow && sureness != NO)
			return NULL;
		if (!rule->is_allow && sureness == YES)
			return rule;
	}
	*is_unnamed = last && last->is_allow;
	return NULL;
}

struct sites {
	struct str at[MAX_SITES];
	size_t lines[MAX_SITES]; /* where each is named first */
	size_t n;
};

static void add_site(struct sites *sites, struct str site, size_t line)
{
	struct addr addr;

	if (site.len == 0 || sites->n == MAX_SITES || addr_parse(site, 0, &addr))
		return;
	for (size_t i = 0; i < sites->n; i++)
		if (str_eq_nocase(sites->at[i], site))
			return;
	sites->at[sites->n] = site;
	sites->lines[sites->n++] = line;
}

static void add_default_sites(struct looking *looking, struct sites *sites)
{
	static const struct str option = {"defaultsite=", 12};

	for (size_t i = 0; i < looking->explanation->nlines; i++) {
		const struct explain_line *line = &looking->explanation->lines[i];

		if (!line->directive || line->directive->parse != parse_http_port ||
		    line->what == EXPLAIN_REFUSED)
			continue;
		for (size_t word = 1; word < line->nwords; word++) {
			struct str site = explain_word(line, word);

			if (!str_starts_with(site, option))
				continue;
			site = str_from(site, option.len);
			add_site(sites, str_first(site, str_find_char(site, ':')), i);
		}
	}
}

/* The domains of `http_access allow SITES` and `cache_peer_access PEER allow SITES`. */
static void add_allowed_sites(struct looking *looking, struct sites *sites)
{
	for (size_t i = 0; i < looking->nrules; i++) {
		const struct rule *rule = &looking->rules[i];

		if (!rule->is_allow ||
		    (!is_http_access(rule) && rule->directive->parse != parse_cache_peer_access))
			continue;
		for (size_t j = 0; j < rule->nterms; j++) {
			const struct explain_acl *acl = rule->terms[j].acl;

			if (rule->terms[j].is_negated || acl->is_opaque ||
			    !str_eq(acl->type, STR("dstdomain")))
				continue;
			for (size_t value = 0; value < acl->nvalues; value++)
				add_site(sites, acl->values[value], acl->first_line);
		}
	}
}

static bool has_http_access(const struct looking *looking)
{
	for (size_t i = 0; i < looking->nrules; i++)
		if (is_http_access(&looking->rules[i]))
			return true;
	return false;
}

/* Every http_access line must be known for this: one that could not be read might allow. */
static bool knows_all_rules(const struct looking *looking)
{
	size_t n = 0, nlines = 0;

	for (size_t i = 0; i < looking->nrules; i++)
		n += is_http_access(&looking->rules[i]);
	for (size_t i = 0; i < looking->explanation->nlines; i++) {
		const struct explain_line *line = &looking->explanation->lines[i];

		nlines += line->directive &&
		          str_eq(str_of(line->directive->name), STR("http_access"));
	}
	return n == nlines;
}

static void say_denied(struct looking *looking, const struct sites *sites, size_t i)
{
	struct explain_line *named = &looking->explanation->lines[sites->lines[i]];
	bool is_unnamed;
	const struct rule *rule = find_denial(looking, sites->at[i], &is_unnamed);

	if (rule && !decides_all(rule))
		explain_remark(looking->explanation, line_at(looking, rule), true,
			       "the site %.*s (%s:%d) is denied here to everybody: no line above allows "
			       "it, and those below are not reached",
			       STR_ARG(sites->at[i]), named->file, named->number);
	else if (rule || is_unnamed)
		explain_remark(looking->explanation, named, true,
			       "nobody gets the site %.*s: no http_access line that is reached allows it",
			       STR_ARG(sites->at[i]));
}

static void look_at_sites(struct looking *looking)
{
	struct sites *sites = mem_zalloc(sizeof(*sites));

	if (has_http_access(looking) && knows_all_rules(looking)) {
		size_t nwarnings = explain_warnings(looking->explanation);

		add_default_sites(looking, sites);
		add_allowed_sites(looking, sites);
		for (size_t i = 0; i < sites->n; i++) {
			if (explain_warnings(looking->explanation) > nwarnings + MAX_SITES_SAID)
				break;
			say_denied(looking, sites, i);
		}
	}
	mem_free(sites);
}

/* ---- values of ACLs */

static unsigned count_dots(struct str text)
{
	unsigned n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.at[i] == '.';
	return n;
}

/* "example.com", "example.co.uk": what one registers, below which www and others lie. */
static bool is_registered_name(struct str name)
{
	static const char *const seconds[] = {"ac", "co", "com", "edu", "gov", "net", "org"};
	size_t first = str_find_char(name, '.');
	struct str rest = str_from(name, first + 1);
	size_t second = str_find_char(rest, '.');

	if (first == 0 || count_dots(name) == 0)
		return false;
	if (count_dots(name) == 1)
		return rest.len > 1 && (rest.at[0] < '0' || rest.at[0] > '9');
	for (size_t i = 0; i < COUNT(seconds); i++)
		if (count_dots(name) == 2 && rest.len == second + 3 &&
		    str_eq_nocase(str_first(rest, second), str_of(seconds[i])))
			return true;
	return false;
}

/* Is some host below name served, by a value of its own or as the default site? Or name itself
 * so? */
static bool is_meant_alone(const struct looking *looking, struct str name)
{
	char below[300];
	struct sites *sites = mem_zalloc(sizeof(*sites));
	bool is_meant = name.len + 2 > sizeof(below);

	str_copy(STR("."), below, sizeof(below));
	str_copy(name, below + 1, sizeof(below) - 1);
	add_default_sites((struct looking *)looking, sites);
	for (size_t i = 0; i < sites->n; i++)
		is_meant |= str_eq_nocase(sites->at[i], name);
	mem_free(sites);
	for (size_t i = 0; i < looking->acls.n && !is_meant; i++) {
		const struct explain_acl *acl = &looking->acls.at[i];

		if (!str_eq(acl->type, STR("dstdomain")))
			continue;
		is_meant |= acl->is_opaque;
		for (size_t j = 0; j < acl->nvalues; j++)
			is_meant |= str_ends_with_nocase(acl->values[j], str_of(below));
	}
	return is_meant;
}

static void look_at_domain(struct looking *looking, struct explain_line *line, struct str value)
{
	const char *never = NULL;

	if (str_starts_with(value, STR("*.")))
		never = "there are no wildcards: write '.example.com' for a domain and all below it";
	else if (str_find_char(value, '/') < value.len)
		never = "it is no URL: write the host name alone";
	else if (str_find_char(value, ':') < value.len && count_dots(value) > 0)
		never = "a host has no port here: write the name alone, and an ACL of type port";
	if (never)
		explain_remark(looking->explanation, line, true, "'%.*s' never matches: %s",
			       STR_ARG(value), never);
	else if (is_registered_name(value) && !is_meant_alone(looking, value))
		explain_remark(looking->explanation, line, true,
			       "'%.*s' is that name alone, and not www.%.*s: write '.%.*s' if what lies "
			       "below it is meant too",
			       STR_ARG(value), STR_ARG(value), STR_ARG(value));
}

/* 192.0.2.0 without a mask is one address that hardly any client has. */
static void look_at_address(struct looking *looking, struct explain_line *line, struct str value)
{
	struct addr addr;

	if (str_find_char(value, '/') < value.len || value.len < 2 ||
	    !str_ends_with_nocase(value, STR(".0")) || !addr_parse(value, 0, &addr))
		return;
	explain_remark(looking->explanation, line, true,
		       "'%.*s' is that one address: write '%.*s/24', or what its mask is, if a network is "
		       "meant",
		       STR_ARG(value), STR_ARG(value));
}

static void look_at_values(struct looking *looking, struct explain_line *line)
{
	struct str type = explain_word(line, 2);

	if (line->nwords < 4 || !str_eq(explain_word(line, 0), STR("acl")))
		return;
	for (size_t i = 3; i < line->nwords; i++) {
		if (line->words[i].is_file || line->words[i].text.len == 0 ||
		    line->words[i].text.at[0] == '-')
			continue;
		if (str_eq(type, STR("dstdomain")))
			look_at_domain(looking, line, line->words[i].text);
		else if (str_eq(type, STR("src")) || str_eq(type, STR("dst")))
			look_at_address(looking, line, line->words[i].text);
	}
}

/* ---- ACLs that nobody names */

/* Any word that could be its name is taken for a use; of other ACLs, any-of and all-of name
 * some. */
static void note_uses(struct looking *looking)
{
	for (size_t i = 0; i < looking->explanation->nlines; i++) {
		const struct explain_line *line = &looking->explanation->lines[i];
		bool is_acl = str_eq(explain_word(line, 0), STR("acl"));
		size_t first = is_acl ? 3 : 1;

		if (is_acl && !str_ends_with_nocase(explain_word(line, 2), STR("-of")))
			continue;
		for (size_t word = first; word < line->nwords; word++) {
			struct str name = line->words[word].text;
			struct explain_acl *acl;

			while (name.len > 0 && name.at[0] == '!')
				name = str_from(name, 1);
			acl = explain_acls_find(&looking->acls, name);
			if (acl)
				acl->is_used = true;
		}
	}
}

/* An ACL of method PURGE works by being there. */
static bool names_purge(const struct explain_acl *acl)
{
	for (size_t i = 0; i < acl->nvalues; i++)
		if (str_eq_nocase(acl->values[i], STR("PURGE")))
			return str_eq(acl->type, STR("method"));
	return false;
}

static void look_for_unused(struct looking *looking)
{
	note_uses(looking);
	for (size_t i = 0; i < looking->acls.n; i++) {
		const struct explain_acl *acl = &looking->acls.at[i];

		if (acl->is_used || names_purge(acl))
			continue;
		explain_remark(looking->explanation, &looking->explanation->lines[acl->first_line],
			       true, "the ACL '%.*s' is never used", STR_ARG(acl->name));
	}
}

void explain_rules(struct explanation *explanation)
{
	struct looking looking = {.explanation = explanation};

	explain_acls_init(&looking.acls, explanation);
	read_rules(&looking);
	look_for_hidden(&looking);
	for (size_t i = 0; i < looking.nrules; i++)
		look_for_contradiction(&looking, &looking.rules[i]);
	look_at_the_end(&looking);
	look_at_sites(&looking);
	for (size_t i = 0; i < explanation->nlines; i++)
		look_at_values(&looking, &explanation->lines[i]);
	look_for_unused(&looking);
	mem_free(looking.rules);
	explain_acls_fini(&looking.acls);
}
