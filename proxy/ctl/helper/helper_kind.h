/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/helper_kind.h: the kinds of helpers: what each is asked, and which answers make
 * sense. Threads: constants and pure functions. */
#ifndef PROXY_CTL_HELPER_KIND_H
#define PROXY_CTL_HELPER_KIND_H
#include <stdbool.h>

#include "helpers/line.h"
#include "lib/base/err.h"

enum helper_talk {
	HELPER_ANSWERS,   /* a line for a line, each by itself; may have channel ids */
	HELPER_CONVERSES, /* YR and KK: a line for a line, one after the other */
	HELPER_LISTENS,   /* a log daemon: it never answers */
};

enum helper_fault {
	HELPER_FAULT_NONE,
	HELPER_FAULT_ODD,   /* it works, but not as meant */
	HELPER_FAULT_WRONG, /* the proxy would not take it */
};

enum { HELPER_KIND_SAMPLES = 6 };

struct helper_kind {
	const char *name;      /* as --kind has it */
	const char *directive; /* where it belongs */
	enum helper_talk talk;
	/* Questions as the proxy asks them, without id and LF: ordinary ones, and ones with all
	 * that a client may put into them. NULL-terminated. */
	const char *samples[HELPER_KIND_SAMPLES], *hostile[HELPER_KIND_SAMPLES];
	/* A long question is this with `x` repeated in between, of at most max_bytes. */
	const char *long_begin, *long_end;
	unsigned max_bytes;
	/* Is that an answer for this kind? why: the sentence, unless it is FAULT_NONE. */
	enum helper_fault (*judge)(const struct helper_reply *reply, struct err_text *why);
};

/* NULL: there is no such kind. */
const struct helper_kind *helper_kind_find(const char *name);
/* "basic, digest, ..." into out. */
void helper_kind_names(char *out, size_t size);
/* In order; NULL behind the last one. */
const struct helper_kind *helper_kind_at(unsigned i);

#endif
