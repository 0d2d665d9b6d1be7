/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiling walks the text once: literals and codes become items of a list. A literal quote or
 * bracket sets the encoding of the codes up to the one that closes it, so that what a format puts
 * into quotes stays inside them. */
#include "squid-compat/log/logformat.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "squid-compat/log/logformat_internal.h"

enum {
	MAX_WIDTH = 4096, /* wider fields are refused */
};

struct logformat {
	struct log_item *first;
	bool wants_mime, wants_reply;
	bool is_question;
	size_t max_value;
};

/* ---- compiling */

struct compiling {
	struct str text; /* what is left of it */
	struct logformat *format;
	struct log_item **last;
	struct arena *arena;
	struct report *report;
	bool is_internal;
	enum log_encoding of_questions; /* of all codes but internal ones; else RAW */
	/* within "..." or [...] of the literal text, else RAW: the code's own */
	enum log_encoding context;
};

static struct log_item *add_item(struct compiling *compiling)
{
	struct log_item *item = arena_zalloc(compiling->arena, sizeof(*item));

	item->max_width = -1;
	*compiling->last = item;
	compiling->last = &item->next;
	return item;
}

static void follow_context(struct compiling *compiling, char c)
{
	enum log_encoding *context = &compiling->context;

	if (c == '"' && *context != LOG_ENCODE_BLOCK)
		*context = *context == LOG_ENCODE_RAW ? LOG_ENCODE_QUOTED : LOG_ENCODE_RAW;
	else if (c == '[' && *context == LOG_ENCODE_RAW)
		*context = LOG_ENCODE_BLOCK;
	else if (c == ']' && *context == LOG_ENCODE_BLOCK)
		*context = LOG_ENCODE_RAW;
}

static void compile_literal(struct compiling *compiling)
{
	size_t len = str_find_char(compiling->text, '%');

	add_item(compiling)->text = arena_str(compiling->arena, str_first(compiling->text, len));
	for (size_t i = 0; i < len; i++)
		follow_context(compiling, compiling->text.at[i]);
	compiling->text = str_from(compiling->text, len);
}

static char peek(const struct compiling *compiling)
{
	return compiling->text.len > 0 ? compiling->text.at[0] : '\0';
}

static char take(struct compiling *compiling)
{
	char c = peek(compiling);

	compiling->text = str_from(compiling->text, 1);
	return c;
}

/* An optional character that chooses the encoding. */
static bool compile_encoding(struct compiling *compiling, struct log_item *item)
{
	static const struct {
		char c;
		enum log_encoding encoding;
	} modifiers[] = {
		{'"', LOG_ENCODE_QUOTED}, {'[', LOG_ENCODE_BLOCK}, {'#', LOG_ENCODE_URL},
		{'/', LOG_ENCODE_SHELL},  {'\'', LOG_ENCODE_RAW},
	};

	for (size_t i = 0; i < COUNT(modifiers); i++)
		if (peek(compiling) == modifiers[i].c) {
			take(compiling);
			item->encoding = modifiers[i].encoding;
			return true;
		}
	return false;
}

/* Digits, if there are any; false: too many. */
static bool compile_number(struct compiling *compiling, int *out)
{
	int number = 0;

	if (peek(compiling) < '0' || peek(compiling) > '9')
		return true;
	while (peek(compiling) >= '0' && peek(compiling) <= '9') {
		number = number * 10 + (take(compiling) - '0');
		if (number > MAX_WIDTH)
			return false;
	}
	*out = number;
	return true;
}

/* [-][0][width][.max] */
static bool compile_widths(struct compiling *compiling, struct log_item *item)
{
	if (peek(compiling) == '-') {
		take(compiling);
		item->is_left = true;
	}
	if (peek(compiling) == '0') {
		take(compiling);
		item->is_zero = true;
	}
	if (!compile_number(compiling, &item->width))
		return false;
	if (peek(compiling) == '.') {
		take(compiling);
		return compile_number(compiling, &item->max_width);
	}
	return true;
}

/* "{...}", if it is there; false: it does not end. */
static bool compile_argument(struct compiling *compiling, struct log_item *item)
{
	size_t end;

	if (peek(compiling) != '{')
		return true;
	end = str_find_char(compiling->text, '}');
	if (end == compiling->text.len)
		return false;
	item->text = arena_str(compiling->arena,
			       str_from(str_first(compiling->text, end), 1));
	item->has_argument = true;
	compiling->text = str_from(compiling->text, end + 1);
	return true;
}

