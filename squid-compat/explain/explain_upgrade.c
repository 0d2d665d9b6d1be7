/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a configuration as Squid 7 has it: the files are read again, and each of their lines goes
 * out as it is, or as a comment with what takes its place. */
#include "squid-compat/explain/explain.h"

#include <string.h>

#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/explain/explain_internal.h"
#include "squid-compat/explain/explain_upgrade_internal.h"
#include "squid-compat/reading.h"

enum { MAX_LINE_BYTES = 1 << 22 };

const struct explain_line *upgrade_next(const struct explanation *explanation, const char *name,
					size_t *i)
{
	for (; *i < explanation->nlines; (*i)++)
		if (str_eq(explain_word(&explanation->lines[*i], 0), str_of(name)))
			return &explanation->lines[*i];
	return NULL;
}

/* ---- lines that have to go */

/* What Squid 5 or 6 had for the last time. */
static bool is_gone_from_squid_7(const char *name)
{
	static const char *const names[] = {
		"announce_file",     "announce_host",   "announce_period",
		"announce_port",     "esi_parser",      "ident_lookup_access",
		"ident_timeout",     "mcast_miss_addr", "mcast_miss_encode_key",
		"mcast_miss_port",   "mcast_miss_ttl",  "request_entities",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Their rows say so. */
static bool is_ours(const struct directive *directive)
{
	return directive->help && strstr(directive->help, "(ours)");
}

/* The sentence of a remark that has one of these phrases: the line does nothing, here and there. */
static const char *find_useless(const struct explain_line *line)
{
	for (const struct explain_remark *remark = line->remarks; remark; remark = remark->next)
		if (explain_is_useless(remark->text))
			return remark->text;
	return NULL;
}

/* Why it was refused: the last thing that was said of it. */
static const char *refusal(const struct explain_line *line)
{
	const char *text = "it cannot be used";

	for (const struct explain_remark *remark = line->remarks; remark; remark = remark->next)
		if (!remark->is_warning)
			text = remark->text;
	return text;
}

/* An acl line that is refused here, and is written all the same: as Squid takes it, or with other
 * words. */
static bool is_kept_acl(const struct explanation *explanation, const struct explain_line *line)
{
	struct buf scratch;
	struct upgrading upgrading = {explanation, line, &scratch, NULL};
	bool is_kept;

	buf_init(&scratch, MAX_LINE_BYTES);
	is_kept = line->has_file_fault || acl_type_is_refused(explain_word(line, 2)) ||
		  upgrade_acl(&upgrading);
	buf_fini(&scratch);
	return is_kept;
}

/* An ACL that some line defines, and each that does is refused. */
static bool is_lost_acl(const struct explanation *explanation, struct str name)
{
	bool is_refused = false;

	for (size_t i = 0; i < explanation->nlines; i++) {
		const struct explain_line *line = &explanation->lines[i];

		if (!line->directive || line->directive->parse != parse_acl ||
		    !str_eq_nocase(explain_word(line, 1), name))
			continue;
		if (line->what != EXPLAIN_REFUSED || is_kept_acl(explanation, line))
			return false;
		is_refused = true;
	}
	return is_refused;
}

static bool names_lost_acl(const struct explanation *explanation, const struct explain_line *line)
{
	if (explain_worst(explanation) != EXPLAIN_REFUSED || line->directive->parse == parse_acl)
		return false;
	for (size_t i = 1; i < line->nwords; i++) {
		struct str name = explain_word(line, i);

		if (is_lost_acl(explanation, str_from(name, name.len > 0 && name.at[0] == '!')))
			return true;
	}
	return false;
}

/* NULL: it may stay. */
static const char *why_to_go(const struct explanation *explanation, const struct explain_line *line)
{
	const struct directive *directive = line->directive;

	if (!directive)
		return line->what == EXPLAIN_REFUSED ? refusal(line) : NULL;
	if (directive->verdict == OBSOLETE || directive->verdict == UNKNOWN)
		return directive_reason(directive);
	if (is_gone_from_squid_7(directive->name))
		return "Squid 7 has no such directive";
	if (is_ours(directive))
		return "Bobtail's own: Squid does not know it";
	/* Squid may do what is refused here. */
	if (line->what == EXPLAIN_REFUSED && directive->verdict != REFUSED &&
	    !line->has_file_fault &&
	    !(directive->parse == parse_acl && acl_type_is_refused(explain_word(line, 2))))
		return refusal(line);
	if (names_lost_acl(explanation, line))
		return "it names an ACL that is refused";
	return find_useless(line);
}

/* ---- lines with other words */

/* The line with the name that its directive has today. */
static bool upgrade_name(struct upgrading *upgrading)
{
	const struct explain_line *line = upgrading->line;
	struct str rest = str_of(line->text), word;

	if (str_eq(explain_word(line, 0), str_of(line->directive->name)))
		return false;
	str_word(&rest, &word);
	buf_printf(upgrading->out, "%s%.*s\n", line->directive->name, STR_ARG(rest));
	return true;
}

static bool upgrade_line(struct upgrading *upgrading)
{
	static const struct {
		directive_fn *parse;
		bool (*upgrade)(struct upgrading *upgrading);
	} rows[] = {
		{parse_http_port, upgrade_port},
		{parse_cache_peer, upgrade_peer},
		{parse_acl, upgrade_acl},
		{parse_refresh_pattern, upgrade_refresh_pattern},
		{parse_access_log, upgrade_access_log},
		{parse_on_off, upgrade_flag},
		{parse_cache_peer_access, upgrade_peer_access},
		{parse_rewrite_children, upgrade_children},
	};
	const struct directive *directive = upgrading->line->directive;

	if (directive->verdict == TRANSLATED)
		return upgrade_translated(upgrading);
	for (size_t i = 0; i < COUNT(rows); i++)
		if (directive->parse == rows[i].parse && rows[i].upgrade(upgrading))
			return true;
	return upgrade_name(upgrading);
}

bool explain_replacement(const struct explanation *explanation, size_t i, struct buf *out,
			 const char **why)
{
	struct upgrading upgrading = {explanation, &explanation->lines[i], out, NULL};
	bool is_replaced;

	*why = NULL;
	if (upgrading.line->is_file || upgrading.line->nwords == 0)
		return false;
	if (upgrading.line->what == EXPLAIN_REFUSED && upgrading.line->directive &&
	    upgrading.line->directive->parse == parse_acl && upgrade_acl(&upgrading))
		return true;
	*why = why_to_go(explanation, upgrading.line);
	if (*why)
		return true;
	is_replaced = upgrading.line->directive && upgrade_line(&upgrading);
	*why = upgrading.why;
	return is_replaced;
}

/* ---- the whole */

struct writing {
	const struct explanation *explanation;
	const struct source *source;
	size_t next; /* of its lines */
	struct buf *out;
	struct err_text *why;
};

/* A physical line with its end. */
static bool next_physical_line(struct str *rest, struct str *line)
{
	size_t len = str_find_char(*rest, '\n');

	if (rest->len == 0)
		return false;
	*line = str_first(*rest, len + 1);
	*rest = str_from(*rest, len + 1);
	return true;
}

static struct str without_end(struct str line)
{
	while (line.len > 0 && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
		line.len--;
	return line;
}

static void write_line(struct buf *out, struct str line)
{
	buf_add_str(out, without_end(line));
	buf_add_char(out, '\n');
}

static void write_as_comment(struct buf *out, struct str line)
{
	line = without_end(line);
	/* a backslash at its end would join the next line to the comment's neighbours */
	while (line.len > 0 && line.at[line.len - 1] == '\\')
		line.len--;
	buf_add_str(out, STR("# "));
	write_line(out, line);
}

/* Whether the directive goes on behind this physical line. */
static bool is_continued(struct str line)
{
	line = without_end(line);
	return line.len > 0 && line.at[line.len - 1] == '\\';
}

static bool is_comment(struct str line)
{
	line = str_trim(without_end(line));
	return line.len == 0 || line.at[0] == '#';
}

static enum err write_file(struct writing *writing);

/* The files that an include names stand behind it, in order. */
static enum err write_included(struct writing *writing, unsigned depth)
{
	enum err err = ERR_OK;

	while (err == ERR_OK && writing->next < writing->explanation->nlines &&
	       writing->explanation->lines[writing->next].is_file &&
	       writing->explanation->lines[writing->next].depth == depth + 1)
		err = write_file(writing);
	return err;
}

/* The directive that begins with physical line first; *rest is what follows in the file. */
static enum err write_directive(struct writing *writing, struct str first, struct str *rest,
				int *number)
{
	size_t i = writing->next++;
	const struct explain_line *line = &writing->explanation->lines[i];
	bool is_include = str_eq(explain_word(line, 0), STR("include"));
	struct str physical = first;
	struct buf lines;
	const char *why;
	bool is_replaced;

	buf_init(&lines, MAX_LINE_BYTES);
	is_replaced = explain_replacement(writing->explanation, i, &lines, &why) || is_include;
	if (is_replaced && why)
		buf_printf(writing->out, "# Not for Squid 7: %s\n", why);
	for (;;) {
		if (is_replaced)
			write_as_comment(writing->out, physical);
		else
			write_line(writing->out, physical);
		/* comments between the parts of a line belong to it */
		if (!is_comment(physical) && !is_continued(physical))
			break;
		if (!next_physical_line(rest, &physical))
			break;
		(*number)++;
	}
	buf_add_str(writing->out, buf_str(&lines));
	buf_fini(&lines);
	return is_include ? write_included(writing, line->depth) : ERR_OK;
}

/* Is the next of our lines the one with that number in that file? */
static bool is_next(const struct writing *writing, const struct explain_line *file, int number)
{
	const struct explain_line *line = &writing->explanation->lines[writing->next];

	return writing->next < writing->explanation->nlines && !line->is_file && line->file &&
	       line->number == number && line->nwords > 0 && strcmp(line->file, file->file) == 0;
}

/* What was said of no line of the text (a missing endif) has no place in it. */
static void pass_others(struct writing *writing, const struct explain_line *file)
{
	while (writing->next < writing->explanation->nlines) {
		const struct explain_line *line = &writing->explanation->lines[writing->next];

		if (line->is_file || line->nwords > 0 || !line->file ||
		    strcmp(line->file, file->file) != 0)
			return;
		writing->next++;
	}
}

static enum err write_file(struct writing *writing)
{
	const struct explain_line *file = &writing->explanation->lines[writing->next++];
	struct str rest, line;
	enum err err;
	struct buf bytes;
	int number = 0;

	buf_init(&bytes, SOURCE_MAX_BYTES);
	err = writing->source->read(writing->source->user, file->file, &bytes, writing->why);
	rest = buf_str(&bytes);
	if (str_starts_with(rest, STR("\xEF\xBB\xBF")))
		rest = str_from(rest, 3);
	while (err == ERR_OK && next_physical_line(&rest, &line)) {
		number++;
		if (str_starts_with(str_trim(line), STR("#line "))) {
			err_say(writing->why, "%s:%d: #line says that lines are others' lines",
			        file->file, number);
			err = ERR_INPUT;
			break;
		}
		pass_others(writing, file);
		if (is_next(writing, file, number))
			err = write_directive(writing, line, &rest, &number);
		else
			write_line(writing->out, line);
	}
	pass_others(writing, file);
	buf_fini(&bytes);
	return err;
}

enum err explain_upgrade(const struct explanation *explanation, const struct source *source,
			 struct buf *out, struct err_text *why)
{
	struct writing writing = {explanation, source ? source : &source_disk, 0, out, why};

	if (explanation->nlines == 0 || !explanation->lines[0].is_file) {
		err_say(why, "the file cannot be read");
		return ERR_INPUT;
	}
	return write_file(&writing);
}
