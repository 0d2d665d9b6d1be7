/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/config_lines.h: what a unit test of a directive needs: lines cut into words, a
 * report to look into, an arena, and a world without DNS and files. */
#ifndef TESTS_SUPPORT_CONFIG_LINES_H
#define TESTS_SUPPORT_CONFIG_LINES_H
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/arena.h"
#include "squid-compat/report.h"
#include "squid-compat/word_cutter.h"
#include "squid-compat/words.h"
#include "squid-compat/world.h"

struct config_lines {
	struct arena arena;
	struct report *report;
	struct word_cutter *cutter;
	struct words words;
};

static inline void config_lines_init(struct config_lines *lines)
{
	arena_init(&lines->arena, NULL, 0);
	lines->report = report_create();
	lines->cutter = word_cutter_create();
}

static inline void config_lines_fini(struct config_lines *lines)
{
	word_cutter_destroy(lines->cutter);
	report_destroy(lines->report);
	arena_fini(&lines->arena);
}

/* The words of a line; valid until the next call. */
static inline const struct words *config_line(struct config_lines *lines, const char *text)
{
	if (!word_cutter_cut(lines->cutter, str_of(text), false, &lines->words, lines->report))
		fail_msg("cannot cut '%s'", text);
	return &lines->words;
}

/* Forgets what was said. */
static inline void config_lines_forget(struct config_lines *lines)
{
	report_destroy(lines->report);
	lines->report = report_create();
}

/* A note is a note, whatever more its class tells; so is a warning. */
static inline enum report_class config_lines_class(enum report_class what)
{
	if (what == REPORT_HARMLESS || what == REPORT_UNMET)
		return REPORT_NOTE;
	return what == REPORT_IGNORED ? REPORT_WARNING : what;
}

/* Was a sentence of that class said that contains part? part NULL: nothing at all was said. */
static inline bool config_lines_said(const struct config_lines *lines, enum report_class what,
				     const char *part)
{
	if (!part)
		return report_nmessages(lines->report) == 0;
	for (size_t i = 0; i < report_nmessages(lines->report); i++) {
		const struct report_message *message = report_message(lines->report, i);

		if (config_lines_class(message->what) == what && strstr(message->text, part))
			return true;
	}
	return false;
}

/* What was said first, for the messages of a failing test. */
static inline const char *config_lines_first(const struct config_lines *lines)
{
	const struct report_message *message = report_message(lines->report, 0);

	return message ? message->text : "(nothing)";
}

/* A line of a directive, and what a parser makes of it. */
struct line_case {
	const char *line;
	bool is_taken;
	enum report_class what;
	const char *says; /* a part of a sentence; NULL: nothing is said */
};

/* Called with what was made of the line, and before the next one. */
static inline void config_lines_judge(struct config_lines *lines, const struct line_case *line,
				      bool is_taken)
{
	if (is_taken != line->is_taken)
		fail_msg("%s: taken? (%s)", line->line, config_lines_first(lines));
	if (!config_lines_said(lines, line->what, line->says))
		fail_msg("%s: said %s", line->line, config_lines_first(lines));
	config_lines_forget(lines);
}

static inline unsigned test_resolve(const char *name, uint16_t port, struct addr *addrs,
				    unsigned max)
{
	if (max == 0 || strcmp(name, "known.example") != 0)
		return 0;
	return addr_parse(STR("192.0.2.7"), port, &addrs[0]) ? 1 : 0;
}

/* Only what lies under /ok/ is there. */
static inline int test_may(const char *path, int mode)
{
	(void)mode;
	return strncmp(path, "/ok/", 4) == 0 ? 0 : ENOENT;
}

static inline int test_read_file(const char *path, struct buf *out)
{
	if (test_may(path, 0) != 0)
		return ENOENT;
	return buf_printf(out, "<p>file %s: %%c %%%%</p>\n", path) ? 0 : EFBIG;
}

static inline int test_list(const char *path, struct source_names *out)
{
	(void)path;
	(void)out;
	return ENOENT;
}

static inline uint16_t test_service(const char *name)
{
	return strcmp(name, "http") == 0 ? 80 : 0;
}

static inline int test_ask_password(const char *program, const char *key_path, struct buf *out)
{
	(void)program, (void)key_path, (void)out;
	return ENOENT;
}

static const struct world test_world = {
	.resolve = test_resolve,
	.may = test_may,
	.read_file = test_read_file,
	.list = test_list,
	.ask_password = test_ask_password,
	.service = test_service,
};

#endif
