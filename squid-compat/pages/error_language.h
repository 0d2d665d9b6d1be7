/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/pages/error_language.h: in which language a client reads an error page. RFC 9110
 * §12.5.4. Pure; any thread. */
#ifndef SQUID_COMPAT_ERROR_LANGUAGE_H
#define SQUID_COMPAT_ERROR_LANGUAGE_H
#include "lib/base/str.h"

enum error_language {
	ERROR_ENGLISH,
	ERROR_GERMAN,
	ERROR_FRENCH,
	ERROR_SPANISH,
	ERROR_JAPANESE,
	ERROR_LANGUAGES
};

/* "en"; as Content-Language and `lang` say it. */
const char *error_language_tag(enum error_language language);

/* By the first part of a tag like "de-AT", whatever its case; ERROR_LANGUAGES: there are no pages
 * in it. */
enum error_language error_language_of(struct str tag);

/* accept: the value of Accept-Language, which may be anything. The language that it weighs most,
 * the first one of several; otherwise where it names none that there is. *missing: the first tag
 * that it names and that there are no pages in, when that decided; else STR_NONE. */
enum error_language error_language_choose(struct str accept, enum error_language otherwise,
					  struct str *missing);

#endif
