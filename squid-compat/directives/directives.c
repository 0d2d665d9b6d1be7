/* SPDX-License-Identifier: BSD-2-Clause */
/* The table is held in families, one file each; here they are one. */
#include "squid-compat/directives/directives.h"

#include "lib/base/check.h"
#include "squid-compat/directives/directives_internal.h"

static const struct family {
	const char *title;
	const struct directive *rows;
} families[] = {
	{"Access: who may do what, and who one is", directives_access},
	{"The cache: what is kept, where and how long", directives_cache},
	{"Messages: requests, replies and error pages", directives_message},
	{"The network: ports, peers, connections and names", directives_network},
	{"The program: the process, its logs and its helpers", directives_program},
	{"Without effect here, by design", directives_unused},
	{"Only for forward proxies", directives_forward},
	{"Gone from Squid", directives_gone},
};

static bool is_alias(const struct directive *directive, struct str name)
{
	struct str rest = str_of(directive->aliases), alias;

	while (str_word(&rest, &alias))
		if (str_eq(alias, name))
			return true;
	return false;
}

const struct directive *directive_find(struct str name)
{
	for (size_t i = 0; i < COUNT(families); i++)
		for (const struct directive *row = families[i].rows; row->name; row++)
			if (str_eq(str_of(row->name), name) ||
			    (row->aliases && is_alias(row, name)))
				return row;
	return NULL;
}

const struct directive *directive_at(size_t i)
{
	for (size_t family = 0; family < COUNT(families); family++)
		for (const struct directive *row = families[family].rows; row->name; row++)
			if (i-- == 0)
				return row;
	return NULL;
}

/* ---- misspelt names */

enum { MAX_NAME_BYTES = 64, MAX_FAULTS = 2 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How many letters have to be put in, left out, changed or swapped with their neighbour. Both names
 * have up to MAX_NAME_BYTES. */
static unsigned count_faults(struct str a, struct str b)
{
	unsigned rows[3][MAX_NAME_BYTES + 1];

	for (unsigned j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3];

		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			bool is_same = ascii_lower(a.at[i - 1]) == ascii_lower(b.at[j - 1]);

			row[j] = least(above[j - 1] + !is_same, least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] &&
			    a.at[i - 2] == b.at[j - 1])
				row[j] = least(row[j], rows[(i + 1) % 3][j - 2] + 1);
		}
	}
	return rows[a.len % 3][b.len];
}

/* Takes candidate if it is nearer than what there is. */
static void compare(struct str name, struct str candidate, struct str *best, unsigned *nfaults)
{
	unsigned n;

	if (candidate.len > MAX_NAME_BYTES || candidate.len > name.len + MAX_FAULTS ||
	    name.len > candidate.len + MAX_FAULTS)
		return;
	n = count_faults(name, candidate);
	if (n < *nfaults) {
		*best = candidate;
		*nfaults = n;
	}
}

struct str directive_nearest(struct str name)
{
	unsigned nfaults = MAX_FAULTS + 1;
	struct str best = STR_NONE;
	const struct directive *row;

	if (name.len <= 2 * MAX_FAULTS || name.len > MAX_NAME_BYTES)
		return STR_NONE;
	for (size_t i = 0; (row = directive_at(i)); i++) {
		struct str rest = str_of(row->aliases), alias;

		if (row->verdict == OBSOLETE || row->verdict == UNKNOWN)
			continue;
		compare(name, str_of(row->name), &best, &nfaults);
		while (row->aliases && str_word(&rest, &alias))
			compare(name, alias, &best, &nfaults);
	}
	return best;
}

bool directive_is_single(const struct directive *directive)
{
	static directive_fn *const single[] = {
		parse_on_off, parse_int,  parse_percent, parse_time,
		parse_size,   parse_text, parse_size_kb, parse_bounded_size,
		parse_rest,   parse_port, parse_choice,  parse_umask,
		parse_cache_log, parse_debug_options, parse_count_or_on_off,
	};

	for (size_t i = 0; i < COUNT(single); i++)
		if (directive->parse == single[i])
			return true;
	return false;
}

size_t directive_number(const struct directive *directive)
{
	size_t i = 0;

	for (size_t family = 0; family < COUNT(families); family++)
		for (const struct directive *row = families[family].rows; row->name; row++, i++)
			if (row == directive)
				return i;
	check(!"a directive of the table");
	return i;
}

const char *directive_reason(const struct directive *directive)
{
	return directive->help ? directive->help : "gone from Squid";
}

const char *directive_family(const struct directive *directive)
{
	for (size_t i = 0; i < COUNT(families); i++)
		for (const struct directive *row = families[i].rows; row->name; row++)
			if (row == directive)
				return families[i].title;
	check(!"a directive of the table");
	return NULL;
}
