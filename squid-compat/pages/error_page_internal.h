/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/pages/error_page_internal.h: what error_page.c and the table of pages share. */
#ifndef SQUID_COMPAT_ERROR_PAGE_INTERNAL_H
#define SQUID_COMPAT_ERROR_PAGE_INTERNAL_H
#include "squid-compat/pages/error_page.h"

/* UTF-8. */
struct error_words {
	const char *title;   /* what happened, in a few words; NULL: there is no such page */
	const char *message; /* HTML with codes: what it means to whoever reads it */
	const char *advice;  /* what to do; NULL: nothing */
};

struct error_entry {
	const char *name; /* "ERR_ACCESS_DENIED" */
	int status;
	struct error_words words; /* in English */
};

/* One row for each enum error_name; ERROR_NONE's is empty. */
extern const struct error_entry error_entries[ERROR_NAMES];

/* Other languages have what an accelerator's clients can meet. */
extern const struct error_words error_words_de[ERROR_NAMES], error_words_es[ERROR_NAMES],
	error_words_fr[ERROR_NAMES], error_words_ja[ERROR_NAMES];

/* Appends a page with codes: our frame around the words; language: for `lang`. */
void error_words_page(const struct error_words *words, const char *language, struct buf *out);

/* An error's words; title NULL: there are none in that language. */
static inline const struct error_words *error_words_in(enum error_language language,
						       enum error_name name)
{
	static const struct error_words *const tables[ERROR_LANGUAGES] = {
		[ERROR_GERMAN] = error_words_de,
		[ERROR_FRENCH] = error_words_fr,
		[ERROR_SPANISH] = error_words_es,
		[ERROR_JAPANESE] = error_words_ja,
	};

	return tables[language] ? &tables[language][name] : &error_entries[name].words;
}

#endif
