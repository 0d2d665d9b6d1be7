/* SPDX-License-Identifier: BSD-2-Clause */
/* From POSIX ERE, as glibc reads it in the C locale, to PCRE2's syntax.
 *
 * One pass over the pattern. Where the last atom begins in the output is remembered, so that a
 * second repetition can be wrapped around it. Bracket expressions become the exact set of their
 * bytes; every other byte is written so that PCRE2 gives it no meaning of its own.
 * Source: POSIX.1-2017 XBD 9.4, glibc posix/regcomp.c (behaviour; the tests compare with it). */
#include "squid-compat/regex.h"

#include "lib/base/check.h"

enum {
	NO_ATOM = -1,
	MAX_DEPTH = 200,     /* PCRE2 nests 250 */
	MAX_REPEAT = 0x7fff, /* RE_DUP_MAX */
	MAX_CLASS_NAME = 32,
};

/* An open parenthesis. A back-reference may name a group that is closed, and not one of another
 * alternative at the same level. */
struct level {
	long out_at;
	unsigned group;                      /* counted from 1; 0: the whole pattern */
	unsigned closed_before, closed_seen; /* sets of groups: 1 << number */
};

struct translator {
	struct str ere;
	size_t at;
	bool nocase;
	bool captures; /* the pattern has a back-reference */
	struct buf *out;
	struct err_text *why;
	long atom_at;     /* in out; NO_ATOM: nothing that may be repeated */
	char repeated_by; /* the repetition that the atom has: * + ? or }, 0: none */
	unsigned ngroups, closed;
	unsigned depth;
	struct level levels[MAX_DEPTH + 1];
};

static bool refuse(struct translator *t, const char *why)
{
	err_say(t->why, "%s", why);
	return false;
}

static bool is_word_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_';
}

static bool more(const struct translator *t)
{
	return t->at < t->ere.len;
}

static char peek(const struct translator *t, size_t ahead)
{
	return t->at + ahead < t->ere.len ? t->ere.at[t->at + ahead] : '\0';
}

static void begin_atom(struct translator *t)
{
	t->atom_at = (long)t->out->len;
	t->repeated_by = 0;
}

static void add_literal(struct translator *t, char c)
{
	begin_atom(t);
	if (is_word_byte(c) || (unsigned char)c >= 0x80)
		buf_add_char(t->out, c);
	else
		buf_printf(t->out, "\\x%02x", (unsigned char)c);
}

/* ---- brackets ---- */

struct byte_set {
	uint64_t bits[4];
};

static void set_add(struct byte_set *set, unsigned char c)
{
	set->bits[c / 64] |= (uint64_t)1 << (c % 64);
}

static bool set_has(const struct byte_set *set, unsigned char c)
{
	return set->bits[c / 64] >> (c % 64) & 1;
}

static void set_add_range(struct byte_set *set, unsigned lo, unsigned hi)
{
	for (unsigned c = lo; c <= hi; c++)
		set_add(set, (unsigned char)c);
}

static unsigned char ascii_upper(unsigned char c)
{
	return c >= 'a' && c <= 'z' ? (unsigned char)(c - 32) : c;
}

/* Character classes of the C locale, as pairs of first and last byte. */
static const struct {
	const char *name;
	unsigned char ranges[9];
} classes[] = {
	{"alnum", "09AZaz"},   {"alpha", "AZaz"},
	{"blank", "\t\t  "},   {"cntrl", "\x01\x1f\x7f\x7f"}, /* and NUL, which no subject has */
	{"digit", "09"},       {"graph", "!~"},
	{"lower", "az"},       {"print", " ~"},
	{"punct", "!/:@[`{~"}, {"space", "\t\r  "},
	{"upper", "AZ"},       {"xdigit", "09AFaf"},
};

static bool add_class(struct translator *t, struct byte_set *set, struct str name)
{
	bool is_cased = str_eq(name, STR("lower")) || str_eq(name, STR("upper"));

	if (t->nocase && is_cased)
		name = STR("alpha");
	for (size_t i = 0; i < COUNT(classes); i++) {
		if (!str_eq(name, str_of(classes[i].name)))
			continue;
		for (const unsigned char *r = classes[i].ranges; *r != '\0'; r += 2)
			set_add_range(set, r[0], r[1]);
		return true;
	}
	return refuse(t, "Invalid character class name");
}

