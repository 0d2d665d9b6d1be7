/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/http/content_codec.h: packs and unpacks gzip (RFC 1952, zlib) and brotli (RFC 7932), a piece
 * at a time. Memory: up to some 300 KiB for gzip, a few MiB for brotli. Threads: a codec is one
 * thread's. */
#ifndef HTTP_CONTENT_CODEC_H
#define HTTP_CONTENT_CODEC_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/http/content_coding.h"

struct content_codec; /* opaque */

enum { CODEC_MIN_LEVEL = 1, CODEC_MAX_LEVEL = 9 };

/* Was it built in? Brotli may not be. */
bool content_codec_has(enum content_coding coding);

/* coding is not identity, and content_codec_has it. level: from quick (1) to small (9). */
struct content_codec *content_codec_packer(enum content_coding coding, int level);
struct content_codec *content_codec_unpacker(enum content_coding coding);
void content_codec_destroy(struct content_codec *codec); /* accepts NULL */

/* What becomes of the bytes that a packer was given. */
enum codec_wish {
	CODEC_GO_ON, /* they may wait for more */
	CODEC_FLUSH, /* all of them come out */
	CODEC_END,   /* they were the last */
};

enum codec_state {
	CODEC_HUNGRY, /* *in is empty, and what was wished for is done: give more */
	CODEC_FULL,   /* *out is: come again with the same wish */
	CODEC_DONE,   /* the packed stream has ended; what is left of *in is none of it */
	CODEC_BROKEN, /* what is to be unpacked is not in that coding */
};

/* Cuts what it takes off *in, and what it fills off the room *room, which is not empty. */
enum codec_state content_codec_run(struct content_codec *codec, struct str *in,
				   enum codec_wish wish, char **room, size_t *nroom);

#endif
