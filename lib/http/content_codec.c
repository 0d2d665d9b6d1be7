/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/http/content_codec.h"

#include <build-config.h>
#include <limits.h>
#ifdef HAVE_BROTLI
#include <brotli/decode.h>
#include <brotli/encode.h>
#endif
#include <zlib.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

typedef enum codec_state run_fn(struct content_codec *codec, struct str *in, enum codec_wish wish,
				char **room, size_t *nroom);

struct content_codec {
	run_fn *run;
	void (*fini)(struct content_codec *codec);
	z_stream zlib;
	bool has_ended; /* a member of a gzip file: another one may follow */
#ifdef HAVE_BROTLI
	BrotliEncoderState *encoder;
	BrotliDecoderState *decoder;
#endif
};

/* ---- gzip */

enum {
	GZIP_FORMAT = 16, /* zlib: in windowBits */
	ANY_FORMAT = 32,
	MEMORY_LEVEL = 8,
};

/* Lends in and room to zlib for one call of it, and takes back what is left. */
static int run_zlib(struct content_codec *codec, int (*call)(z_stream *, int), int flush,
		    struct str *in, char **room, size_t *nroom)
{
	uInt nin = in->len < UINT_MAX ? (uInt)in->len : UINT_MAX;
	uInt nout = *nroom < UINT_MAX ? (uInt)*nroom : UINT_MAX;
	int result;

	codec->zlib.next_in = (Bytef *)(uintptr_t)in->at;
	codec->zlib.avail_in = nin;
	codec->zlib.next_out = (Bytef *)*room;
	codec->zlib.avail_out = nout;
	result = call(&codec->zlib, nin == in->len ? flush : Z_NO_FLUSH);
	*in = str_from(*in, nin - codec->zlib.avail_in);
	*room += nout - codec->zlib.avail_out;
	*nroom -= nout - codec->zlib.avail_out;
	return result;
}

static enum codec_state pack_gzip(struct content_codec *codec, struct str *in,
				  enum codec_wish wish, char **room, size_t *nroom)
{
	static const int flushes[] = {
		[CODEC_GO_ON] = Z_NO_FLUSH, [CODEC_FLUSH] = Z_SYNC_FLUSH, [CODEC_END] = Z_FINISH};
	int result = run_zlib(codec, deflate, flushes[wish], in, room, nroom);

	check(result == Z_OK || result == Z_BUF_ERROR || result == Z_STREAM_END);
	if (result == Z_STREAM_END)
		return CODEC_DONE;
	return *nroom == 0 || in->len > 0 ? CODEC_FULL : CODEC_HUNGRY;
}

/* A file may have several members; whatever else follows one is padding. */
static bool begin_member(struct content_codec *codec, const struct str *in)
{
	if ((unsigned char)in->at[0] != 0x1f)
		return false;
	codec->has_ended = false;
	return inflateReset(&codec->zlib) == Z_OK;
}

static enum codec_state unpack_gzip(struct content_codec *codec, struct str *in,
				    enum codec_wish wish, char **room, size_t *nroom)
{
	int result;

	if (codec->has_ended && (in->len == 0 || !begin_member(codec, in)))
		return in->len == 0 && wish != CODEC_END ? CODEC_HUNGRY : CODEC_DONE;
	result = run_zlib(codec, inflate, Z_NO_FLUSH, in, room, nroom);
	if (result == Z_STREAM_END) {
		codec->has_ended = true;
		if (in->len == 0)
			return wish == CODEC_END ? CODEC_DONE : CODEC_HUNGRY;
		return CODEC_FULL;
	}
	if (result != Z_OK && result != Z_BUF_ERROR)
		return CODEC_BROKEN;
	if (*nroom == 0 || in->len > 0)
		return CODEC_FULL;
	return wish == CODEC_END ? CODEC_BROKEN : CODEC_HUNGRY;
}

static void fini_deflate(struct content_codec *codec)
{
	deflateEnd(&codec->zlib);
}

static void fini_inflate(struct content_codec *codec)
{
	inflateEnd(&codec->zlib);
}

/* ---- brotli */

#ifdef HAVE_BROTLI
enum {
	BROTLI_WINDOW_BITS = 19, /* 512 KiB: as much again of memory, and little is gained by more */
};

static enum codec_state pack_brotli(struct content_codec *codec, struct str *in,
				    enum codec_wish wish, char **room, size_t *nroom)
{
	static const BrotliEncoderOperation operations[] = {
		[CODEC_GO_ON] = BROTLI_OPERATION_PROCESS,
		[CODEC_FLUSH] = BROTLI_OPERATION_FLUSH,
		[CODEC_END] = BROTLI_OPERATION_FINISH,
	};
	const uint8_t *next_in = (const uint8_t *)in->at;
	uint8_t *next_out = (uint8_t *)*room;
	size_t nin = in->len;
	BROTLI_BOOL ok = BrotliEncoderCompressStream(codec->encoder, operations[wish], &nin,
						     &next_in, nroom, &next_out, NULL);

