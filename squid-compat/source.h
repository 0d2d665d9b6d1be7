/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/source.h: where the files that a configuration names come from: the disk, or memory
 * in tests and fuzzers. One thread's. */
#ifndef SQUID_COMPAT_SOURCE_H
#define SQUID_COMPAT_SOURCE_H
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
	SOURCE_MAX_BYTES = 16 << 20, /* one file */
	SOURCE_MAX_MATCHES = 10000,  /* files that one pattern may name */
};

/* Names in sorted order. The caller frees them with source_names_fini. */
struct source_names {
	char **at;
	size_t n;
};

struct source {
	void *user;
	/* Appends the whole file to out (bounded by out->max_bytes). Anything but a regular file is
	 * refused; why tells the reason as "(2) No such file or directory" does. */
	enum err (*read)(void *user, const char *path, struct buf *out, struct err_text *why);
	/* The files that pattern matches (shell globs), or itself when it has no glob and exists;
	 * none is an error. */
	enum err (*expand)(void *user, const char *pattern, struct source_names *out,
	                   struct err_text *why);
};

/* The disk. Never blocks on a FIFO and never opens a device for good. */
extern const struct source source_disk;

void source_names_fini(struct source_names *names);

#endif
