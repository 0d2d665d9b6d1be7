/* SPDX-License-Identifier: BSD-2-Clause */
/* What is written from the table of directives: describe-directives PAGE WEIGHTS-FILE prints one
 * of the pages below to its standard output. `make docs` calls it for each, and `make lint` holds
 * what lies in docs against it.
 *
 * The file of weights says how much a directive matters to a reverse proxy; it has a line for
 * each that Squid knows: NAME TAB ALIASES TAB WEIGHT. Those without a line are our own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/reading.h"

enum weight { OURS, CORE, USEFUL, ACCEPT, FORWARD_ONLY, GONE, STRANGE, WEIGHTS };

static const struct {
	const char *name, *meaning;
} weights[WEIGHTS] = {
	[CORE] = {"core", "a reverse proxy does not do without it"},
	[USEFUL] = {"useful", "many configurations of reverse proxies have it"},
	[ACCEPT] = {"accept", "may stand in a configuration, and does nothing for a reverse proxy"},
	[FORWARD_ONLY] = {"forward-only", "for forward and intercepting proxies"},
	[GONE] = {"obsolete", "dropped by Squid, which still knows its name"},
	[STRANGE] = {"unknown", "dropped so long ago that Squid no longer knows it"},
	[OURS] = {"ours", "Squid has none"},
};

static const struct {
	const char *name, *meaning;
} states[VERDICTS] = {
	[HONOURED] = {"honoured", "does what Squid does with it"},
	[ACCEPTED] = {"no effect", "read and checked; a note says why nothing comes of it"},
	[WARNED] = {"ignored", "a warning says so"},
	[REFUSED] = {"refused", "fatal: to ignore it would open a hole"},
	[TRANSLATED] = {"translated", "dropped by Squid, and still honoured, in words of today"},
	[OBSOLETE] = {"obsolete", "answered as Squid answers it, with what to write instead"},
	[UNKNOWN] = {"unknown", "unrecognized, as in Squid, with what to write instead"},
};

struct row {
	const struct directive *directive;
	enum weight weight;
};

static struct row rows[READING_MAX_DIRECTIVES]; /* in the order of the table */
static size_t nrows;

static _Noreturn void fail(const char *what, const char *which)
{
	fprintf(stderr, "describe-directives: %s: %s\n", what, which);
	exit(1);
}

static enum weight weight_of(const char *name)
{
	for (enum weight weight = 0; weight < WEIGHTS; weight++)
		if (strcmp(weights[weight].name, name) == 0)
			return weight;
	fail("no such weight", name);
}

static void weigh_rows(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[512];

	if (!file)
		fail("cannot open", path);
	while (fgets(line, sizeof(line), file)) {
		char *rest = line, *name = strsep(&rest, "\t");
		const struct directive *directive;

		strsep(&rest, "\t");
		if (line[0] == '#' || !rest)
			continue;
		rest[strcspn(rest, "\n")] = '\0';
		directive = directive_find(str_of(name));
		if (!directive)
			fail("no such directive", name);
		rows[directive_number(directive)].weight = weight_of(rest);
	}
	fclose(file);
}

static void list_rows(void)
{
	const struct directive *directive;

	while ((directive = directive_at(nrows))) {
		check(nrows < COUNT(rows));
		rows[nrows++].directive = directive;
	}
}

static int compare_names(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return strcmp(x->directive->name, y->directive->name);
}

/* Text for a cell of a table in Markdown. */
static void put_cell(const char *text)
{
	for (; text && *text; text++) {
		if (strchr("|*<", *text))
			putchar('\\');
		putchar(*text);
	}
}

/* The same as code, where only the bar has a meaning; nothing for nothing. */
static void put_code(const char *text)
{
	if (!text || !*text)
		return;
	putchar('`');
	for (; *text; text++) {
		if (*text == '|')
			putchar('\\');
		putchar(*text);
	}
	putchar('`');
}

static void put_origin(void)
{
	puts("<!-- Written by `make docs` from squid-compat/directives/directives*.c: change the rows there. "
	     "-->");
}

static bool is_wanted_and_missing(const struct row *row)
{
	return (row->weight == CORE || row->weight == USEFUL) &&
	       row->directive->verdict != HONOURED;
}

