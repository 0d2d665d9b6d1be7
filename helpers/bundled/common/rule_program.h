/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/common/rule_program.h: a program that answers by the rules of a file, a line
 * each, which is read again when it changes. Lines that are no rules are said and left out.
 *
 * Threads: one. */
#ifndef BUNDLED_COMMON_RULE_PROGRAM_H
#define BUNDLED_COMMON_RULE_PROGRAM_H
#include "helpers/bundled/common/helper_line.h"
#include "helpers/bundled/common/pattern.h"

struct rule {
	const void *action; /* the program's */
	struct pattern *pattern;
	const char *replacement; /* in the file's text */
};

struct rule_program {
	const char *name;

	/* Makes a rule of a line, which it may write into and which stays. False and why if it is
	 * none, with nothing held; why is "" for comments. */
	bool (*parse)(char *line, struct rule *rule, struct err_text *why);

	/* What of a question the rules look at. */
	struct str (*subject)(const char *question);

	/* Answers by the first rule that fits. */
	void (*answer)(struct helper_lines *lines, const struct rule *rule, struct str subject);
};

/* What main returns. argv: the program and FILE. No rule fits: ERR. */
int rule_program_run(const struct rule_program *program, int argc, char **argv);

#endif
