/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdio.h>

#include "lib/base/str.h"
#include "proxy/ctl/explain.h"

enum { REPLACEMENT_CHARACTER = 0xfffd };

/* The character that text begins with, and how many bytes it has; what is no UTF-8 is one byte of
 * U+FFFD. */
static uint32_t decode(struct str text, size_t *length)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)text.at[0];
	size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
	uint32_t code = n < 2 ? first : first & (0x7fU >> n);

	*length = 1;
	if (n == 0 || n > text.len)
		return REPLACEMENT_CHARACTER;
	for (size_t i = 1; i < n; i++) {
		unsigned char next = (unsigned char)text.at[i];

		if ((next & 0xc0) != 0x80)
			return REPLACEMENT_CHARACTER;
		code = code << 6 | (next & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return REPLACEMENT_CHARACTER;
	*length = n;
	return code;
}

static void show_string(struct str text)
{
	size_t length;

	putchar('"');
	for (; text.len > 0; text = str_from(text, length)) {
		uint32_t code = decode(text, &length);

		if (code == '"' || code == '\\')
			printf("\\%c", (int)code);
		else if (code >= ' ' && code < 0x7f)
			putchar((int)code);
		else if (code < 0x10000)
			printf("\\u%04x", code);
		else
			printf("\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
			       0xdc00 + ((code - 0x10000) & 0x3ff));
	}
	putchar('"');
}

static void show_remarks(const struct explain_line *line, bool are_warnings)
{
	const char *between = "";

	printf(",\"%s\":[", are_warnings ? "warnings" : "sentences");
	for (const struct explain_remark *remark = line->remarks; remark; remark = remark->next) {
		if (remark->is_warning != are_warnings)
			continue;
		fputs(between, stdout);
		show_string(str_of(remark->text));
		between = ",";
	}
	putchar(']');
}

/* null: the line may stay as it is, or is refused; []: it can go. */
static void show_replacement(const struct explanation *explanation, size_t i)
{
	const char *why, *between = "";
	struct str rest, line;
	struct buf lines;

	buf_init(&lines, SIZE_MAX);
	if (explain_replacement(explanation, i, &lines, &why) &&
	    (lines.len > 0 || explanation->lines[i].what != EXPLAIN_REFUSED)) {
		fputs(",\"replacement\":[", stdout);
		rest = buf_str(&lines);
		while (rest.len > 0 && str_split(&rest, '\n', &line)) {
			if (line.len == 0)
				continue;
			fputs(between, stdout);
			show_string(line);
			between = ",";
		}
		putchar(']');
	} else {
		fputs(",\"replacement\":null", stdout);
	}
	buf_fini(&lines);
}

static void show_line(const struct explanation *explanation, size_t i)
{
	const struct explain_line *line = &explanation->lines[i];
	struct str text = str_of(line->text), directive = STR_NONE;

	str_word(&text, &directive);
	fputs("{\"file\":", stdout);
	if (line->file)
		show_string(str_of(line->file));
	else
		fputs("null", stdout);
	printf(",\"line\":%d,\"class\":\"%s\",\"directive\":", line->number,
	       explain_class_name(line->what));
	show_string(directive);
	show_remarks(line, false);
	show_remarks(line, true);
	show_replacement(explanation, i);
	putchar('}');
}

void explain_show_json(const struct explanation *explanation, const char *path)
{
	const char *between = "";

	fputs("{\"file\":", stdout);
	show_string(str_of(path));
	fputs(",\"lines\":[", stdout);
	for (size_t i = 0; i < explanation->nlines; i++) {
		if (explanation->lines[i].is_file)
			continue;
		fputs(between, stdout);
		show_line(explanation, i);
		between = ",\n";
	}
	printf("],\n\"worst\":\"%s\",\"summary\":{",
	       explain_class_name(explain_worst(explanation)));
	for (unsigned what = 0; what < EXPLAIN_CLASSES; what++)
		printf("\"%s\":%zu,", explain_class_name(what), explain_count(explanation, what));
	printf("\"warnings\":%zu}}\n", explain_warnings(explanation));
}