enum element_kind {
	ELEMENT_BYTE,
	ELEMENT_CLASS, /* [:x:] */
	ELEMENT_EQUAL, /* [=x=] */
};

struct element {
	enum element_kind kind;
	unsigned char byte;
	struct str name;
};

/* [.x.], [=x=] or [:name:], whose first two bytes are at hand. */
static bool read_named_element(struct translator *t, struct element *element)
{
	char delimiter = peek(t, 1);
	size_t start = t->at + 2, end = start;

	while (end + 1 < t->ere.len && !(t->ere.at[end] == delimiter && t->ere.at[end + 1] == ']'))
		end++;
	if (end + 1 >= t->ere.len || end - start >= MAX_CLASS_NAME)
		return refuse(t, "Unmatched [, [^, [:, [., or [=");
	element->name = (struct str){t->ere.at + start, end - start};
	t->at = end + 2;
	element->kind = delimiter == ':'   ? ELEMENT_CLASS
	                : delimiter == '=' ? ELEMENT_EQUAL
	                                   : ELEMENT_BYTE;
	if (element->kind == ELEMENT_CLASS)
		return true;
	if (element->name.len != 1)
		return refuse(t, "Invalid collation character");
	element->byte = (unsigned char)element->name.at[0];
	return true;
}

/* A hyphen stands for itself first, last, and as the end of a range. */
static bool read_element(struct translator *t, bool accepts_hyphen, struct element *element)
{
	char c = peek(t, 0), next = peek(t, 1);

	if (!more(t))
		return refuse(t, "Unmatched [, [^, [:, [., or [=");
	if (c == '[' && (next == '.' || next == '=' || next == ':'))
		return read_named_element(t, element);
	if (c == '-' && !accepts_hyphen && next != ']')
		return refuse(t, "Invalid range end");
	*element = (struct element){.kind = ELEMENT_BYTE, .byte = (unsigned char)c};
	t->at++;
	return true;
}

static bool read_range_end(struct translator *t, struct byte_set *set, unsigned char lo)
{
	struct element end;
	unsigned char hi;

	t->at++; /* the hyphen */
	if (!read_element(t, true, &end))
		return false;
	hi = t->nocase ? ascii_upper(end.byte) : end.byte;
	if (end.kind != ELEMENT_BYTE || lo > hi)
		return refuse(t, "Invalid range end");
	set_add_range(set, lo, hi);
	return true;
}

static bool read_member(struct translator *t, struct byte_set *set, bool is_first)
{
	struct element element;
	unsigned char byte;

	if (!read_element(t, is_first, &element))
		return false;
	if (element.kind == ELEMENT_CLASS)
		return add_class(t, set, element.name);
	byte = t->nocase ? ascii_upper(element.byte) : element.byte;
	if (element.kind == ELEMENT_BYTE && peek(t, 0) == '-' && peek(t, 1) != ']')
		return read_range_end(t, set, byte);
	set_add(set, byte);
	return true;
}

static void write_set(struct translator *t, const struct byte_set *set)
{
	bool is_empty = true;

	begin_atom(t);
	buf_add_char(t->out, '[');
	for (unsigned lo = 0; lo < 256; lo++) {
		unsigned hi = lo;

		if (!set_has(set, (unsigned char)lo))
			continue;
		while (hi < 255 && set_has(set, (unsigned char)(hi + 1)))
			hi++;
		buf_printf(t->out, hi > lo ? "\\x%02x-\\x%02x" : "\\x%02x", lo, hi);
		is_empty = false;
		lo = hi;
	}
	buf_add_str(t->out, is_empty ? STR("^\\x00-\\xff]") : STR("]"));
}

/* Where case does not matter glibc compares in upper case: a byte is in if its upper case is. */
static bool translate_bracket(struct translator *t)
{
	struct byte_set members = {{0}}, exact = {{0}};
	bool is_negated = peek(t, 1) == '^';
	bool is_first = true;

	t->at += is_negated ? 2 : 1;
	while (is_first || peek(t, 0) != ']' || !more(t)) {
		if (!read_member(t, &members, is_first))
			return false;
		is_first = false;
	}
	t->at++;
	for (unsigned c = 0; c < 256; c++) {
		unsigned char folded = t->nocase ? ascii_upper((unsigned char)c) : (unsigned char)c;

		if (set_has(&members, folded) != is_negated)
			set_add(&exact, (unsigned char)c);
	}
	write_set(t, &exact);
	return true;
}