/* {Name:;element}: the separator (',' if none is given) and the element; {key:sep}. */
static void cut_argument(struct log_item *item)
{
	size_t colon = str_find_char(item->text, ':');
	struct str rest = str_from(item->text, colon + 1);

	if (colon == item->text.len)
		return;
	item->text = str_first(item->text, colon);
	item->separator = ',';
	if (item->code->argument == LOG_ARGUMENT_HEADER && rest.len > 0 &&
	    strchr(",;|&: ", rest.at[0])) {
		item->separator = rest.at[0];
		rest = str_from(rest, 1);
	}
	item->element = rest;
}

/* What the code itself has to say about how it is used. False: an argument where none may be. */
static bool settle(struct compiling *compiling, struct log_item *item)
{
	const struct log_code *code = item->code;

	if (item->has_argument && code->argument == LOG_ARGUMENT_NONE)
		return false;
	if (item->has_argument && code->argument != LOG_ARGUMENT_MAY)
		cut_argument(item);
	if ((code->flags & LOG_CODE_MIME) && !item->has_argument)
		compiling->format->wants_mime = true;
	if (code->flags & LOG_CODE_REPLY)
		compiling->format->wants_reply = true;
	if (code->flags & LOG_CODE_UNFILLED)
		report_say(compiling->report, REPORT_NOTE,
			   "%%%s has no value here: '-' is written", code->name);
	if (code->instead)
		report_say(compiling->report, REPORT_WARNING,
			   "The \"%%%s\" formatting code is deprecated. Use the \"%%%s\" instead.",
			   code->name, code->instead);
	return true;
}

/* What stands behind a '%'. */
static bool compile_code(struct compiling *compiling)
{
	struct log_item *item = add_item(compiling);
	bool has_encoding = compile_encoding(compiling, item);
	size_t len = 0;

	if (!compile_widths(compiling, item) || !compile_argument(compiling, item))
		return false;
	item->code = log_code_find(compiling->text, compiling->is_internal, &len);
	if (!item->code)
		return false;
	compiling->text = str_from(compiling->text, len);
	if (!item->has_argument && item->code->argument != LOG_ARGUMENT_NONE &&
	    !compile_argument(compiling, item))
		return false;
	if (!has_encoding && compiling->of_questions != LOG_ENCODE_RAW &&
	    !(item->code->flags & LOG_CODE_INTERNAL))
		item->encoding = compiling->of_questions;
	else if (!has_encoding)
		item->encoding = compiling->context != LOG_ENCODE_RAW ? compiling->context
								      : item->code->encoding;
	return settle(compiling, item);
}

static const struct logformat *compile(struct str text, bool is_internal,
				       enum log_encoding of_questions, struct arena *arena,
				       struct report *report)
{
	struct logformat *format = arena_zalloc(arena, sizeof(*format));
	struct compiling compiling = {
		.text = text,
		.format = format,
		.last = &format->first,
		.arena = arena,
		.report = report,
		.is_internal = is_internal,
		.of_questions = of_questions,
	};

	format->is_question = is_internal;
	format->max_value = is_internal ? LOGFORMAT_MAX_ASKED_VALUE : LOGFORMAT_MAX_VALUE;
	while (compiling.text.len > 0) {
		struct str before = compiling.text;

		if (peek(&compiling) != '%') {
			compile_literal(&compiling);
			continue;
		}
		take(&compiling);
		if (!compile_code(&compiling)) {
			report_say(report, REPORT_FATAL,
				   "configuration error: Unsupported %%code: '%.*s'",
				   STR_ARG(before));
			return NULL;
		}
	}
	return format;
}

const struct logformat *logformat_compile(struct str text, struct arena *arena,
					  struct report *report)
{
	return compile(text, false, LOG_ENCODE_RAW, arena, report);
}

const struct logformat *logformat_compile_question(struct str text, struct arena *arena,
						   struct report *report)
{
	return compile(text, true, LOG_ENCODE_URL_KEEP, arena, report);
}

bool logformat_wants_reply(const struct logformat *format)
{
	return format->wants_reply;
}