static void put_missing(void)
{
	puts("\n## Core or useful, and not honoured: why\n\n"
	     "| directive | weight | state | why, and what happens instead |\n|---|---|---|---|");
	for (const struct row *row = rows; row < rows + nrows; row++) {
		const struct directive *directive = row->directive;

		if (!is_wanted_and_missing(row))
			continue;
		printf("| `%s` | %s | %s | ", directive->name, weights[row->weight].name,
		       states[directive->verdict].name);
		put_cell(directive_reason(directive));
		puts(" |");
	}
}

/* A line of the counts by weight and state; WEIGHTS is all of them. */
static void put_counts_of(enum weight weight)
{
	unsigned counts[VERDICTS] = {0}, sum = 0;

	for (const struct row *row = rows; row < rows + nrows; row++)
		if (weight == WEIGHTS || row->weight == weight) {
			counts[row->directive->verdict]++;
			sum++;
		}
	printf("| %s |", weight == WEIGHTS ? "all" : weights[weight].name);
	for (enum verdict verdict = 0; verdict < VERDICTS; verdict++) {
		if (counts[verdict] > 0)
			printf(" %u |", counts[verdict]);
		else
			printf(" |");
	}
	printf(" %u |\n", sum);
}

static void put_counts(void)
{
	puts("\n## In numbers\n");
	printf("| weight |");
	for (enum verdict verdict = 0; verdict < VERDICTS; verdict++)
		printf(" %s |", states[verdict].name);
	printf(" all |\n|---|");
	for (enum verdict verdict = 0; verdict < VERDICTS; verdict++)
		printf("---:|");
	puts("---:|");
	for (enum weight weight = CORE; weight < WEIGHTS; weight++)
		put_counts_of(weight);
	put_counts_of(OURS);
	put_counts_of(WEIGHTS);
	puts("\nA weight is how much a directive matters to a reverse proxy:\n");
	for (enum weight weight = CORE; weight < WEIGHTS; weight++)
		printf("- %s: %s\n", weights[weight].name, weights[weight].meaning);
	printf("- %s: %s\n", weights[OURS].name, weights[OURS].meaning);
	puts("\nA state is what Bobtail makes of it:\n");
	for (enum verdict verdict = 0; verdict < VERDICTS; verdict++)
		printf("- %s: %s\n", states[verdict].name, states[verdict].meaning);
}

static void put_all(void)
{
	puts("\n## Every directive\n\n| directive | state | what we make of it |\n|---|---|---|");
	for (const struct row *row = rows; row < rows + nrows; row++) {
		const struct directive *directive = row->directive;

		printf("| `%s` | %s | ", directive->name, states[directive->verdict].name);
		put_cell(directive_reason(directive));
		puts(" |");
	}
}

static void put_compatibility(void)
{
	puts("# What becomes of each directive\n");
	put_origin();
	puts("\nEvery directive that Squid 5 to 7 knows, older names that configurations still "
	     "hold, and our own.\n"
	     "[squid.conf.md](squid.conf.md) tells how to write those that are honoured, and\n"
	     "[DIFFERENCES.md](DIFFERENCES.md) in what their effect differs from Squid's. "
	     "`bobtail -k parse` says the\nsame of one file, line by line.");
	qsort(rows, nrows, sizeof(rows[0]), compare_names);
	put_missing();
	put_counts();
	put_all();
}

/* "-1 to 10" or "1 or more", of integers that have bounds. */
static void put_bounds(const struct directive *directive)
{
	if (directive->min == 0 && directive->max == 0)
		return;
	if (directive->max >= INT32_MAX)
		printf(" (%lld or more)", (long long)directive->min);
	else
		printf(" (%lld to %lld)", (long long)directive->min, (long long)directive->max);
}

/* Calls open for each family and put for each of its honoured rows. */
static void walk_reference(void (*open)(const char *title),
                           void (*put)(const struct directive *directive))
{
	const char *last = NULL;

	for (const struct row *row = rows; row < rows + nrows; row++) {
		const char *title = directive_family(row->directive);

		if (row->directive->verdict != HONOURED)
			continue;
		if (title != last)
			open(title);
		last = title;
		put(row->directive);
	}
}

static void open_markdown(const char *title)
{
	printf("\n## %s\n\n| directive | syntax | default | |\n|---|---|---|---|\n", title);
}

