/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole words: methods, schemes, names of ports, peers and users. Kept sorted once sealed; in lower
 * case where case does not matter. */
#include <stdlib.h>

#include "lib/base/heap.h"
#include "squid-compat/acl_internal.h"

enum { MAX_WORD_BYTES = 512 }; /* longer texts are no value of anyone's list */

struct words_values {
	char **at;
	size_t n, cap;
	bool nocase;
	bool takes_any; /* REQUIRED */
};

static void free_words(void *values)
{
	struct words_values *words = values;

	for (size_t i = 0; i < words->n; i++)
		mem_free(words->at[i]);
	mem_free(words->at);
}

static void lower(char *text)
{
	for (; *text != '\0'; text++)
		*text = ascii_lower(*text);
}

static void add_word(struct words_values *words, struct str word)
{
	if (words->n == words->cap) {
		words->cap = words->cap > 0 ? words->cap * 2 : 4;
		words->at = mem_realloc(words->at, words->cap * sizeof(*words->at));
	}
	words->at[words->n++] = str_dup(word);
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

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
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

static enum acl_match test_word(const void *values, struct str text)
{
	const struct words_values *words = values;
	char key[MAX_WORD_BYTES], *key_at = key;

	if (words->takes_any)
		return ACL_MATCH;
	if (words->n == 0 || text.len >= sizeof(key) || memchr(text.at, '\0', text.len) != NULL)
		return ACL_MISMATCH;
	str_copy(text, key, sizeof(key));
	if (words->nocase)
		lower(key);
	return bsearch(&key_at, words->at, words->n, sizeof(*words->at), by_text) != NULL
	               ? ACL_MATCH
	               : ACL_MISMATCH;
}

bool acl_words_has(const struct acl *acl, struct str word)
{
	const struct words_values *words = acl->values;

	for (size_t i = 0; i < words->n; i++)
		if (words->nocase ? str_eq_nocase(str_of(words->at[i]), word)
		                  : str_eq(str_of(words->at[i]), word))
			return true;
	return false;
}

const struct acl_kind acl_kind_words = {
	.bytes = sizeof(struct words_values),
	.parse = parse_words,
	.is_empty = has_no_words,
	.seal = seal_words,
	.fini = free_words,
	.test = test_word,
};
