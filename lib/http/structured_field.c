/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/http/structured_field.h"

enum { MAX_INTEGER_DIGITS = 15, MAX_DECIMAL_DIGITS = 12, MAX_FRACTION_DIGITS = 3 };

/* ---- characters */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_in(char c, const char *set)
{
	return c != '\0' && strchr(set, c);
}

static bool is_key(char c)
{
	return is_lower(c) || is_digit(c) || is_in(c, "_-.*");
}

static bool is_token(char c)
{
	return is_alpha(c) || is_digit(c) || is_in(c, "!#$%&'*+-.^_`|~:/");
}

static bool is_base64(char c)
{
	return is_alpha(c) || is_digit(c) || is_in(c, "+/=");
}

static char peek(struct str s)
{
	return s.len > 0 ? s.at[0] : '\0';
}

static bool skip(struct str *s, char c)
{
	if (s->len == 0 || s->at[0] != c)
		return false;
	*s = str_from(*s, 1);
	return true;
}

static void skip_spaces(struct str *s)
{
	while (skip(s, ' '))
		continue;
}

static void skip_blanks(struct str *s)
{
	while (skip(s, ' ') || skip(s, '\t'))
		continue;
}

static size_t count_while(struct str s, bool (*is_one)(char c))
{
	size_t n = 0;

	while (n < s.len && is_one(s.at[n]))
		n++;
	return n;
}

/* ---- bare items: each cuts itself off *rest, or returns false */

static bool read_number(struct str *rest, struct sf_member *member)
{
	bool is_negative = skip(rest, '-');
	size_t ndigits = count_while(*rest, is_digit), nfraction;
	int64_t value = 0;

	if (ndigits == 0 || ndigits > MAX_INTEGER_DIGITS)
		return false;
	for (size_t i = 0; i < ndigits; i++)
		value = value * 10 + (rest->at[i] - '0');
	*rest = str_from(*rest, ndigits);
	member->type = SF_INTEGER;
	member->integer = is_negative ? -value : value;
	if (!skip(rest, '.'))
		return true;
	nfraction = count_while(*rest, is_digit);
	*rest = str_from(*rest, nfraction);
	member->type = SF_DECIMAL;
	return ndigits <= MAX_DECIMAL_DIGITS && nfraction > 0 && nfraction <= MAX_FRACTION_DIGITS;
}

/* Printable bytes up to the closing quote; behind the byte escape stands what may_follow takes. */
static bool skip_quoted(struct str *rest, char escape, bool (*may_follow)(struct str *rest))
{
	if (!skip(rest, '"'))
		return false;
	while (rest->len > 0) {
		char c = rest->at[0];

		*rest = str_from(*rest, 1);
		if (c == '"')
			return true;
		if (c < 0x20 || c > 0x7e || (c == escape && !may_follow(rest)))
			return false;
	}
	return false;
}

static bool skip_quote_or_backslash(struct str *rest)
{
	return skip(rest, '"') || skip(rest, '\\');
}

static bool skip_two_hex_digits(struct str *rest)
{
	static const char digits[] = "0123456789abcdef";

	if (rest->len < 2 || !is_in(rest->at[0], digits) || !is_in(rest->at[1], digits))
		return false;
	*rest = str_from(*rest, 2);
	return true;
}

static bool skip_bytes(struct str *rest)
{
	if (!skip(rest, ':'))
		return false;
	*rest = str_from(*rest, count_while(*rest, is_base64));
	return skip(rest, ':');
}

static bool read_boolean(struct str *rest, struct sf_member *member)
{
	member->type = SF_BOOLEAN;
	member->integer = peek(str_from(*rest, 1)) == '1';
	*rest = str_from(*rest, 1);
	return skip(rest, '1') || skip(rest, '0');
}

static bool read_date(struct str *rest, struct sf_member *member)
{
	bool ok = skip(rest, '@') && read_number(rest, member) && member->type == SF_INTEGER;

	member->type = SF_DATE;
	return ok;
}

static bool read_item(struct str *rest, struct sf_member *member)
{
	char c = peek(*rest);

	if (c == '-' || is_digit(c))
		return read_number(rest, member);
	if (c == '?')
		return read_boolean(rest, member);
	if (c == '@')
		return read_date(rest, member);
	member->type = c == '"' ? SF_STRING : c == ':' ? SF_BYTES : SF_DISPLAY_STRING;
	if (c == '"')
		return skip_quoted(rest, '\\', skip_quote_or_backslash);
	if (c == ':')
		return skip_bytes(rest);
	if (c == '%')
		return skip(rest, '%') && skip_quoted(rest, '%', skip_two_hex_digits);
	member->type = SF_TOKEN;
	if (!is_alpha(c) && c != '*')
		return false;
	*rest = str_from(*rest, count_while(*rest, is_token));
	return true;
}

/* ---- what is made of them */

static bool read_key(struct str *rest, struct str *key)
{
	char c = peek(*rest);

	if (!is_lower(c) && c != '*')
		return false;
	*key = str_first(*rest, count_while(*rest, is_key));
	*rest = str_from(*rest, key->len);
	return true;
}

static bool skip_parameters(struct str *rest)
{
	struct sf_member value;
	struct str key;

	while (skip(rest, ';')) {
		skip_spaces(rest);
		if (!read_key(rest, &key))
			return false;
		if (skip(rest, '=') && !read_item(rest, &value))
			return false;
	}
	return true;
}

static bool skip_inner_list(struct str *rest)
{
	struct sf_member item;

	if (!skip(rest, '('))
		return false;
	while (rest->len > 0) {
		skip_spaces(rest);
		if (skip(rest, ')'))
			return true;
		if (!read_item(rest, &item) || !skip_parameters(rest))
			return false;
		if (peek(*rest) != ' ' && peek(*rest) != ')')
			return false;
	}
	return false;
}

static bool read_value(struct str *rest, struct sf_member *member)
{
	struct str from = *rest;
	bool ok;

	member->integer = 0;
	if (peek(*rest) == '(') {
		member->type = SF_INNER_LIST;
		ok = skip_inner_list(rest);
	} else {
		ok = read_item(rest, member);
	}
	member->text = str_first(from, from.len - rest->len);
	return ok;
}

enum sf_verdict sf_next_member(struct str *rest, struct sf_member *member)
{
	skip_spaces(rest);
	if (rest->len == 0)
		return SF_END;
	*member = (struct sf_member){.type = SF_BOOLEAN, .integer = 1};
	if (!read_key(rest, &member->key))
		return SF_BROKEN;
	if (skip(rest, '=') && !read_value(rest, member))
		return SF_BROKEN;
	if (!skip_parameters(rest))
		return SF_BROKEN;
	skip_blanks(rest);
	if (rest->len == 0)
		return SF_MEMBER;
	if (!skip(rest, ','))
		return SF_BROKEN;
	skip_blanks(rest);
	return rest->len > 0 ? SF_MEMBER : SF_BROKEN; /* no comma at the end */
}
