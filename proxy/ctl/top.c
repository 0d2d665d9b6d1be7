/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommand top: the instance tells of each request that ends while somebody looks
 * (transaction_trace.h, summaries), and what is most frequent is found here, in tables of constant
 * size: a new name takes the place of the rarest. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/str.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"

enum {
	OPTION_ONCE,
	OPTION_SECONDS,
	OPTION_ROWS,
	OPTIONS,
	TABLES = 4,
	ROOM = 256, /* names that are counted at a time */
	NAME_BYTES = 160,
	SHOWN = 20,
	FIELDS = 8,
	DEFAULT_SECONDS = 2,
	MAX_SECONDS = 3600,
};

const struct ctl_option ctl_top_options[] = {
	[OPTION_ONCE] = {"once", '1', NULL, "look once, show all four tables, and end"},
	[OPTION_SECONDS] = {"seconds", 'n', "N", "look so long for each table (2)"},
	[OPTION_ROWS] = {"rows", 'r', "N", "rows of a table (20)"},
	[OPTIONS] = {0},
};

const char ctl_top_help[] =
	"What was asked for most in the last seconds: hosts, URLs, clients or peers. Keys: 1 to 4 choose the\n"
	"table, q ends. Counted are requests that both begin and end while it looks; of many different names\n"
	"the rare ones are counted together with others (then their numbers are upper bounds). While nobody\n"
	"looks, nothing is counted. Without a terminal it is as with --once.\n";

static const char *const titles[TABLES] = {"hosts", "URLs", "clients", "peers"};

struct entry {
	char name[NAME_BYTES];
	uint64_t requests, hits, errors, bytes, us;
};

struct top {
	struct entry at[TABLES][ROOM];
	unsigned n[TABLES];
	uint64_t requests, lost;
	unsigned shown, rows;
	bool is_over;
};

/* What a summary's fields are, behind the stage. */
enum field {
	FIELD_HOST,
	FIELD_URL,
	FIELD_CLIENT,
	FIELD_PEER,
	FIELD_RESULT,
	FIELD_STATUS,
	FIELD_BYTES
};

static struct entry *entry_of(struct top *top, unsigned table, struct str name)
{
	struct entry *at = top->at[table], *rarest = at;
	char text[NAME_BYTES];

	str_copy(name.len > 0 ? name : STR("(none)"), text, sizeof(text));
	for (unsigned i = 0; i < top->n[table]; i++) {
		if (strcmp(at[i].name, text) == 0)
			return &at[i];
		if (at[i].requests < rarest->requests)
			rarest = &at[i];
	}
	if (top->n[table] < ROOM)
		rarest = &at[top->n[table]++];
	memcpy(rarest->name, text, sizeof(text));
	return rarest;
}

static void count(struct top *top, const struct str *fields, uint64_t us)
{
	bool is_hit = memmem(fields[FIELD_RESULT].at, fields[FIELD_RESULT].len, "HIT", 3) != NULL;
	uint64_t status = 0, bytes = 0;

	str_to_u64(fields[FIELD_STATUS], &status);
	str_to_u64(fields[FIELD_BYTES], &bytes);
	top->requests++;
	for (unsigned table = 0; table < TABLES; table++) {
		struct entry *entry = entry_of(top, table, fields[table]);

		entry->requests++;
		entry->hits += is_hit;
		entry->errors += status >= 500;
		entry->bytes += bytes;
		entry->us += us;
	}
}

static void take(void *user, const char *line)
{
	struct top *top = user;
	struct str rest = str_of(line), number, took, stage, fields[FIELDS] = {{0}};
	uint64_t us = 0;
	unsigned n = 0;

	if (!str_split(&rest, '\t', &number) || !str_split(&rest, '\t', &took) ||
	    !str_split(&rest, '\t', &stage))
		return;
	while (n < FIELDS && str_split(&rest, '\t', &fields[n]))
		n++;
	str_to_u64(took, &us);
	if (str_eq(stage, STR("done")) && n > FIELD_BYTES)
		count(top, fields, us);
	else if (str_eq(stage, STR("lost")))
		top->lost += strtoull(fields[0].at, NULL, 10);
}

/* ---- on the screen */

static int by_requests(const void *a, const void *b)
{
	const struct entry *one = a, *other = b;

	return one->requests < other->requests ? 1 : one->requests > other->requests ? -1 : 0;
}

