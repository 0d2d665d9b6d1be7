/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdio.h>

#include "lib/base/json.h"
#include "proxy/ctl/explain.h"

static void show_string(struct str text)
{
	struct buf out;

	buf_init(&out, SIZE_MAX);
	json_add_str(&out, text);
	fwrite(out.at, 1, out.len, stdout);
	buf_fini(&out);
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
