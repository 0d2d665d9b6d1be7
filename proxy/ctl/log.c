/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommand log: access logs for the eye. What a request held is never written as it is: bytes
 * that are not printable ASCII become \xNN. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "proxy/ctl/commands.h"
#include "proxy/ctl/log_line.h"
#include "squid-compat/config.h"
#include "squid-compat/log/access_log.h"

enum {
	OPTION_FOLLOW,
	OPTION_LINES,
	OPTIONS,
	MAX_LINES = 100000,
	LINES_BEFORE = 10, /* that are shown first when it follows */
	LOOK_EVERY_US = 200000,
};

const struct ctl_option ctl_log_options[] = {
	[OPTION_FOLLOW] = {"follow", 'F', NULL, "go on with what is written, also after a rotation"},
	[OPTION_LINES] = {"lines", 'n', "N", "only the last N lines; with -F, 10 if not said"},
	[OPTIONS] = {0},
};

const char ctl_log_help[] =
	"Shows lines of Squid's own format and of the format json: time, milliseconds, client, status and\n"
	"result, bytes, method, URL, where it came from and the user; others as they are. FILE is the first\n"
	"access_log of squid.conf unless it is named; \"-\" is what comes by a pipe. Colours on a terminal.\n";

struct screen {
	bool has_colour;
	struct buf line, scratch;
};

/* ---- one line */

static void show_text(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (c < ' ' || c >= 0x7f)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

static void show_padded(struct str text, size_t width)
{
	show_text(text.len > 0 ? text : STR("-"));
	for (size_t n = text.len > 0 ? text.len : 1; n < width; n++)
		putchar(' ');
}

static void show_time(struct str text)
{
	size_t dot = str_find_char(text, '.');
	struct str fraction = str_from(text, dot);
	uint64_t number;
	struct tm local;
	char out[40];

	if (!str_to_u64(str_first(text, dot), &number) ||
	    !localtime_r(&(time_t){(time_t)number}, &local) ||
	    strftime(out, sizeof(out), "%m-%d %H:%M:%S", &local) == 0) {
		show_text(text);
		return;
	}
	fputs(out, stdout);
	show_text(str_first(fraction, 4));
}

static const char *colour_of(struct str status)
{
	switch (status.len > 0 ? *status.at : '0') {
	case '2':
		return "\033[32m";
	case '3':
		return "\033[36m";
	case '4':
		return "\033[33m";
	default:
		return "\033[31m";
	}
}

static void show_fields(const struct screen *screen, const struct log_line *line)
{
	const struct str *at = line->at;

	show_time(at[LOG_LINE_TIME]);
	printf(" %6.*s ms  ", STR_ARG(str_first(at[LOG_LINE_DURATION], 20)));
	show_padded(at[LOG_LINE_CLIENT], 15);
	fputs(screen->has_colour ? colour_of(at[LOG_LINE_STATUS]) : "", stdout);
	putchar(' ');
	show_padded(at[LOG_LINE_STATUS], 3);
	putchar(' ');
	show_padded(at[LOG_LINE_RESULT], 14);
	fputs(screen->has_colour ? "\033[0m " : " ", stdout);
	printf("%9.*s ", STR_ARG(str_first(at[LOG_LINE_BYTES], 20)));
	show_padded(at[LOG_LINE_METHOD], 4);
	putchar(' ');
	show_padded(at[LOG_LINE_URL], 1);
	if (at[LOG_LINE_SERVER].len > 0) {
		fputs("  ", stdout);
		show_text(at[LOG_LINE_HIERARCHY]);
		putchar('/');
		show_text(at[LOG_LINE_SERVER]);
	}
	if (at[LOG_LINE_USER].len > 0) {
		fputs("  user ", stdout);
		show_text(at[LOG_LINE_USER]);
	}
}

/* The duration and bytes are printed by printf: they have to be numbers. */
static bool is_number(struct str text)
{
	uint64_t number;

	return text.len == 0 || str_to_u64(text, &number);
}

static void show(struct screen *screen, const char *at, size_t len)
{
	struct str text = {at, len > 0 && at[len - 1] == '\n' ? len - 1 : len};
	struct log_line line;

	if (log_line_read(text, &screen->scratch, &line) && is_number(line.at[LOG_LINE_DURATION]) &&
	    is_number(line.at[LOG_LINE_BYTES]))
		show_fields(screen, &line);
	else
		show_text(text);
	putchar('\n');
}

/* ---- the file */

/* To where its last n lines begin. */
static void seek_lines(FILE *file, unsigned long n)
{
	char piece[4096];
	off_t at, begin = 0;
	unsigned long seen = 0;

	if (fseeko(file, 0, SEEK_END) != 0)
		return; /* a pipe: all of it */
	at = ftello(file);
	for (off_t end = at; end > 0 && seen <= n; end -= begin) {
		begin = end < (off_t)sizeof(piece) ? end : (off_t)sizeof(piece);
		if (fseeko(file, end - begin, SEEK_SET) != 0 ||
		    fread(piece, 1, (size_t)begin, file) != (size_t)begin)
			break;
		at = end - begin;
		for (off_t i = begin; i-- > 0 && seen <= n;)
			if (piece[i] == '\n' && seen++ == n)
				at = end - begin + i + 1;
	}
	fseeko(file, n > 0 ? at : 0, n > 0 ? SEEK_SET : SEEK_END);
}

/* Up to the next LF, or as much as a line may have. False: the file ends, or cannot be read. */
static bool read_line(struct screen *screen, FILE *file)
{
	struct buf *line = &screen->line;
	int c = EOF;

	buf_clear(line);
	while (line->len < LOG_LINE_MAX_BYTES && (c = getc_unlocked(file)) != EOF) {
		buf_add_char(line, (char)c);
		if (c == '\n')
			break;
	}
	return line->len > 0 && !ferror(file);
}

/* Whole lines; what is not whole yet is read again, unless it is the end of it all. False: errno
 * has why. */
static bool show_rest(struct screen *screen, FILE *file, bool is_all)
{
	const struct buf *line = &screen->line;
	int error;

	while (read_line(screen, file)) {
		if (feof(file) && !is_all) {
			fseeko(file, -(off_t)line->len, SEEK_CUR);
			break;
		}
		show(screen, line->at, line->len);
	}
	error = ferror(file) ? errno : 0;
	clearerr(file);
	fflush(stdout);
	errno = error;
	return error == 0;
}

/* Another file has its name by now. */
static FILE *reopen(const char *path, FILE *file)
{
	struct stat now, then;
	FILE *fresh;

	if (stat(path, &now) != 0 || fstat(fileno(file), &then) != 0)
		return file;
	if (now.st_ino == then.st_ino && now.st_dev == then.st_dev) {
		if (now.st_size < ftello(file))
			rewind(file);
		return file;
	}
	fresh = fopen(path, "re");
	if (!fresh)
		return file;
	fclose(file);
	return fresh;
}

static int show_file(struct screen *screen, const char *path, long lines, bool follows)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int status;

	if (!file)
		return ctl_fail("%s: %s", path, strerror(errno));
	if (lines >= 0)
		seek_lines(file, (unsigned long)lines);
	follows = follows && file != stdin;
	status = show_rest(screen, file, !follows) ? CTL_OK
						   : ctl_fail("%s: %s", path, strerror(errno));
	while (status == CTL_OK && follows && !ferror(stdout)) {
		usleep(LOOK_EVERY_US);
		show_rest(screen, file, false);
		file = reopen(path, file);
	}
	if (file != stdin)
		fclose(file);
	return status;
}

