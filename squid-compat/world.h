/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/world.h: what reading a configuration asks of the system: names and files.
 *
 * A table of functions, so that tests need neither DNS nor files. All of them may block: they are
 * called at the start and on a reload thread only. */
#ifndef SQUID_COMPAT_WORLD_H
#define SQUID_COMPAT_WORLD_H
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/net/addr.h"

struct source_names; /* squid-compat/source.h */

enum { WORLD_IS_GUARDED = 64, WORLD_IS_PRIVATE = 65 };

struct world {
	/* The addresses of name, each with port; returns how many (0: it does not resolve). */
	unsigned (*resolve)(const char *name, uint16_t port, struct addr *addrs, unsigned max);
	/* 0, or the errno of an access(2) with that mode: R_OK, or X_OK for a program (EISDIR: a
	 * folder). WORLD_IS_GUARDED, WORLD_IS_PRIVATE: EPERM if anybody may write to it, or read
	 * it. */
	int (*may)(const char *path, int mode);
	/* Appends the file's bytes to out (bounded by out's maximum); 0 or an errno. */
	int (*read_file)(const char *path, struct buf *out);
	/* The names in a folder, sorted, without "." and ".."; 0 or an errno. The caller frees them
	 * with source_names_fini. */
	int (*list)(const char *path, struct source_names *out);
	/* Appends the password that a program tells for the file of a key; 0 or an errno. */
	int (*ask_password)(const char *program, const char *key_path, struct buf *out);
	/* The port of a service ("http", tcp); 0: unknown. */
	uint16_t (*service)(const char *name);
};

extern const struct world world_system;

#endif
