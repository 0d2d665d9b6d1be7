/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole words: methods, schemes, names of ports, peers and users. Sorted once sealed, by their
 * length first, so that most look-ups end without a look at a byte; in lower case where case does
 * not matter. */
#include <stdlib.h>

#include "lib/base/heap.h"
#include "squid-compat/acl/acl_internal.h"

struct words_values {
	struct str *at; /* their bytes are ours */
	size_t n, cap;
	bool nocase;
	bool takes_any; /* REQUIRED */
};

static void free_words(void *values)
{
	struct words_values *words = values;

	for (size_t i = 0; i < words->n; i++)
		mem_free((char *)words->at[i].at);
	mem_free(words->at);
}

static void add_word(struct words_values *words, struct str word)
{
	if (words->n == words->cap) {
		words->cap = words->cap > 0 ? words->cap * 2 : 4;
		words->at = mem_realloc(words->at, words->cap * sizeof(*words->at));
	}
	words->at[words->n++] = (struct str){str_dup(word), word.len};
}

static void parse_words(struct acl *acl, struct acl_reader *reader)
{
	struct words_values *words = acl->values;
	const struct acl_type *type = acl->type;
	struct str value;

	words->nocase |= reader->nocase || (type->flags & ACL_HAS_NO_CASE);
	while (acl_reader_next(reader, &value)) {
		if ((type->flags & ACL_TAKES_REQUIRED) && str_eq(value, STR("REQUIRED")))
			words->takes_any = true;
		else if (type->accepts == NULL || type->accepts(value, reader->report))
			add_word(words, value);
	}
}

static bool has_no_words(const void *values)
{
	const struct words_values *words = values;

	return words->n == 0 && !words->takes_any;
}

static int compare(struct str a, struct str b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len > 0 ? memcmp(a.at, b.at, a.len) : 0;
}

/* word is of any case. */
static int compare_nocase(struct str word, struct str lower)
{
	if (word.len != lower.len)
		return word.len < lower.len ? -1 : 1;
	for (size_t i = 0; i < word.len; i++) {
		int order = (unsigned char)ascii_lower(word.at[i]) - (unsigned char)lower.at[i];

		if (order != 0)
			return order;
	}
	return 0;
}

static void lower(struct str word)
{
	char *at = (char *)word.at;

	for (size_t i = 0; i < word.len; i++)
		at[i] = ascii_lower(at[i]);
}

static int by_text(const void *a, const void *b)
{
	return compare(*(const struct str *)a, *(const struct str *)b);
}

static void seal_words(struct acl *acl, struct report *report)
{
	struct words_values *words = acl->values;

	(void)report;
	for (size_t i = 0; words->nocase && i < words->n; i++)
		lower(words->at[i]);
	if (words->n > 0)
		qsort(words->at, words->n, sizeof(*words->at), by_text);
}

static uint64_t filter_of_words(const void *values)
{
	const struct words_values *words = values;
	uint64_t bits = words->takes_any ? acl_filter_anything : 0;

	for (size_t i = 0; i < words->n; i++)
		bits |= acl_filter_word(words->at[i]);
	return bits;
}

static bool has_word(const struct words_values *words, struct str word)
{
	size_t from = 0, to = words->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = words->nocase ? compare_nocase(word, words->at[middle])
					  : compare(word, words->at[middle]);

		if (order == 0)
			return true;
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return false;
}

static enum acl_match test_word(const void *values, struct str text)
{
	const struct words_values *words = values;

	return words->takes_any || has_word(words, text) ? ACL_MATCH : ACL_MISMATCH;
}

bool acl_words_has(const struct acl *acl, struct str word)
{
	return has_word(acl->values, word);
}

const struct acl_kind acl_kind_words = {
	.bytes = sizeof(struct words_values),
	.parse = parse_words,
	.is_empty = has_no_words,
	.seal = seal_words,
	.fini = free_words,
	.filter = filter_of_words,
	.test = test_word,
};
