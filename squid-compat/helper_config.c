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
	MAX_CONCURRENCY = 1000000,
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
		const char *ours = arena_printf(arena, "%.*s%.*s", STR_ARG(folders[i]), STR_ARG(name)).at;

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
	{"concurrency", NUMBER(concurrency), MAX_CONCURRENCY},
	{"queue-size", NUMBER(queue_size), MAX_CONCURRENCY},
	{"reservation-timeout", NUMBER(reservation_timeout_s), MAX_CONCURRENCY},
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

/* ---- url_rewrite_*, store_id_* */

static const char default_extras[] = "%>a/%>A %un %>rm myip=%la myport=%lp";

void rewrite_config_init(struct rewrite_config *config, bool is_bypass_on, struct arena *arena,
			 const struct world *world)
{
	*config = (struct rewrite_config){
		.is_bypass_on = is_bypass_on,
		.rewrites_host = true,
		.extras = logformat_compile(str_of(default_extras), arena, NULL),
		.arena_ = arena,
		.world_ = world,
	};
	helper_children_init(&config->children);
}

void rewrite_parse_program(struct rewrite_config *config, const struct words *words,
			   struct report *report)
{
	helper_read_command(&config->command, words, 1, config->arena_, report);
}

/* An older url_rewrite_concurrency still has its effect. */
void rewrite_parse_children(struct rewrite_config *config, const struct words *words,
			    struct report *report)
{
	unsigned concurrency = config->children.concurrency;

	helper_read_children(&config->children, words, 1, report);
	if (config->children.on_error == HELPER_ON_ERROR_STALE)
		report_say(report, REPORT_ERROR,
			   "on-error=stale: is for auth_param; here there are deny, 503 and bypass");
	if (config->children_concurrency_fixed_)
		config->children.concurrency = concurrency;
}

void rewrite_parse_concurrency(struct rewrite_config *config, const struct words *words,
			       struct report *report)
{
	uint64_t concurrency;

	if (!str_to_u64(words_text(words, 1), &concurrency) || concurrency > MAX_CONCURRENCY) {
		report_say(report, REPORT_FATAL, "invalid concurrency '%.*s'",
			   STR_ARG(words_text(words, 1)));
		return;
	}
	report_say(report, REPORT_WARNING,
		   "url_rewrite_concurrency upgrade overriding url_rewrite_children settings.");
	config->children.concurrency = (unsigned)concurrency;
	config->children_concurrency_fixed_ = true;
}

void rewrite_parse_extras(struct rewrite_config *config, const struct words *words,
			  struct report *report)
{
	config->extras = helper_read_extras(words, 1, config->arena_, report);
}

static const struct {
	struct str name;
	enum rewrite_timeout action;
} timeout_actions[] = {
	{STR("fail"), REWRITE_TIMEOUT_FAIL},
	{STR("bypass"), REWRITE_TIMEOUT_BYPASS},
	{STR("retry"), REWRITE_TIMEOUT_RETRY},
	{STR("use_configured_response"), REWRITE_TIMEOUT_RESPONSE},
};

static bool read_timeout_action(struct str name, enum rewrite_timeout *out)
{
	for (size_t i = 0; i < COUNT(timeout_actions); i++)
		if (str_eq(name, timeout_actions[i].name)) {
			*out = timeout_actions[i].action;
			return true;
		}
	return false;
}

/* response=WORD, or response="LINE", which the words of the line do not keep together. */
static struct str response_text(const struct words *words, size_t i)
{
	struct str rest = str_from(words_rest(words, i), sizeof("response=") - 1);
	size_t end;

	if (rest.len == 0 || rest.at[0] != '"')
		return str_first(rest, str_find_char(rest, ' '));
	rest = str_from(rest, 1);
	end = str_find_char(rest, '"');
	return str_first(rest, end);
}

static bool read_timeout_options(struct rewrite_config *config, const struct words *words,
				 size_t i, struct report *report)
{
	const struct str on_timeout = STR("on_timeout=");

	for (; i < words->n; i++) {
		struct str word = words_text(words, i);

		if (str_starts_with(word, STR("response="))) {
			config->timeout_response =
				arena_str(config->arena_, response_text(words, i));
			return true; /* it reaches to the end */
		}
		if (!str_starts_with(word, on_timeout) ||
		    !read_timeout_action(str_from(word, on_timeout.len), &config->on_timeout)) {
			report_say(report, REPORT_FATAL,
				   "Unsupported option of url_rewrite_timeout: %.*s",
				   STR_ARG(word));
			return false;
		}
	}
	return true;
}

void rewrite_parse_timeout(struct rewrite_config *config, const struct words *words,
			   struct report *report)
{
	int64_t ms;
	size_t i = 1;

	if (!value_time_ms(words, &i, report, &ms))
		return;
	config->timeout_ms = ms;
	config->on_timeout = ms > 0 ? REWRITE_TIMEOUT_FAIL : REWRITE_TIMEOUT_NONE;
	config->timeout_response = STR_NONE;
	if (read_timeout_options(config, words, i, report) &&
	    config->on_timeout == REWRITE_TIMEOUT_RESPONSE && !config->timeout_response.at)
		report_say(report, REPORT_FATAL,
			   "Expected 'response=' option after "
			   "'on_timeout=use_configured_response' option");
	if (ms == 0)
		config->on_timeout = REWRITE_TIMEOUT_NONE;
}

void rewrite_check(const struct rewrite_config *config, const char *name, struct report *report)
{
	helper_check_command(&config->command, name, config->world_, config->arena_, report);
}
