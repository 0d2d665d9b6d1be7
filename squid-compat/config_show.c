/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/config_show.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/reading.h"

enum { VALUE_BYTES = 4096, MASKED_MAX_BYTES = 65536 };

/* ---- what nobody said */

/* Defaults that depend on the machine. Empty: it is not one of these. */
static struct str found_out(const struct config *config, struct str name, char value[VALUE_BYTES])
{
	const struct {
		const char *name, *text;
	} texts[] = {
		{"visible_hostname", config->visible_hostname},
		{"unique_hostname", config->unique_hostname},
		{"pid_filename", config->pid_filename},
		{"cache_log", config->cache_log},
		{"cache_effective_user", config->effective_user},
	};

	if (str_eq(name, STR("workers")))
		return (struct str){value, (size_t)snprintf(value, VALUE_BYTES, "%u",
							    config->nworkers)};
	if (str_eq(name, STR("cache_mem")))
		return (struct str){value, (size_t)snprintf(value, VALUE_BYTES, "%" PRId64 " KB",
							    config->cache_mem_bytes / 1024)};
	for (size_t i = 0; i < COUNT(texts); i++)
		if (str_eq(name, str_of(texts[i].name)))
			return texts[i].text ? str_of(texts[i].text) : STR("none");
	return STR_NONE;
}

static bool show_default(const struct config *config, const struct directive *directive,
			 struct buf *out)
{
	char memory[VALUE_BYTES];
	struct str value = found_out(config, str_of(directive->name), memory);

	if (directive->verdict != HONOURED)
		return false;
	if (value.len == 0)
		value = str_of(directive->otherwise);
	if (value.len == 0)
		return false;
	buf_printf(out, "%s %.*s\t# default\n", directive->name, STR_ARG(value));
	return true;
}

/* ---- what was said */

static const char mask[] = "********";

static bool is_password(const struct directive *directive, unsigned i, struct str word)
{
	return i == 1 && str_eq(str_of(directive->name), STR("cachemgr_passwd")) &&
	       !str_eq(word, STR("none")) && !str_eq(word, STR("disable"));
}

bool config_has_secret(const struct directive *directive, unsigned i, struct str word)
{
	return is_password(directive, i, word) || str_starts_with(word, STR("sslpassword=")) ||
	       (str_starts_with(word, STR("login=")) && str_find_char(word, ':') < word.len);
}

static void show_word(const struct directive *directive, unsigned i, struct str word,
		      struct buf *out)
{
	if (!config_has_secret(directive, i, word)) {
		buf_add_str(out, word);
		return;
	}
	if (!is_password(directive, i, word))
		buf_add_str(out, str_first(word, str_find_char(word, '=') + 1));
	buf_add_str(out, STR(mask));
}

static void show_masked(const struct directive *directive, struct str text, struct buf *out)
{
	size_t begin = out->len;
	struct str word;

	for (unsigned i = 0; str_word(&text, &word); i++) {
		if (out->len - begin > MASKED_MAX_BYTES) {
			buf_add_str(out, STR(" ..."));
			return;
		}
		if (i > 0)
			buf_add_char(out, ' ');
		show_word(directive, i, word, out);
	}
}

static void show_line(const struct directive *directive, const struct config_line *line,
		      bool hides_secrets, struct buf *out)
{
	if (hides_secrets)
		show_masked(directive, str_of(line->text), out);
	else
		buf_add_str(out, str_of(line->text));
	if (line->file)
		buf_printf(out, "\t# %s:%d\n", line->file, line->number);
	else
		buf_add_str(out, STR("\t# default\n"));
}

static const struct config_line *last_of(const struct config_line *line)
{
	while (line->next)
		line = line->next;
	return line;
}

bool config_show_next(const struct config *config, struct config_cursor *cursor,
		      bool hides_secrets, struct buf *out)
{
	const struct directive *directive;

	while ((directive = directive_at(cursor->directive))) {
		const struct config_line *line =
			cursor->line ? cursor->line : config->lines[cursor->directive];

		if (line && directive_is_single(directive))
			line = last_of(line);
		cursor->line = line ? line->next : NULL;
		if (!cursor->line)
			cursor->directive++;
		if (line) {
			show_line(directive, line, hides_secrets, out);
			return true;
		}
		if (show_default(config, directive, out))
			return true;
	}
	return false;
}