/* The first one that is a file; NULL: stderr has why. */
static const char *configured(struct ctl *ctl)
{
	const struct config *config = ctl_config(ctl);
	const struct access_log *log = config ? config->logs->logs.first : NULL;

	for (; log; log = log->next)
		if (log->place.len > 0 && *log->place.at == '/')
			return log->place.at;
	if (config)
		ctl_fail("squid.conf has no access_log that is a file: name one");
	return NULL;
}

int ctl_run_log(struct ctl *ctl, const struct ctl_args *args)
{
	struct screen screen = {.has_colour = isatty(STDOUT_FILENO) == 1};
	const char *path = args->nwords > 0 ? args->words[0] : configured(ctl);
	const char *n = ctl_given(args, OPTION_LINES);
	bool follows = ctl_given(args, OPTION_FOLLOW) != NULL;
	uint64_t lines = LINES_BEFORE;
	int status;

	if (n && (!str_to_u64(str_of(n), &lines) || lines > MAX_LINES))
		return ctl_fail("--lines: a number up to %d", MAX_LINES);
	if (!path)
		return CTL_FAILED;
	buf_init(&screen.line, LOG_LINE_MAX_BYTES);
	buf_init(&screen.scratch, 2 * LOG_LINE_MAX_BYTES);
	status = show_file(&screen, path, n || follows ? (long)lines : -1, follows);
	buf_fini(&screen.scratch);
	buf_fini(&screen.line);
	return status;
}