static void show_table(struct top *top, unsigned table, unsigned seconds)
{
	qsort(top->at[table], top->n[table], sizeof(struct entry), by_requests);
	printf("%10s %8s %6s %6s %9s %8s  %s\n", "requests", "per s", "hits", "5xx", "KB/s", "ms",
	       titles[table]);
	for (unsigned i = 0; i < top->n[table] && i < top->rows; i++) {
		const struct entry *entry = &top->at[table][i];

		printf("%10" PRIu64 " %8.1f %5" PRIu64 "%% %6" PRIu64 " %9.1f %8.2f  %s\n",
		       entry->requests, (double)entry->requests / seconds,
		       100 * entry->hits / entry->requests, entry->errors,
		       (double)entry->bytes / 1024 / seconds,
		       (double)entry->us / 1000 / (double)entry->requests, entry->name);
	}
}

static void show_sum(const struct top *top, unsigned seconds)
{
	printf("%" PRIu64 " requests in %u s", top->requests, seconds);
	if (top->lost > 0)
		printf(", and %" PRIu64 " that came too fast to be counted", top->lost);
	putchar('\n');
}

static int look(struct ctl *ctl, struct top *top, unsigned seconds)
{
	char number[16];
	const char *words[] = {"trace", "show", "summaries", "seconds", number};
	const struct client_sink sink = {.line = take, .user = top};

	snprintf(number, sizeof(number), "%u", seconds);
	return client_ask(ctl, words, COUNT(words), &sink);
}

static int run_once(struct ctl *ctl, struct top *top, unsigned seconds)
{
	int status = look(ctl, top, seconds);

	if (status != CTL_OK)
		return status;
	show_sum(top, seconds);
	for (unsigned table = 0; table < TABLES; table++) {
		putchar('\n');
		show_table(top, table, seconds);
	}
	return CTL_OK;
}

static void read_keys(struct top *top)
{
	struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
	char key;

	while (poll(&ready, 1, 0) == 1 && read(STDIN_FILENO, &key, 1) == 1) {
		top->is_over |= key == 'q';
		if (key >= '1' && key < '1' + TABLES)
			top->shown = (unsigned)(key - '1');
	}
}

/* A second at a time, so that keys are heard. */
static int run_screen(struct ctl *ctl, struct top *top, unsigned seconds)
{
	int status = CTL_OK;

	while (!top->is_over) {
		memset(top->n, 0, sizeof(top->n));
		memset(top->at, 0, sizeof(top->at));
		top->requests = top->lost = 0;
		for (unsigned i = 0; i < seconds && !top->is_over && status == CTL_OK; i++) {
			status = look(ctl, top, 1);
			read_keys(top);
		}
		if (status != CTL_OK || top->is_over)
			return status;
		fputs("\033[H\033[2J", stdout);
		show_sum(top, seconds);
		printf("[1] hosts  [2] URLs  [3] clients  [4] peers  [q] end\n\n");
		show_table(top, top->shown, seconds);
		fflush(stdout);
	}
	return status;
}

static int with_keys(struct ctl *ctl, struct top *top, unsigned seconds)
{
	struct termios before, raw;
	int status;

	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return run_screen(ctl, top, seconds);
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	status = run_screen(ctl, top, seconds);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return status;
}

static bool read_number(const struct ctl_args *args, unsigned option, unsigned *out)
{
	const char *text = ctl_given(args, option);
	uint64_t number = *out;

	if (text && (!str_to_u64(str_of(text), &number) || number == 0 || number > MAX_SECONDS))
		return false;
	*out = (unsigned)number;
	return true;
}

int ctl_run_top(struct ctl *ctl, const struct ctl_args *args)
{
	struct top *top = mem_zalloc(sizeof(*top));
	unsigned seconds = DEFAULT_SECONDS;
	int status;

	top->rows = SHOWN;
	if (!read_number(args, OPTION_SECONDS, &seconds) ||
	    !read_number(args, OPTION_ROWS, &top->rows))
		status = ctl_fail("a number from 1 to %d is needed", MAX_SECONDS);
	else if (ctl_given(args, OPTION_ONCE) || !isatty(STDOUT_FILENO))
		status = run_once(ctl, top, seconds);
	else
		status = with_keys(ctl, top, seconds);
	mem_free(top);
	return status;
}
