/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/status_html.h: pieces of HTML: whatever comes from outside goes through html_text.
 * Threads: pure functions. */
#ifndef PROXY_STATUS_HTML_H
#define PROXY_STATUS_HTML_H
#include <stdint.h>

#include "lib/base/buf.h"

/* Text for an element or a quoted attribute: what has a meaning in HTML is escaped, control bytes
 * and bytes above 126 are '?'. */
void html_text(struct buf *out, struct str text);
/* The same, in at most so many bytes; the rest is an ellipsis. */
void html_cut(struct buf *out, struct str text, size_t max_bytes);

/* ---- numbers for people: "12.3 MiB", "1,234", "4.2 ms", "3 d 4 h" */
void html_bytes(struct buf *out, uint64_t bytes);
void html_count(struct buf *out, uint64_t n);
void html_duration_us(struct buf *out, double us);
void html_age_s(struct buf *out, int64_t s);
void html_percent(struct buf *out, uint64_t part, uint64_t whole);

/* ---- <section> with a heading, and a table in it */
void html_section(struct buf *out, const char *id, const char *heading);
void html_section_end(struct buf *out);
enum { HTML_MAX_COLUMNS = 8 };

/* A table that is being written, a cell at a time. The caller has it; all but out is the functions'
 * own. */
struct html_table {
	struct buf *out;
	struct str heads_[HTML_MAX_COLUMNS];
	unsigned ncolumns_, column_;
};

/* heads: apart by '|', HTML; one that begins with '#' is of a column of numbers. They stay until
 * the end. */
void html_table(struct html_table *table, struct buf *out, const char *caption, const char *heads);
/* Ends the cell before, if any, and begins the next: what is written to out until then is in it.
 * The first of a row is its head; behind the last one a new row begins. */
void html_cell(struct html_table *table);
void html_table_end(struct html_table *table);

#endif
