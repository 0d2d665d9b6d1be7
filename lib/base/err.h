/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/err.h: faults of the world, handled or passed up, with the sentence that explains them.
 * Threads: any; an err_text belongs to its caller. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
	ERR_OK = 0,
	ERR_IO,      /* a system call failed */
	ERR_INPUT,   /* what came from outside is not what it should be */
	ERR_LIMIT,   /* a named bound was reached */
	ERR_DISK,    /* the SQLite tier cannot be used */
	ERR_RESOLVE, /* a name has no address */
	ERR_BUSY,    /* somebody else has it, for now */
};

struct err_text {
	char at[512];
};

/* Writes the sentence (cut to fit); why may be NULL. */
void err_say(struct err_text *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
