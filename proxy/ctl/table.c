/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/table.h"

#include <stdio.h>
#include <unistd.h>

#include "proxy/ctl/store.h"

void table_init(struct table *table, bool is_json)
{
	*table = (struct table){.is_json = is_json, .has_names = !isatty(STDOUT_FILENO)};
}

static void print_names(sqlite3_stmt *stmt)
{
	for (int i = 0; i < sqlite3_column_count(stmt); i++)
		printf("%s%s", i > 0 ? "\t" : "", sqlite3_column_name(stmt, i));
	putchar('\n');
}

/* What would look like another column, another row, or a command to the terminal is a '?'. */
static void print_plain(const char *text)
{
	for (; text && *text; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void print_quoted(const char *text)
{
	putchar('"');
	for (; text && *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			printf("\\u%04x", (unsigned char)*text);
		else if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else
			putchar(*text);
	putchar('"');
}

static void print_json(sqlite3_stmt *stmt)
{
	for (int i = 0; i < sqlite3_column_count(stmt); i++) {
		const char *text = (const char *)sqlite3_column_text(stmt, i);

		printf("%s\"%s\": ", i > 0 ? ", " : "{", sqlite3_column_name(stmt, i));
		if (!text)
			fputs("null", stdout);
		else if (sqlite3_column_type(stmt, i) == SQLITE_TEXT)
			print_quoted(text);
		else
			fputs(text, stdout);
	}
	puts("}");
}

static void print_row(struct table *table, sqlite3_stmt *stmt)
{
	if (table->is_json) {
		print_json(stmt);
		return;
	}
	if (!table->has_names)
		print_names(stmt);
	table->has_names = true;
	for (int i = 0; i < sqlite3_column_count(stmt); i++) {
		if (i > 0)
			putchar('\t');
		print_plain((const char *)sqlite3_column_text(stmt, i));
	}
	putchar('\n');
}

int table_print(struct table *table, sqlite3_stmt *stmt)
{
	int status = CTL_FAILED;

	if (stmt) {
		int rc;

		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
			print_row(table, stmt);
		status = rc == SQLITE_DONE ? CTL_OK : store_complain(sqlite3_db_handle(stmt));
	}
	sqlite3_finalize(stmt);
	return status;
}
