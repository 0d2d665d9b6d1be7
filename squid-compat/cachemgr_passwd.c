/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/cachemgr_passwd.h"

struct cachemgr_line {
	struct str password;
	struct cachemgr_action {
		struct str name;
		struct cachemgr_action *next;
	} *actions;
	struct cachemgr_line *next;
};

void cachemgr_passwds_init(struct cachemgr_passwds *passwds, struct arena *arena)
{
	*passwds = (struct cachemgr_passwds){.last_ = &passwds->first, .arena_ = arena};
}

static bool names(const struct cachemgr_line *line, struct str action)
{
	for (const struct cachemgr_action *entry = line->actions; entry; entry = entry->next)
		if (str_eq(entry->name, action) || str_eq(entry->name, STR("all")))
			return true;
	return false;
}

static const struct cachemgr_line *find(const struct cachemgr_passwds *passwds, struct str action)
{
	const struct cachemgr_line *line = passwds->first;

	while (line && !names(line, action))
		line = line->next;
	return line;
}

static void say_what_is_useless(const struct cachemgr_passwds *passwds, const struct words *words,
				struct report *report)
{
	if (words->n == 2)
		report_say(report, REPORT_WARNING, "cachemgr_passwd names no action");
	for (size_t i = 2; i < words->n; i++)
		if (find(passwds, words_text(words, i)))
			report_say(report, REPORT_WARNING,
				   "cachemgr_passwd: a line above this one decides about %.*s",
				   STR_ARG(words_text(words, i)));
}

void cachemgr_passwds_parse(struct cachemgr_passwds *passwds, const struct words *words,
			    struct report *report)
{
	struct cachemgr_line *line = arena_zalloc(passwds->arena_, sizeof(*line));
	struct cachemgr_action **last = &line->actions;

	if (words->n < 2) {
		report_say(report, REPORT_FATAL, "cachemgr_passwd needs a password and actions");
		return;
	}
	say_what_is_useless(passwds, words, report);
	line->password = arena_str(passwds->arena_, words_text(words, 1));
	for (size_t i = 2; i < words->n; i++) {
		struct cachemgr_action *entry = arena_zalloc(passwds->arena_, sizeof(*entry));

		entry->name = arena_str(passwds->arena_, words_text(words, i));
		*last = entry;
		last = &entry->next;
	}
	*passwds->last_ = line;
	passwds->last_ = &line->next;
}

enum cachemgr_protection cachemgr_protection(const struct cachemgr_passwds *passwds,
					     struct str action, bool needs_password)
{
	const struct cachemgr_line *line = find(passwds, action);

	if (!line)
		return needs_password ? CACHEMGR_HIDDEN : CACHEMGR_PUBLIC;
	if (str_eq(line->password, STR("disable")))
		return CACHEMGR_DISABLED;
	return str_eq(line->password, STR("none")) ? CACHEMGR_PUBLIC : CACHEMGR_PROTECTED;
}

const char *cachemgr_protection_name(enum cachemgr_protection protection)
{
	static const char *const texts[] = {
		[CACHEMGR_PUBLIC] = "public",
		[CACHEMGR_PROTECTED] = "protected",
		[CACHEMGR_HIDDEN] = "hidden",
		[CACHEMGR_DISABLED] = "disabled",
	};

	return texts[protection];
}

bool cachemgr_password_is(const struct cachemgr_passwds *passwds, struct str action,
			  struct str password)
{
	const struct cachemgr_line *line = find(passwds, action);
	unsigned char difference = 0;

	if (!line || password.len == 0)
		return false;
	for (size_t i = 0; i < line->password.len; i++)
		difference |= (unsigned char)(line->password.at[i] ^
					      password.at[i < password.len ? i : 0]);
	return difference == 0 && password.len == line->password.len;
}
