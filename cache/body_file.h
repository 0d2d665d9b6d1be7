/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/body_file.h: bodies in files of the system's memory (memfd), so that a socket takes them by
 * sendfile without a copy; they are mapped too, for whoever wants the bytes.
 *
 * A piece is a range of pages of its own. When it is given back its pages leave the file (a punched
 * hole) and the range is never used again, since sockets may still hold the old pages. On a huge
 * page a hole would zero bytes that are on their way, so where the system makes shared memory of
 * huge pages there are no such files (body_file_is_usable).
 * Threads: any; one leaf lock for the choice of the file. */
#ifndef CACHE_BODY_FILE_H
#define CACHE_BODY_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body_file; /* opaque */

struct body_piece {
	struct body_file *file;
	const char *at; /* mapped, read only */
	size_t len;
	int fd;
	int64_t offset;
};

/* Asked once; the answer stays. */
bool body_file_is_usable(void);

/* A piece of len bytes (not 0), to be filled by body_piece_write. False, and *out untouched: not
 * usable, or the system has no more. */
bool body_piece_take(size_t len, struct body_piece *out);
/* Puts bytes at offset at of a piece that was just taken. False: the system has no more memory. */
bool body_piece_write(const struct body_piece *piece, size_t at, const void *bytes, size_t len);
void body_piece_give(struct body_piece *piece);

#endif
