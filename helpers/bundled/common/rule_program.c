/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/bundled/common/rule_program.h"

#include <stdio.h>

#include "helpers/bundled/common/watched_file.h"
#include "lib/base/heap.h"

struct rules {
	struct watched_file file;
	char *text;
	struct rule *list;
	size_t n;
};

static void forget(struct rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		pattern_destroy(rules->list[i].pattern);
	mem_free(rules->list);
	mem_free(rules->text);
	rules->list = NULL;
	rules->text = NULL;
	rules->n = 0;
}

static void refresh(struct rules *rules, const struct rule_program *program)
{
	char *text = watched_file_read(&rules->file), *rest = text, *line;
	size_t nlines = 1;

	if (!text)
		return;
	forget(rules);
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		nlines++;
	rules->text = text;
	rules->list = mem_array(nlines, sizeof(*rules->list));
	for (unsigned number = 1; (line = strsep(&rest, "\n")) != NULL; number++) {
		struct err_text why = {""};

		if (program->parse(line, &rules->list[rules->n], &why))
			rules->n++;
		else if (why.at[0])
			fprintf(stderr, "%s: %s line %u: %s: left out\n", program->name,
			        rules->file.path, number, why.at);
	}
}

static void answer(struct helper_lines *lines, const struct rules *rules,
                   const struct rule_program *program, const char *question)
{
	struct str subject = program->subject(question);
	size_t i = 0;

	while (i < rules->n && !pattern_fits(rules->list[i].pattern, subject))
		i++;
	if (!rules->file.is_known)
		helper_answer_broken(lines, rules->file.why.at);
	else if (i < rules->n)
		program->answer(lines, &rules->list[i], subject);
	else
		helper_answer(lines, "ERR");
}

int rule_program_run(const struct rule_program *program, int argc, char **argv)
{
	struct helper_lines lines;
	struct rules rules = {0};
	const char *question;

	if (argc != 2) {
		fprintf(stderr, "Usage: %s FILE\n", program->name);
		return 1;
	}
	watched_file_init(&rules.file, program->name, argv[1]);
	helper_lines_init(&lines, 0, HELPER_CHANNEL_MAYBE);
	refresh(&rules, program); /* so that its faults are said early */
	while ((question = helper_lines_next(&lines)) != NULL) {
		refresh(&rules, program);
		answer(&lines, &rules, program, question);
	}
	forget(&rules);
	helper_lines_fini(&lines);
	return 0;
}