/* ---- escapes, groups, repetitions ---- */

/* Those that mean more than the letter behind the backslash. Assertions can't be repeated. */
static const struct escape {
	char letter;
	bool is_assertion;
	const char *spelling;
} escapes[] = {
	{'w', false, "\\w"},        {'W', false, "\\W"}, {'s', false, "\\s"},
	{'S', false, "\\S"},        {'b', true, "\\b"},  {'B', true, "\\B"},
	{'<', true, "\\b(?=\\w)"},  {'`', true, "\\A"},  {'\'', true, "\\z"},
	{'>', true, "\\b(?<=\\w)"},
};

static const struct escape *escape_find(char letter)
{
	for (size_t i = 0; i < COUNT(escapes); i++)
		if (escapes[i].letter == letter)
			return &escapes[i];
	return NULL;
}

static bool translate_escape(struct translator *t)
{
	char c = peek(t, 1);
	const struct escape *escape = escape_find(c);

	if (t->at + 1 >= t->ere.len)
		return refuse(t, "Trailing backslash");
	t->at += 2;
	if (c >= '1' && c <= '9') {
		if (!(t->closed & 1u << (c - '0')))
			return refuse(t, "Invalid back reference");
		begin_atom(t);
		buf_printf(t->out, "\\g{%c}", c);
	} else if (escape != NULL) {
		begin_atom(t);
		buf_add_str(t->out, str_of(escape->spelling));
		if (escape->is_assertion)
			t->atom_at = NO_ATOM;
	} else if (t->nocase && c >= 'a' && c <= 'z') {
		/* glibc compares an escaped letter as it is with the subject in upper case. */
		write_set(t, &(struct byte_set){{0}});
	} else {
		add_literal(t, c);
	}
	return true;
}

static bool open_group(struct translator *t)
{
	if (t->depth == MAX_DEPTH)
		return refuse(t, "Parentheses are nested too deep");
	t->levels[++t->depth] = (struct level){
		.out_at = (long)t->out->len,
		.group = ++t->ngroups,
		.closed_before = t->closed,
	};
	buf_add_str(t->out, t->captures ? STR("(") : STR("(?:"));
	t->atom_at = NO_ATOM;
	t->at++;
	return true;
}

static void close_group(struct translator *t)
{
	struct level level = t->levels[t->depth--];

	t->closed |= level.closed_seen;
	if (level.group <= 9)
		t->closed |= 1u << level.group;
	buf_add_char(t->out, ')');
	t->atom_at = level.out_at;
	t->repeated_by = 0;
	t->at++;
}

static void next_alternative(struct translator *t)
{
	struct level *level = &t->levels[t->depth];

	level->closed_seen |= t->closed;
	t->closed = level->closed_before;
	buf_add_char(t->out, '|');
	t->atom_at = NO_ATOM;
	t->at++;
}

/* Puts (?: ) around the last atom and its repetition, so that it can be repeated again. */
static void wrap_atom(struct translator *t)
{
	size_t at = (size_t)t->atom_at;

	if (!buf_add_str(t->out, STR("(?:)")))
		return;
	memmove(t->out->at + at + 3, t->out->at + at, t->out->len - 4 - at);
	memcpy(t->out->at + at, "(?:", 3);
}

static void repeat_simple(struct translator *t, char sign)
{
	if (t->repeated_by == '}') {
		wrap_atom(t);
		t->repeated_by = 0;
	}
	if (t->repeated_by == 0) {
		buf_add_char(t->out, sign);
	} else if (t->repeated_by != sign) {
		/* of *, + and ?, any two that differ make a * */
		sign = '*';
		t->out->at[t->out->len - 1] = sign;
	}
	t->repeated_by = sign;
}

/* Within braces glibc reads \, as a comma and \0 as a zero. */
static char peek_in_braces(struct translator *t)
{
	if (peek(t, 0) == '\\' && (peek(t, 1) == ',' || peek(t, 1) == '0'))
		t->at++;
	return peek(t, 0);
}

