/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/error_page_internal.h: what error_page.c and the table of pages share. */
#ifndef SQUID_COMPAT_ERROR_PAGE_INTERNAL_H
#define SQUID_COMPAT_ERROR_PAGE_INTERNAL_H
#include "squid-compat/error_page.h"

struct error_entry {
	const char *name;    /* "ERR_ACCESS_DENIED" */
	int status;
	const char *title;   /* what happened, in a few words */
	const char *message; /* HTML with codes: what it means to whoever reads it */
	const char *advice;  /* what to do; NULL: nothing */
};

/* One row for each enum error_name; ERROR_NONE's is empty. */
extern const struct error_entry error_entries[ERROR_NAMES];

#endif
