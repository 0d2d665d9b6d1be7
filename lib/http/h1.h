/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/http/h1.h: HTTP/1 syntax: heads and chunked bodies. RFC 9112.
 *
 * Total: any bytes end in a head, an error or "more". Incremental: the caller shows all bytes of
 * the head so far and the parser goes on where it stopped; the verdict is the same whatever the
 * split. Strict in framing: what two parsers could read in two ways is refused. Threads: a parser
 * belongs to its connection; no allocation, no system call. */
#ifndef HTTP_H1_H
#define HTTP_H1_H
#include "lib/http/message.h"

enum h1_verdict {
	H1_MORE,
	H1_DONE,
	H1_ERROR,
};

/* Why bytes were refused; h1_error_info tells how to answer. */
enum h1_error {
	H1_OK = 0,
	H1_BAD_REQUEST_LINE,
	H1_BAD_METHOD,
	H1_BAD_TARGET,
	H1_TARGET_TOO_LONG,
	H1_BAD_VERSION,
	H1_UNSUPPORTED_VERSION,
	H1_BAD_LINE_END,
	H1_BAD_FIELD_NAME,
	H1_BAD_FIELD_VALUE,
	H1_FOLDED_FIELD,
	H1_HEAD_TOO_LARGE,
	H1_BAD_CONTENT_LENGTH,
	H1_CONFLICTING_FRAMING, /* Content-Length with Transfer-Encoding, twice, TE in 1.0 */
	H1_BAD_TRANSFER_ENCODING,
	H1_UNSUPPORTED_TRANSFER_ENCODING,
	H1_BAD_HOST,        /* missing in 1.1, more than one, not an authority */
	H1_DUPLICATE_FIELD, /* a second field of one that may occur once */
	H1_BAD_CONNECTION,  /* Connection names a framing field */
	H1_BAD_EXPECT,
	H1_NOT_HTTP, /* TLS or garbage in front */
	H1_BAD_STATUS_LINE,
	H1_BAD_CHUNK,      /* size, extension, line end or trailer line is not as it should be */
	H1_CHUNK_OVERHEAD, /* framing out of all proportion to the data */
	H1_TRAILERS_TOO_LARGE,
	H1_ERROR_COUNT
};

/* For requests. What an origin sent wrong is a 502 ERR_INVALID_RESP (H1_HEAD_TOO_LARGE:
 * ERR_TOO_BIG), whatever the error; only the text serves there. */
struct h1_error_info {
	int status;              /* for the client: 400, 413, 414, 417, 431, 501, 505 */
	const char *squid_error; /* "ERR_INVALID_REQ", ... */
	const char *text;        /* one phrase for the log */
};
const struct h1_error_info *h1_error_info(enum h1_error error);

struct h1_limits {
	uint32_t head_bytes;   /* request_header_max_size, reply_header_max_size */
	uint32_t target_bytes; /* the longest request-target */
	bool allow_no_host;    /* the port has a defaultsite or vport: 1.1 without Host may do
	                          (false: 1.1 without Host is H1_BAD_HOST; 1.0 never is) */
	bool allow_blanks;     /* SP and HTAB in a request-target: the caller mends it */
};

/* No state but "look again when": a call that may decide something reads all lines from the first
 * on, so *out is the caller's scratch until H1_DONE. At most three such calls a line. */
struct h1_parser {
	uint32_t scanned_; /* bytes shown so far */
	uint32_t wake_;    /* fewer than these, without a line end among them, decide nothing */
	enum h1_error error;
};

/* Zeroed means: at the start of a message. */
static inline void h1_parser_reset(struct h1_parser *parser)
{
	*parser = (struct h1_parser){0};
}

/* bytes: the head from its first byte on (not NUL-terminated), len of them so far; both may have
 * moved or grown since the last call, but nothing before len changed. H1_DONE: *out is filled with
 * base = bytes, and out->head.len says where the body begins. H1_ERROR: parser->error. One leading
 * CRLF before a request is skipped (RFC 9112 §2.2) and counted in head.len. */
enum h1_verdict h1_parse_request(struct h1_parser *parser, const char *bytes, size_t len,
                                 const struct h1_limits *limits, struct http_request *out);

/* The first line of a head that was refused, for the log. */
struct h1_request_line {
	struct str method;
	struct str target;    /* no control bytes; STR_NONE: the line did not end in bytes */
	uint8_t major, minor; /* as written; 0.0 with no target */
};
/* Reads it from the bytes that h1_parse_request refused, of which *out then borrows. False: it is
 * no request line, and *out is untouched. */
bool h1_read_request_line(const char *bytes, size_t len, struct h1_request_line *out);

/* method: of the request that this answers. To HEAD, and with 1xx, 204 and 304, the body is NONE
 * and content_length just what the field says (0 without). Interim (1xx) responses are returned
 * like others. obs-fold is read as blanks: the bytes are changed in place, hence no const. */
enum h1_verdict h1_parse_response(struct h1_parser *parser, char *bytes, size_t len,
                                  const struct h1_limits *limits, enum http_method method,
                                  struct http_response *out);

/* ---- chunked bodies, RFC 9112 §7.1; trailers are checked and counted */
enum {
	H1_MAX_EXTENSION_BYTES = 256, /* of a whole body */
	H1_MAX_TRAILER_BYTES = 8192,
	H1_FREE_OVERHEAD = 65536, /* framing bytes that any body may have, */
	H1_OVERHEAD_PER_BYTE =
		4, /* and how many more for each byte of data: 1-byte chunks take 5 */
};

/* Zeroed means: at the start of a body. */
struct h1_chunks {
	uint64_t left;     /* of the current chunk's data */
	uint64_t received; /* data bytes so far */
	uint64_t overhead; /* bytes that were not data */
	uint32_t trailer_bytes;
	uint16_t extension_bytes; /* of all chunks */
	uint8_t state_;
	uint8_t ndigits_; /* of the current size */
	enum h1_error error;
	struct buf *trailers; /* NULL: dropped; else what comes of them is appended, and a last CR */
};

/* Takes bytes from in[0..len): *used of them, of which *data are body bytes (in place; may be
 * empty, and counts with H1_DONE and H1_ERROR too). Call again with the rest while H1_MORE and
 * *used > 0. H1_DONE: the body and its trailers end after *used. H1_ERROR: chunks->error says why.
 */
enum h1_verdict h1_decode_chunks(struct h1_chunks *chunks, const char *in, size_t len, size_t *used,
                                 struct str *data);

/* "1f40\r\n" into out (at least 20 bytes); returns the length. */
size_t h1_encode_chunk_head(uint64_t len, char *out);

#endif
