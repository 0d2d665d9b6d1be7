/* SPDX-License-Identifier: BSD-2-Clause */
/* The table is held in families, one file each; here they are one. */
#include "squid-compat/directives.h"

#include "lib/base/check.h"
#include "squid-compat/directives_internal.h"

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
	if (directive->verdict == NOT_YET)
		return directive->missing;
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
