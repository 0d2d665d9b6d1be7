/* SPDX-License-Identifier: BSD-2-Clause */
/* bobtailctl explain: what becomes of each line of a squid.conf. It asks no running instance. */
#include "proxy/ctl/explain.h"

#include <stdint.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "proxy/ctl/commands.h"

enum { OPTION_BRIEF, OPTION_JSON, OPTION_UPGRADE };

const struct ctl_option ctl_explain_options[] = {
	[OPTION_BRIEF] = {"brief", 'b', NULL, "leave out the lines that work the same"},
	[OPTION_JSON] = {"json", 0, NULL, "one JSON object instead of text"},
	[OPTION_UPGRADE] = {"upgrade", 0, NULL, "write FILE as Squid 7 has it to stdout"},
	{0},
};

const char ctl_explain_help[] =
	"Reads FILE (else the one of -f) and all that it includes, and tells of each line its class:\n"
	"    same      works the same\n"
	"    harmless  has no effect, and none is missed\n"
	"    differs   works, in another way, or by what Squid has dropped\n"
	"    ignored   ignored, or a part of it is: the proxy behaves otherwise\n"
	"    refused   the configuration cannot be used because of it\n"
	"Below it stand the reasons, \"write:\" with what says it today, and \"warning:\" with what looks like\n"
	"a mistake: rules that are never reached, names and addresses that match less than they seem to,\n"
	"sites that nobody gets, ACLs that nobody uses. \"refused\" may be of this machine: a certificate\n"
	"that lies on another.\n"
	"--upgrade keeps comments and order, writes the lines of included files where they are read, and\n"
	"leaves what it replaces as comments.\n"
	"Exit status: the worst class: 0 same, 3 harmless, 4 differs, 5 ignored, 6 refused (warnings do not\n"
	"count); 1 if FILE cannot be read, 2 for wrong use.\n";

static const int statuses[EXPLAIN_CLASSES] = {
	[EXPLAIN_SAME] = 0,    [EXPLAIN_HARMLESS] = 3, [EXPLAIN_DIFFERS] = 4,
	[EXPLAIN_IGNORED] = 5, [EXPLAIN_REFUSED] = 6,
};

/* ---- text */

/* What a terminal could take for commands is shown as '?'. */
static void show_text(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void show_replacement(const struct explanation *explanation, size_t i)
{
	struct str rest, line;
	const char *why;
	struct buf lines;

	buf_init(&lines, SIZE_MAX);
	if (!explain_replacement(explanation, i, &lines, &why)) {
		buf_fini(&lines);
		return;
	}
	/* what is refused was meant to say something: somebody has to look at it */
	if (lines.len == 0 && explanation->lines[i].what != EXPLAIN_REFUSED)
		fputs("    write: nothing, it can go\n", stdout);
	rest = buf_str(&lines);
	while (rest.len > 0 && str_split(&rest, '\n', &line))
		if (line.len > 0)
			printf("    write: %.*s\n", STR_ARG(line));
	buf_fini(&lines);
}

static void show_line(const struct explanation *explanation, size_t i)
{
	const struct explain_line *line = &explanation->lines[i];
	struct str text = str_of(line->text), directive = STR_NONE;

	str_word(&text, &directive);
	if (line->file)
		printf("%s:%d: ", line->file, line->number);
	printf("%s: ", explain_class_name(line->what));
	if (directive.len > 0)
		printf("%.*s: ", STR_ARG(str_first(directive, 200)));
	printf("%s\n", explain_class_text(line->what));
	for (const struct explain_remark *remark = line->remarks; remark; remark = remark->next) {
		fputs(remark->is_warning ? "    warning: " : "    ", stdout);
		show_text(remark->text);
		putchar('\n');
	}
	show_replacement(explanation, i);
}

static void show_all(const struct explanation *explanation, bool is_brief)
{
	for (size_t i = 0; i < explanation->nlines; i++) {
		const struct explain_line *line = &explanation->lines[i];

		if (line->is_file || (is_brief && line->what == EXPLAIN_SAME && !line->remarks))
			continue;
		show_line(explanation, i);
	}
	printf("\n");
	for (unsigned what = 0; what < EXPLAIN_CLASSES; what++)
		printf("%6zu  %-8s  %s\n", explain_count(explanation, what),
		       explain_class_name(what), explain_class_text(what));
	printf("%6zu  warnings\n", explain_warnings(explanation));
}

/* ---- --upgrade */

static int write_upgrade(const struct explanation *explanation)
{
	struct err_text why = {""};
	struct buf out;
	enum err err;

	buf_init(&out, SIZE_MAX);
	err = explain_upgrade(explanation, NULL, &out, &why);
	if (err == ERR_OK)
		fwrite(out.at, 1, out.len, stdout);
	buf_fini(&out);
	return err == ERR_OK ? statuses[explain_worst(explanation)] : ctl_fail("%s", why.at);
}

/* Beside the file on stdout: what it could not carry over. */
static void tell_losses(const struct explanation *explanation)
{
	for (size_t i = 0; i < explanation->nlines; i++) {
		const struct explain_line *line = &explanation->lines[i];

		if (line->what == EXPLAIN_REFUSED && line->file && !line->is_file)
			fprintf(stderr, "%s:%d: refused: look at it by hand\n", line->file,
				line->number);
	}
}

int ctl_run_explain(struct ctl *ctl, const struct ctl_args *args)
{
	const char *path = args->nwords > 0 ? args->words[0] : ctl->config_path;
	struct explanation explanation;
	int status;

	explain_read(&explanation, path, NULL, ctl->service_name);
	status = statuses[explain_worst(&explanation)];
	if (!explanation.is_read) {
		for (const struct explain_remark *remark =
			     explanation.nlines ? explanation.lines[0].remarks : NULL;
		     remark; remark = remark->next)
			ctl_fail("%s", remark->text);
		status = CTL_FAILED;
	} else if (ctl_given(args, OPTION_UPGRADE)) {
		status = write_upgrade(&explanation);
		tell_losses(&explanation);
	} else if (ctl_given(args, OPTION_JSON)) {
		explain_show_json(&explanation, path);
	} else {
		show_all(&explanation, ctl_given(args, OPTION_BRIEF));
	}
	explain_fini(&explanation);
	return status;
}
