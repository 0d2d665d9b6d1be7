/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/helper_config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "squid-compat/helper_config_internal.h"
#include "squid-compat/values.h"

enum {
	MAX_CHILDREN = 10000,
	MAX_ARGUMENTS = 256,
	DEFAULT_CHILDREN = 20,
	MAX_STALE_S = 30 * 86400,
};

/* ---- commands */

static struct str next_argument(const struct words *words, size_t *i, struct str *rest)
{
	struct str word = STR_NONE;

	if (words->quoted_values) {
		word = words_text(words, *i);
		(*i)++;
	} else if (str_word(rest, &word) && word.at[0] == '#') {
		word = STR_NONE;
	}
	return word;
}

/* The file's name in one of Squid's folders; empty: the path is not one of those. */
static struct str name_of_squids(struct str path)
{
	static const char *const folders[] = {"/usr/lib/squid/", "/usr/lib/squid3/",
					      "/usr/libexec/squid/", "/usr/lib64/squid/",
					      "/usr/local/libexec/squid/"};

	for (size_t i = 0; i < COUNT(folders); i++) {
		struct str folder = str_of(folders[i]), name = str_from(path, folder.len);

		if (str_starts_with(path, folder) && str_find_char(name, '/') == name.len)
			return name;
	}
	return STR("");
}

/* The folder of this program with a slash at its end; empty: it is not known. */
static struct str own_folder(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size);

	while (n > 0 && out[n - 1] != '/')
		n--;
	return (struct str){out, n > 0 ? (size_t)n : 0};
}

const char *helper_find_bundled(const char *path, const struct world *world, struct arena *arena)
{
	char self[4096];
	const struct str folders[] = {STR(BOBTAIL_LIBEXECDIR "/"), own_folder(self, sizeof(self))};
	struct str name = name_of_squids(str_of(path));

	for (size_t i = 0; name.len > 0 && i < COUNT(folders); i++) {
		const char *ours =
			arena_printf(arena, "%.*s%.*s", STR_ARG(folders[i]), STR_ARG(name)).at;

		if (folders[i].len > 0 && world->may(ours, X_OK) == 0)
			return ours;
	}
	return NULL;
}

void helper_read_command(struct helper_command *command, const struct words *words, size_t first,
			 struct arena *arena, struct report *report)
{
	struct str rest = words_rest(words, first), word;
	const char *argv[MAX_ARGUMENTS];
	unsigned argc = 0;

	*command = (struct helper_command){0};
	while ((word = next_argument(words, &first, &rest)).at) {
		if (argc == MAX_ARGUMENTS) {
			report_say(report, REPORT_FATAL, "more than %d words in a command",
				   MAX_ARGUMENTS);
			return;
		}
		argv[argc++] = arena_str(arena, word).at;
	}
	if (argc == 0) {
		report_say(report, REPORT_FATAL, "the helper program is missing");
		return;
	}
	if (argc == 1 && strcmp(argv[0], "none") == 0)
		return;
	command->argv = arena_zalloc(arena, (argc + 1) * sizeof(*argv));
	memcpy(command->argv, argv, argc * sizeof(*argv));
	command->argc = argc;
}

void helper_check_command(const struct helper_command *command, const char *name,
			  const struct world *world, struct arena *arena, struct report *report)
{
	int error = command->argc > 0 ? world->may(command->argv[0], X_OK) : 0;
	const char *ours = error ? helper_find_bundled(command->argv[0], world, arena) : NULL;

	if (ours) {
		report_say(report, REPORT_WARNING,
			   "%s %s: (%d) %s; the bundled %s is run instead", name,
			   command->argv[0], error, strerror(error), ours);
		command->argv[0] = ours;
	} else if (error) {
		report_say(report, REPORT_ERROR,
			   "%s %s: (%d) %s; requests that need it fail until it is there", name,
			   command->argv[0], error, strerror(error));
	} else if (command->argc > 0 && world->may(command->argv[0], WORLD_IS_GUARDED) == EPERM) {
		report_say(report, REPORT_WARNING, "%s %s: anybody may write to this program", name,
			   command->argv[0]);
	}
}

/* ---- children */

void helper_children_init(struct helper_children *children)
{
	*children = (struct helper_children){
		.max = DEFAULT_CHILDREN,
		.idle = 1,
		.queue_size = -1,
	};
}

unsigned helper_queue_size(const struct helper_children *children, bool is_bypass_on)
{
	if (children->queue_size >= 0)
		return (unsigned)children->queue_size;
	return is_bypass_on ? 0 : 2 * children->max;
}