/* Digits up to a comma or brace; -1: none. False for anything else. */
static bool read_repeat_count(struct translator *t, long *out)
{
	*out = -1;
	for (char c; more(t) && (c = peek_in_braces(t)) != ',' && c != '}'; t->at++) {
		if (c < '0' || c > '9')
			return false;
		*out = *out < 0 ? c - '0' : *out * 10 + (c - '0');
		if (*out > MAX_REPEAT)
			*out = MAX_REPEAT + 1;
	}
	return more(t);
}

/* {n} {n,} {,n} {n,m}; {,} is a *. */
static bool read_interval(struct translator *t, long *min, long *max)
{
	t->at++;
	if (!read_repeat_count(t, min))
		return refuse(t, "Unmatched or bad \\{");
	*max = *min;
	if (peek(t, 0) == ',') {
		t->at++;
		if (!read_repeat_count(t, max) || peek(t, 0) == ',')
			return refuse(t, "Unmatched or bad \\{");
		if (*min < 0)
			*min = 0;
	}
	t->at++;
	if (*min < 0 || (*max >= 0 && *min > *max))
		return refuse(t, "Invalid content of \\{\\}");
	if (*min > MAX_REPEAT || *max > MAX_REPEAT)
		return refuse(t, "Regular expression too big");
	return true;
}

static bool repeat_interval(struct translator *t)
{
	long min, max;

	if (!read_interval(t, &min, &max))
		return false;
	if (min == 0 && max < 0) {
		repeat_simple(t, '*');
		return true;
	}
	if (t->repeated_by != 0)
		wrap_atom(t);
	buf_printf(t->out, "{%ld", min);
	if (max < 0)
		buf_add_char(t->out, ',');
	else if (max != min)
		buf_printf(t->out, ",%ld", max);
	buf_add_char(t->out, '}');
	t->repeated_by = '}';
	return true;
}

static bool translate_repeat(struct translator *t)
{
	char sign = peek(t, 0);

	if (t->atom_at == NO_ATOM)
		return refuse(t, "Invalid preceding regular expression");
	if (sign == '{')
		return repeat_interval(t);
	repeat_simple(t, sign);
	t->at++;
	return true;
}

static bool translate_next(struct translator *t)
{
	char c = peek(t, 0);

	switch (c) {
	case '\\':
		return translate_escape(t);
	case '[':
		return translate_bracket(t);
	case '(':
		return open_group(t);
	case '*':
	case '+':
	case '?':
	case '{':
		return translate_repeat(t);
	case '|':
		next_alternative(t);
		return true;
	case '^':
	case '$':
		buf_add_char(t->out, c);
		t->atom_at = NO_ATOM;
		break;
	case '.':
		begin_atom(t);
		buf_add_char(t->out, c);
		break;
	case ')':
		if (t->depth > 0) {
			close_group(t);
			return true;
		}
		/* fall through */
	default:
		add_literal(t, c);
	}
	t->at++;
	return true;
}

/* Perhaps more than there are: a digit behind a backslash in brackets is not one. */
static bool may_have_back_reference(struct str ere)
{
	for (size_t i = 0; i + 1 < ere.len; i++)
		if (ere.at[i] == '\\' && ere.at[i + 1] >= '1' && ere.at[i + 1] <= '9')
			return true;
	return false;
}

bool regex_translate(struct str ere, unsigned flags, struct buf *out, struct err_text *why)
{
	struct translator t = {
		.ere = ere,
		.nocase = flags & REGEX_NOCASE,
		.captures = may_have_back_reference(ere),
		.out = out,
		.why = why,
		.atom_at = NO_ATOM,
	};

	if (ere.len > REGEX_MAX_PATTERN_BYTES)
		return refuse(&t, "Regular expression too big");
	if (str_find_char(ere, '\0') < ere.len)
		return refuse(&t, "NUL in a regular expression");
	while (more(&t))
		if (!translate_next(&t))
			return false;
	if (t.depth > 0)
		return refuse(&t, "Unmatched ( or \\(");
	if (out->is_full)
		return refuse(&t, "Regular expression too big");
	return true;
}

bool regex_has_perl_escape(struct str ere)
{
	for (size_t i = 0; i + 1 < ere.len; i++) {
		if (ere.at[i] != '\\')
			continue;
		i++;
		if (ascii_lower(ere.at[i]) >= 'a' && ascii_lower(ere.at[i]) <= 'z' &&
		    escape_find(ere.at[i]) == NULL)
			return true;
	}
	return false;
}