static void put_markdown(const struct directive *directive)
{
	printf("| `%s` | ", directive->name);
	put_code(directive->syntax);
	put_bounds(directive);
	printf(" | ");
	put_code(directive->otherwise);
	printf(" | ");
	put_cell(directive->help);
	if (directive->aliases) {
		printf("; also ");
		put_code(directive->aliases);
	}
	puts(" |");
}

static void put_reference(void)
{
	puts("# squid.conf: what Bobtail honours\n");
	put_origin();
	puts("\nA line is a directive and its words, apart by blanks; `#` begins a comment, and a "
	     "backslash at its end\ncontinues a line. Where no default is given there is none, or "
	     "the last column tells. A TIME is a number\nand a unit (`second`, `minute`, `hour`, "
	     "`day`, `week`, ...), a SIZE a number and `bytes`, `KB`, `MB` or `GB`.\n"
	     "`allow|deny ACL...` lines are walked in their order, and the first whose ACLs all "
	     "match decides.\n\n"
	     "[COMPATIBILITY.md](COMPATIBILITY.md) has the directives that are not honoured, "
	     "[DIFFERENCES.md](DIFFERENCES.md)\nwhat differs from Squid; `man bobtail.conf` is "
	     "this page for a terminal.");
	walk_reference(open_markdown, put_markdown);
}

/* Text of a manual page: no character of it is taken for a request or an escape. */
static void put_roff(const char *text)
{
	if (*text == '.' || *text == '\'')
		printf("\\&");
	for (; *text; text++) {
		if (*text == '\\')
			printf("\\e");
		else if (*text == '-')
			printf("\\-");
		else if (*text == '"')
			printf("\\(dq");
		else
			putchar(*text);
	}
}

static void open_roff(const char *title)
{
	printf(".SH \"");
	for (; *title; title++)
		putchar(*title >= 'a' && *title <= 'z' ? *title - 'a' + 'A' : *title);
	puts("\"");
}

static void put_roff_directive(const struct directive *directive)
{
	printf(".TP\n\\fB%s\\fR ", directive->name);
	put_roff(directive->syntax);
	put_bounds(directive);
	putchar('\n');
	put_roff(directive->help);
	puts(".");
	if (directive->otherwise) {
		printf("Default: ");
		put_roff(directive->otherwise);
		puts(".");
	}
	if (directive->aliases)
		printf("Also: %s.\n", directive->aliases);
}

static void put_manual(void)
{
	puts(".\\\" SPDX-License-Identifier: BSD-2-Clause\n"
	     ".\\\" Written by `make docs` from squid-compat/directives/directives*.c: change the rows "
	     "there.\n"
	     ".TH BOBTAIL.CONF 5 \"\" Bobtail \"File formats\"\n"
	     ".SH NAME\nbobtail.conf \\- the directives of squid.conf that Bobtail honours\n"
	     ".SH DESCRIPTION\n"
	     "\\fBbobtail\\fR reads a \\fIsquid.conf\\fR.\n"
	     "A line is a directive and its words, apart by blanks;\n"
	     "# begins a comment, and a backslash at its end continues a line.\n"
	     ".PP\n"
	     "A TIME is a number and a unit (second, minute, hour, day, week, ...),\n"
	     "a SIZE a number and bytes, KB, MB or GB.\n"
	     "Lines of allow|deny are walked in their order,\n"
	     "and the first whose ACLs all match decides.\n"
	     ".PP\n"
	     "\\fBbobtail \\-k parse \\-f\\fR \\fIFILE\\fR says what becomes of each directive of "
	     "a\n"
	     "file, also of those that are not here.");
	walk_reference(open_roff, put_roff_directive);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*put)(void);
	} pages[] = {
		{"COMPATIBILITY.md", put_compatibility},
		{"squid.conf.md", put_reference},
		{"bobtail.conf.5", put_manual},
	};

	if (argc != 3) {
		fputs("Usage: describe-directives PAGE WEIGHTS-FILE\n", stderr);
		return 1;
	}
	list_rows();
	weigh_rows(argv[2]);
	for (size_t i = 0; i < COUNT(pages); i++)
		if (strcmp(pages[i].name, argv[1]) == 0) {
			pages[i].put();
			return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
		}
	fail("no such page", argv[1]);
}