static bool read_overload(struct str value, struct helper_children *children)
{
	children->overload_is_err = str_eq(value, STR("ERR"));
	return children->overload_is_err || str_eq(value, STR("die"));
}

bool helper_read_on_error(struct str value, struct helper_children *children)
{
	static const struct {
		struct str name;
		enum helper_on_error value;
	} words[] = {
		{{"deny", 4}, HELPER_ON_ERROR_DENY},
		{{"503", 3}, HELPER_ON_ERROR_503},
		{{"bypass", 6}, HELPER_ON_ERROR_BYPASS},
		{{"allow", 5}, HELPER_ON_ERROR_ALLOW},
	};
	struct str stale = STR("stale:");
	uint64_t seconds;

	if (str_starts_with(value, stale)) {
		if (!str_to_u64(str_from(value, stale.len), &seconds) || seconds > MAX_STALE_S)
			return false;
		children->stale_s = (int64_t)seconds;
		children->on_error = HELPER_ON_ERROR_STALE;
		return true;
	}
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(value, words[i].name)) {
			children->on_error = words[i].value;
			return true;
		}
	return false;
}

#define NUMBER(member) offsetof(struct helper_children, member)

static const struct {
	const char *name;
	size_t slot; /* an unsigned or int, not negative */
	uint64_t max;
} children_options[] = {
	{"startup", NUMBER(startup), MAX_CHILDREN},
	{"idle", NUMBER(idle), MAX_CHILDREN},
	{"concurrency", NUMBER(concurrency), HELPER_MAX_CONCURRENCY},
	{"queue-size", NUMBER(queue_size), HELPER_MAX_CONCURRENCY},
	{"reservation-timeout", NUMBER(reservation_timeout_s), HELPER_MAX_CONCURRENCY},
};

static bool read_children_option(struct helper_children *children, struct str word)
{
	size_t equals = str_find_char(word, '=');
	struct str name = str_first(word, equals), value = str_from(word, equals + 1);
	uint64_t number;

	if (str_eq(name, STR("on-persistent-overload")))
		return read_overload(value, children);
	if (str_eq(name, STR("on-error")))
		return helper_read_on_error(value, children) &&
		       children->on_error != HELPER_ON_ERROR_ALLOW;
	for (size_t i = 0; i < COUNT(children_options); i++) {
		if (!str_eq(name, str_of(children_options[i].name)))
			continue;
		if (!str_to_u64(value, &number) || number > children_options[i].max)
			return false;
		*(unsigned *)(void *)((char *)children + children_options[i].slot) =
			(unsigned)number;
		return true;
	}
	return false;
}

static void cap(unsigned *number, const char *name, unsigned max, struct report *report)
{
	if (*number <= max)
		return;
	report_say(report, REPORT_WARNING,
		   "OVERRIDE: Capping %s=%u to the defined maximum (%u)", name, *number, max);
	*number = max;
}

void helper_read_children(struct helper_children *children, const struct words *words,
			  size_t first, struct report *report)
{
	struct helper_children read;
	uint64_t max;

	helper_children_init(&read);
	if (!str_to_u64(words_text(words, first), &max) || max == 0 || max > MAX_CHILDREN) {
		report_say(report, REPORT_FATAL,
			   "the maximum number of helper processes must be 1 to %d", MAX_CHILDREN);
		return;
	}
	read.max = (unsigned)max;
	for (size_t i = first + 1; i < words->n; i++)
		if (!read_children_option(&read, words_text(words, i))) {
			report_say(report, REPORT_FATAL, "Undefined option or bad value: %.*s",
				   STR_ARG(words_text(words, i)));
			return;
		}
	cap(&read.startup, "startup", read.max, report);
	cap(&read.idle, "idle", read.max, report);
	if (read.idle == 0) {
		report_say(report, REPORT_WARNING,
			   "OVERRIDE: idle=0 would make requests fail: idle=1 is used");
		read.idle = 1;
	}
	*children = read;
}

/* ---- formats */

/* "FORMAT", or the rest of the line without a comment's sense. */
struct str helper_quoted_or_rest(const struct words *words, size_t i)
{
	if (i < words->n && (words->at[i].is_quoted || words->at[i].is_file))
		return words->at[i].text;
	return words_rest(words, i);
}

const struct logformat *helper_read_extras(const struct words *words, size_t i,
					   struct arena *arena, struct report *report)
{
	struct str text = helper_quoted_or_rest(words, i);

	if (text.len == 0 || str_eq(text, STR("\"\"")))
		return NULL;
	return logformat_compile(text, arena, report);
}