/* ---- rendering */

/* Makes what was appended since start as wide as the item says. */
static void align(const struct log_item *item, size_t start, bool is_number, struct buf *out)
{
	size_t len, pad;
	char *room;

	if (!is_number && item->max_width >= 0 && out->len - start > (size_t)item->max_width)
		out->len = start + (size_t)item->max_width;
	len = out->len - start;
	if (len >= (size_t)item->width)
		return;
	pad = (size_t)item->width - len;
	room = buf_reserve(out, pad);
	if (!room)
		return;
	if (item->is_left) {
		memset(room, ' ', pad);
	} else {
		memmove(out->at + start + pad, out->at + start, len);
		memset(out->at + start, ' ', pad);
	}
	out->len += pad;
}

/* Not printf: numbers are a third of a log line. */
static void render_number(const struct log_item *item, int64_t number, struct buf *out)
{
	uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char digits[24];
	size_t n = sizeof(digits), width = item->is_zero ? (size_t)item->width : 0;

	do {
		digits[--n] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (number < 0)
		buf_add_char(out, '-');
	for (size_t len = sizeof(digits) - n + (number < 0); len < width; len++)
		buf_add_char(out, '0');
	buf_add(out, digits + n, sizeof(digits) - n);
}

/* Microseconds as seconds with three digits, or .max of them, behind the point. */
static void render_seconds(const struct log_item *item, int64_t us, struct buf *out)
{
	int digits = item->max_width < 0 ? 3 : item->max_width > 6 ? 6 : item->max_width;
	int64_t fraction = us % 1000000;
	char text[64];
	int len;

	for (int i = digits; i < 6; i++)
		fraction /= 10;
	len = digits == 0
		      ? snprintf(text, sizeof(text), "%" PRId64, us / 1000000)
		      : snprintf(text, sizeof(text), "%" PRId64 ".%0*" PRId64, us / 1000000, digits,
				 fraction);
	buf_add(out, text, (size_t)len);
}

static void render_code(const struct logformat *format, const struct log_item *item,
			const struct log_facts *facts, struct buf *scratch, struct buf *out)
{
	struct log_value value;
	size_t start = out->len;

	value.kind = LOG_VALUE_NONE;
	value.text = STR_NONE;
	value.scratch = scratch;
	if (item->code->get)
		item->code->get(item->code, item, facts, &value);
	if (value.kind == LOG_VALUE_NUMBER)
		render_number(item, value.number, out);
	else if (value.kind == LOG_VALUE_SECONDS)
		render_seconds(item, value.number, out);
	else if (value.text.len > 0)
		log_encode(out, item->encoding, str_first(value.text, format->max_value));
	if (value.kind < LOG_VALUE_NUMBER && value.text.len == 0)
		/* as Squid: a missing value has no width */
		buf_add_str(out, item->encoding == LOG_ENCODE_JSON ? STR("null") : STR("-"));
	else
		align(item, start, value.kind >= LOG_VALUE_NUMBER, out);
	out->is_full |= format->is_question &&
			(scratch->is_full || value.text.len > format->max_value);
	buf_clear(scratch);
}

void logformat_render(const struct logformat *format, const struct log_facts *facts,
		      struct buf *out)
{
	struct buf scratch;

	buf_init(&scratch, 2 * format->max_value);
	for (const struct log_item *item = format->first; item; item = item->next)
		if (item->code)
			render_code(format, item, facts, &scratch, out);
		else
			buf_add_str(out, item->text);
	buf_fini(&scratch);
}

static void render_head(const struct http_head *head, struct buf *scratch, struct buf *out)
{
	log_head_text(head, scratch);
	buf_add_str(out, STR(" ["));
	log_encode(out, LOG_ENCODE_BLOCK, buf_str(scratch));
	buf_add_char(out, ']');
	buf_clear(scratch);
}

void logformat_render_line(const struct logformat_name *format, const struct log_facts *facts,
			   struct buf *out)
{
	struct buf scratch;

	logformat_render(format->format, facts, out);
	if (!format->appends_mime || !facts->options || !facts->options->logs_mime_headers)
		return;
	buf_init(&scratch, 2 * LOGFORMAT_MAX_VALUE);
	render_head(facts->request_head, &scratch, out);
	render_head(facts->reply_head, &scratch, out);
	buf_fini(&scratch);
}

/* ---- formats by name */

/* Squid writes Referer and User-Agent of the combined format as they are; here the quotes around
 * them have their effect, so that no client can end the field before its end. */
static const struct {
	const char *name, *text;
	bool appends_mime;
	enum log_encoding encoding; /* of all codes; RAW: each its own */
} builtin[] = {
	{"squid", "%9ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %#un %Sh/%<a %mt", true,
         LOG_ENCODE_RAW},
	{"common", "%>a %ui %#un [%tl] \"%rm %ru %_protocol\" %>Hs %<st %Ss:%Sh", true,
         LOG_ENCODE_RAW},
	{"combined",
         "%>a %ui %#un [%tl] \"%rm %ru %_protocol\" %>Hs %<st \"%{Referer}>h\" "
         "\"%{User-Agent}>h\" %Ss:%Sh",
         true, LOG_ENCODE_RAW},
	{"referrer", "%ts.%03tu %>a %{Referer}>h %ru", false, LOG_ENCODE_RAW},
	{"useragent", "%>a [%tl] \"%{User-Agent}>h\"", false, LOG_ENCODE_RAW},
	/* Not Squid's. docs/LOGS.md has the fields; new ones go to the end. */
	{"json",
         "{\"time\":%{%Y-%m-%dT%H:%M:%SZ}tg,\"timestamp\":%ts.%03tu,\"duration_ms\":%tr,"
         "\"client\":%>a,\"client_port\":%>p,\"user\":%un,\"method\":%rm,\"url\":%ru,"
         "\"host\":%>rd,\"protocol\":%rv,\"status\":%>Hs,\"result\":%Ss,\"bytes_out\":%<st,"
         "\"bytes_in\":%>st,\"type\":%mt,\"referer\":%{Referer}>h,\"user_agent\":%{User-Agent}>h,"
         "\"hierarchy\":%Sh,\"server\":%<a,\"server_port\":%<p,\"peer\":%<A,"
         "\"server_status\":%<Hs,\"server_ms\":%<tt,\"error\":%err_code,"
         "\"error_detail\":%err_detail,\"port\":%lp,\"tls\":%tls::>negotiated_version,"
         "\"cipher\":%tls::>negotiated_cipher,\"sni\":%tls::>sni,\"sequence\":%sn}",
         false, LOG_ENCODE_JSON},
};

static struct logformat_name *add_name(struct logformats *formats, struct str name,
				       const struct logformat *format)
{
	struct logformat_name *entry = arena_zalloc(formats->arena_, sizeof(*entry));

	entry->name = arena_str(formats->arena_, name);
	entry->format = format;
	entry->next = formats->first;
	formats->first = entry;
	return entry;
}

void logformats_init(struct logformats *formats, struct arena *arena)
{
	*formats = (struct logformats){.arena_ = arena};
	for (size_t i = 0; i < COUNT(builtin); i++) {
		const struct logformat *format =
			compile(str_of(builtin[i].text), true, builtin[i].encoding, arena, NULL);
		struct logformat_name *entry;

		check(format);
		entry = add_name(formats, str_of(builtin[i].name), format);
		entry->appends_mime = builtin[i].appends_mime;
		entry->gives_way = builtin[i].encoding == LOG_ENCODE_JSON;
	}
}

const struct logformat_name *logformats_find(const struct logformats *formats, struct str name)
{
	for (const struct logformat_name *entry = formats->first; entry; entry = entry->next)
		if (str_eq(entry->name, name))
			return entry;
	return NULL;
}

void logformats_parse(struct logformats *formats, const struct words *words,
		      struct report *report)
{
	struct str name = words_text(words, 1);
	const struct logformat_name *known;
	const struct logformat *format;

	if (words->n < 3) {
		report_say(report, REPORT_FATAL, "logformat needs a name and a format");
		return;
	}
	known = logformats_find(formats, name);
	if (known && !known->gives_way) {
		report_say(report, REPORT_ERROR, "logformat %.*s is already defined. Ignoring.",
			   STR_ARG(name));
		return;
	}
	format = logformat_compile(words_rest(words, 2), formats->arena_, report);
	if (!format)
		return;
	add_name(formats, name, format);
	if (format->wants_mime)
		formats->wants_mime = true;
}
