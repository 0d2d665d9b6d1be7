/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/log/logformat_internal.h: what logformat.c (compiling, rendering), logformat_codes.c
 * (the table of codes), logformat_fields.c (fields of heads) and logformat_quote.c (encodings)
 * share. */
#ifndef SQUID_COMPAT_LOGFORMAT_INTERNAL_H
#define SQUID_COMPAT_LOGFORMAT_INTERNAL_H
#include "squid-compat/log/logformat.h"

enum log_encoding {
	LOG_ENCODE_RAW,
	LOG_ENCODE_BLOCK,    /* [: as in a bracketed block of header fields */
	LOG_ENCODE_QUOTED,   /* ": the body of a quoted string */
	LOG_ENCODE_URL,      /* #: rfc1738, % too */
	LOG_ENCODE_URL_KEEP, /* rfc1738, what is escaped already stays */
	LOG_ENCODE_SHELL,    /* /: with its own quotes when needed */
	LOG_ENCODE_JSON,     /* a string of JSON with its quotes; what is missing is null */
	LOG_ENCODE_BLANKS,   /* blanks and controls as %XX, so that a field stays one */
	LOG_ENCODINGS
};

/* Appends value in that encoding. */
void log_encode(struct buf *out, enum log_encoding encoding, struct str value);

/* One %code of a format, or literal text. */
struct log_item {
	const struct log_code *code; /* NULL: literal */
	struct str text;             /* the literal, or the argument without its element */
	struct str element;          /* of {Name:;element}, or the separator of {key:sep} */
	char separator;              /* of {Name:;element} */
	bool has_argument;
	enum log_encoding encoding;
	bool is_left, is_zero;
	int width;     /* 0: as wide as it is */
	int max_width; /* -1: no limit */
	struct log_item *next;
};

/* What a code's getter finds. */
struct log_value {
	enum {
		LOG_VALUE_NONE = 0,
		LOG_VALUE_TEXT,
		LOG_VALUE_NUMBER,
		LOG_VALUE_SECONDS, /* number in microseconds, shown as seconds with a fraction */
	} kind;
	struct str text;
	int64_t number;
	char small[128];    /* where short texts are made */
	struct buf *scratch; /* where long ones are, empty at first */
};

enum log_argument {
	LOG_ARGUMENT_NONE,
	LOG_ARGUMENT_MAY,
	LOG_ARGUMENT_HEADER, /* {Name} or {Name:;element}, may be absent */
	LOG_ARGUMENT_NOTE,   /* {key} or {key:sep}, may be absent */
};

enum {
	LOG_CODE_MIME = 1 << 0,     /* without an argument it turns log_mime_hdrs on */
	LOG_CODE_UNFILLED = 1 << 2, /* nothing here fills it: noted when it is compiled */
	LOG_CODE_INTERNAL = 1 << 3, /* for our own formats only */
	LOG_CODE_REPLY = 1 << 4,    /* says fields of the reply's head */
};

struct log_code {
	const char *name;
	/* NULL: always absent */
	void (*get)(const struct log_code *code, const struct log_item *item,
		    const struct log_facts *facts, struct log_value *value);
	size_t slot; /* in struct log_facts, for the general getters */
	enum log_argument argument;
	enum log_encoding encoding; /* without one in the format */
	unsigned flags;
	const char *instead; /* an old spelling: what to write */
};

/* The code with the longest name that text begins with; NULL: none. *len is what it took. */
const struct log_code *log_code_find(struct str text, bool is_internal, size_t *len);

/* All fields of a head as "Name: value\r\n". */
void log_head_text(const struct http_head *head, struct buf *out);
/* The item's field of the head, or its element, or all fields if it names none; NULL: nothing. */
void log_take_field(struct log_value *value, const struct log_item *item,
		    const struct http_head *head);

#endif