	check(ok);
	*in = str_from(*in, in->len - nin);
	*room = (char *)next_out;
	if (BrotliEncoderIsFinished(codec->encoder))
		return CODEC_DONE;
	return nin > 0 || BrotliEncoderHasMoreOutput(codec->encoder) ? CODEC_FULL : CODEC_HUNGRY;
}

static enum codec_state unpack_brotli(struct content_codec *codec, struct str *in,
				      enum codec_wish wish, char **room, size_t *nroom)
{
	const uint8_t *next_in = (const uint8_t *)in->at;
	uint8_t *next_out = (uint8_t *)*room;
	size_t nin = in->len;
	BrotliDecoderResult result = BrotliDecoderDecompressStream(codec->decoder, &nin, &next_in,
								   nroom, &next_out, NULL);

	*in = str_from(*in, in->len - nin);
	*room = (char *)next_out;
	switch (result) {
	case BROTLI_DECODER_RESULT_SUCCESS:
		return CODEC_DONE;
	case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
		return wish == CODEC_END ? CODEC_BROKEN : CODEC_HUNGRY;
	case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
		return CODEC_FULL;
	case BROTLI_DECODER_RESULT_ERROR:
		break;
	}
	return CODEC_BROKEN;
}

static void fini_brotli(struct content_codec *codec)
{
	if (codec->encoder)
		BrotliEncoderDestroyInstance(codec->encoder);
	if (codec->decoder)
		BrotliDecoderDestroyInstance(codec->decoder);
}

static void init_brotli_packer(struct content_codec *codec, int level)
{
	/* This quality takes about as long as gzip's level does. */
	uint32_t quality = (uint32_t)(level > CODEC_MIN_LEVEL ? level - 1 : level);

	codec->encoder = BrotliEncoderCreateInstance(NULL, NULL, NULL);
	check(codec->encoder);
	check(BrotliEncoderSetParameter(codec->encoder, BROTLI_PARAM_QUALITY, quality));
	check(BrotliEncoderSetParameter(codec->encoder, BROTLI_PARAM_LGWIN, BROTLI_WINDOW_BITS));
	codec->run = pack_brotli;
	codec->fini = fini_brotli;
}

static void init_brotli_unpacker(struct content_codec *codec)
{
	codec->decoder = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	check(codec->decoder);
	codec->run = unpack_brotli;
	codec->fini = fini_brotli;
}
#else
static void init_brotli_packer(struct content_codec *codec, int level)
{
	(void)codec;
	(void)level;
	check(!"brotli is built in");
}

static void init_brotli_unpacker(struct content_codec *codec)
{
	init_brotli_packer(codec, 0);
}
#endif

/* ---- both */

bool content_codec_has(enum content_coding coding)
{
#ifdef HAVE_BROTLI
	return coding == CODING_GZIP || coding == CODING_BROTLI;
#else
	return coding == CODING_GZIP;
#endif
}

struct content_codec *content_codec_packer(enum content_coding coding, int level)
{
	struct content_codec *codec = mem_zalloc(sizeof(*codec));

	check(coding == CODING_GZIP || coding == CODING_BROTLI);
	check(level >= CODEC_MIN_LEVEL && level <= CODEC_MAX_LEVEL);
	if (coding == CODING_BROTLI) {
		init_brotli_packer(codec, level);
		return codec;
	}
	check(deflateInit2(&codec->zlib, level, Z_DEFLATED, MAX_WBITS + GZIP_FORMAT, MEMORY_LEVEL,
			   Z_DEFAULT_STRATEGY) == Z_OK);
	codec->run = pack_gzip;
	codec->fini = fini_deflate;
	return codec;
}

struct content_codec *content_codec_unpacker(enum content_coding coding)
{
	struct content_codec *codec = mem_zalloc(sizeof(*codec));

	check(coding == CODING_GZIP || coding == CODING_BROTLI);
	if (coding == CODING_BROTLI) {
		init_brotli_unpacker(codec);
		return codec;
	}
	check(inflateInit2(&codec->zlib, MAX_WBITS + ANY_FORMAT) == Z_OK);
	codec->run = unpack_gzip;
	codec->fini = fini_inflate;
	return codec;
}

void content_codec_destroy(struct content_codec *codec)
{
	if (!codec)
		return;
	codec->fini(codec);
	mem_free(codec);
}

enum codec_state content_codec_run(struct content_codec *codec, struct str *in,
				   enum codec_wish wish, char **room, size_t *nroom)
{
	check(*nroom > 0);
	return codec->run(codec, in, wish, room, nroom);
}
