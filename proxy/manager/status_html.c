/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/status_html.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/check.h"

/* ---- text */

void html_text(struct buf *out, struct str text)
{
	static const char *const escapes[128] = {
		['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;", ['\''] = "&#39;",
	};

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (c < ' ' || c > 126)
			buf_add_char(out, '?');
		else if (escapes[c])
			buf_add_str(out, str_of(escapes[c]));
		else
			buf_add_char(out, (char)c);
	}
}

void html_cut(struct buf *out, struct str text, size_t max_bytes)
{
	html_text(out, str_first(text, max_bytes));
	if (text.len > max_bytes)
		buf_add_str(out, STR("&hellip;"));
}

/* ---- numbers */

void html_bytes(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t i = 0;

	for (; value >= 1024 && i + 1 < COUNT(units); i++)
		value /= 1024;
	buf_printf(out, value < 10 && i > 0 ? "%.1f&nbsp;%s" : "%.0f&nbsp;%s", value, units[i]);
}

void html_count(struct buf *out, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			buf_add_char(out, ',');
		buf_add_char(out, digits[i]);
	}
}

void html_duration_us(struct buf *out, double us)
{
	if (us < 1000)
		buf_printf(out, "%.0f&nbsp;&micro;s", us);
	else if (us < 1e6)
		buf_printf(out, us < 10000 ? "%.1f&nbsp;ms" : "%.0f&nbsp;ms", us / 1000);
	else
		buf_printf(out, "%.1f&nbsp;s", us / 1e6);
}

void html_age_s(struct buf *out, int64_t s)
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	size_t i = 0;

	if (s < 0)
		s = 0;
	while (i + 1 < COUNT(units) && s < units[i].seconds)
		i++;
	buf_printf(out, "%" PRId64 "&nbsp;%s", s / units[i].seconds, units[i].unit);
	s %= units[i].seconds;
	if (i + 1 < COUNT(units) && s >= units[i + 1].seconds)
		buf_printf(out, " %" PRId64 "&nbsp;%s", s / units[i + 1].seconds,
		           units[i + 1].unit);
}

void html_percent(struct buf *out, uint64_t part, uint64_t whole)
{
	if (whole == 0)
		buf_add_str(out, STR("&ndash;"));
	else
		buf_printf(out, "%.0f&nbsp;%%", 100.0 * (double)part / (double)whole);
}

/* ---- structure */

void html_section(struct buf *out, const char *id, const char *heading)
{
	buf_printf(out, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", id, id,
	           heading);
}

void html_section_end(struct buf *out)
{
	buf_add_str(out, STR("</section>\n"));
}

/* Roles are said too: a style sheet that stacks the cells takes the meaning of a table from it. */
static void write_head(struct html_table *table, struct str head)
{
	bool is_number = str_starts_with(head, STR("#"));

	check(table->ncolumns_ < HTML_MAX_COLUMNS);
	table->heads_[table->ncolumns_++] = head;
	buf_printf(table->out, "<th role=\"columnheader\" scope=\"col\"%s>%.*s</th>",
		   is_number ? " class=\"n\"" : "", STR_ARG(str_from(head, is_number)));
}

void html_table(struct html_table *table, struct buf *out, const char *caption, const char *heads)
{
	struct str rest = str_of(heads), head;

	*table = (struct html_table){.out = out};
	buf_printf(out,
		   "<div class=\"wide\" role=\"region\" aria-label=\"%s\" tabindex=\"0\">"
		   "<table role=\"table\">\n<caption>%s</caption>\n"
		   "<thead role=\"rowgroup\"><tr role=\"row\">",
		   caption, caption);
	while (str_split(&rest, '|', &head))
		write_head(table, head);
	buf_add_str(out, STR("</tr></thead>\n<tbody role=\"rowgroup\">\n"));
}

static void end_cell(struct html_table *table)
{
	if (table->column_ == 1)
		buf_add_str(table->out, STR("</th>"));
	else if (table->column_ > 1)
		buf_add_str(table->out, STR("</td>"));
	if (table->column_ < table->ncolumns_)
		return;
	buf_add_str(table->out, STR("</tr>\n"));
	table->column_ = 0;
}

void html_cell(struct html_table *table)
{
	struct str head;
	bool is_number;

	end_cell(table);
	if (table->column_++ == 0) {
		buf_add_str(table->out,
		            STR("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">"));
		return;
	}
	head = table->heads_[table->column_ - 1];
	is_number = str_starts_with(head, STR("#"));
	buf_printf(table->out, "<td role=\"cell\"%s data-head=\"%.*s\">",
		   is_number ? " class=\"n\"" : "", STR_ARG(str_from(head, is_number)));
}

void html_table_end(struct html_table *table)
{
	end_cell(table);
	check(table->column_ == 0);
	buf_add_str(table->out, STR("</tbody></table></div>\n"));
}
