/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/command_line.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "lib/base/check.h"

enum { MAX_SERVICE_NAME_BYTES = 32 };

/* In the order of enum control_action, which is that in which a prefix is tried. */
static const struct {
	const char *word;
	int signal; /* -1: none is sent */
} controls[] = {
	[CONTROL_NONE] = {"", -1},
	[CONTROL_RECONFIGURE] = {"reconfigure", SIGHUP},
	[CONTROL_ROTATE] = {"rotate", SIGUSR1},
	[CONTROL_DEBUG] = {"debug", SIGUSR2},
	[CONTROL_SHUTDOWN] = {"shutdown", SIGTERM},
	[CONTROL_INTERRUPT] = {"interrupt", SIGINT},
	[CONTROL_KILL] = {"kill", SIGKILL},
	[CONTROL_RESTART] = {"restart", SIGTTIN},
	[CONTROL_CHECK] = {"check", 0},
	[CONTROL_PARSE] = {"parse", -1},
};

int control_signal(enum control_action action)
{
	return controls[action].signal;
}

/* Takes one option; value is NULL where the option has none. False: why holds the reason. */
typedef bool take_fn(struct command_line *line, const char *value, struct err_text *why);

static bool take_nothing(struct command_line *line, const char *value, struct err_text *why)
{
	(void)line;
	(void)value;
	(void)why;
	return true;
}

static bool take_config(struct command_line *line, const char *value, struct err_text *why)
{
	(void)why;
	line->config_path = value;
	return true;
}

static bool take_control(struct command_line *line, const char *value, struct err_text *why)
{
	for (enum control_action i = CONTROL_RECONFIGURE; i < COUNT(controls); i++) {
		if (!*value || strncmp(controls[i].word, value, strlen(value)) != 0)
			continue;
		line->control = i;
		return true;
	}
	err_say(why, "%s", "");
	return false;
}

static bool take_service_name(struct command_line *line, const char *value, struct err_text *why)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(value);

	if (len == 0 || strspn(value, letters) != len) {
		err_say(why, "Expected alphanumeric service name for the -n option but got: %s",
		        value);
		return false;
	}
	if (len > MAX_SERVICE_NAME_BYTES) {
		err_say(why,
		        "Service name (-n option) must be limited to %d characters but got %zu",
		        MAX_SERVICE_NAME_BYTES, len);
		return false;
	}
	line->service_name = value;
	return true;
}

static bool take_level(struct command_line *line, const char *value, struct err_text *why)
{
	char *end;
	long level = strtol(value, &end, 10);

	if (end == value || *end || level < INT_MIN || level > INT_MAX) {
		err_say(why, "'%s' is no level for the -d option", value);
		return false;
	}
	line->stderr_level = (int)level;
	return true;
}

static bool take_facility(struct command_line *line, const char *value, struct err_text *why)
{
	static const struct {
		const char *name;
		int facility;
	} facilities[] = {
		{"authpriv", LOG_AUTHPRIV}, {"daemon", LOG_DAEMON}, {"user", LOG_USER},
		{"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},
		{"local3", LOG_LOCAL3},     {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5},
		{"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7},
	};

	for (size_t i = 0; i < COUNT(facilities); i++) {
		if (strcasecmp(value, facilities[i].name) != 0)
			continue;
		line->syslog_facility = facilities[i].facility;
		line->to_syslog = true;
		return true;
	}
	err_say(why, "unknown syslog facility '%s'", value);
	return false;
}

static bool take_kid(struct command_line *line, const char *value, struct err_text *why)
{
	(void)why;
	line->kid = value;
	return true;
}

#define TAKE_FLAG(name, field)                                                                     \
	static bool name(struct command_line *line, const char *value, struct err_text *why)       \
	{                                                                                          \
		(void)value;                                                                       \
		(void)why;                                                                         \
		line->field = true;                                                                \
		return true;                                                                       \
	}

TAKE_FLAG(take_no_daemon, no_daemon)
TAKE_FLAG(take_foreground, foreground)
TAKE_FLAG(take_create_caches, create_caches)
TAKE_FLAG(take_full_debug, full_debug)
TAKE_FLAG(take_syslog, to_syslog)
TAKE_FLAG(take_version, wants_version)
TAKE_FLAG(take_help, wants_help)
TAKE_FLAG(take_obsolete_d, has_obsolete_d)

static const struct option {
	char letter; /* '\0': has none */
	bool has_value;
	const char *long_name; /* NULL: has none */
	take_fn *take;
} options[] = {
	{'a', true, NULL, take_nothing}, /* Squid dies of it: nobody depends on it */
	{'C', false, NULL, take_nothing},
	{'d', true, NULL, take_level},
	{'D', false, NULL, take_obsolete_d},
	{'f', true, NULL, take_config},
	{'F', false, NULL, take_nothing},
	{'h', false, "help", take_help},
	{'k', true, NULL, take_control},
	{'l', true, NULL, take_facility},
	{'m', false, NULL, take_nothing},
	{'n', true, NULL, take_service_name},
	{'N', false, NULL, take_no_daemon},
	{'R', false, NULL, take_nothing},
	{'s', false, NULL, take_syslog},
	{'S', false, NULL, take_nothing},
	{'u', true, NULL, take_nothing}, /* there is no ICP */
	{'v', false, "version", take_version},
	{'X', false, NULL, take_full_debug},
	{'Y', false, NULL, take_nothing},
	{'z', false, NULL, take_create_caches},
	{'\0', false, "foreground", take_foreground},
	{'\0', true, "kid", take_kid},
};

static bool say_unknown(const char *word, struct err_text *why)
{
	err_say(why, "'%s': unrecognized option or missing required argument", word);
	return false;
}

static const struct option *find_short(char letter)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (options[i].letter == letter && letter)
			return &options[i];
	return NULL;
}

static const struct option *find_long(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (options[i].long_name && strlen(options[i].long_name) == len &&
		    memcmp(options[i].long_name, name, len) == 0)
			return &options[i];
	return NULL;
}

/* Where the reading stands. */
struct arguments {
	int argc;
	char *const *argv;
	int i;
};

/* --NAME, --NAME=VALUE, --NAME VALUE */
static bool take_long(struct arguments *arguments, struct command_line *line, struct err_text *why)
{
	const char *word = arguments->argv[arguments->i], *name = word + 2;
	size_t len = strcspn(name, "=");
	const struct option *option = find_long(name, len);
	const char *value = name[len] ? name + len + 1 : NULL;

	if (!option || (value && !option->has_value))
		return say_unknown(word, why);
	if (option->has_value && !value) {
		if (arguments->i + 1 >= arguments->argc)
			return say_unknown(word, why);
		value = arguments->argv[++arguments->i];
	}
	return option->take(line, value, why);
}

/* -NCd1: one or more letters, the last of which may have a value behind it or in the next word. */
static bool take_cluster(struct arguments *arguments, struct command_line *line,
                         struct err_text *why)
{
	const char *word = arguments->argv[arguments->i];

	for (const char *letter = word + 1; *letter; letter++) {
		const struct option *option = find_short(*letter);
		const char *value = letter + 1;

		if (!option)
			return say_unknown(word, why);
		if (!option->has_value) {
			if (!option->take(line, NULL, why))
				return false;
			continue;
		}
		if (!*value) {
			if (arguments->i + 1 >= arguments->argc)
				return say_unknown(word, why);
			value = arguments->argv[++arguments->i];
		}
		return option->take(line, value, why);
	}
	return true;
}

/* Words that are no options are ignored, as Squid does. */
bool command_line_parse(int argc, char *const *argv, struct command_line *out, struct err_text *why)
{
	struct command_line line = {.service_name = "squid",
				    .stderr_level = -1,
				    .syslog_facility = LOG_LOCAL4};
	struct arguments arguments = {argc, argv, 1};

	for (; arguments.i < argc; arguments.i++) {
		const char *word = argv[arguments.i];

		if (word[0] != '-' || !word[1])
			continue;
		if (strcmp(word, "--") == 0)
			break;
		if (word[1] == '-' ? !take_long(&arguments, &line, why)
		                   : !take_cluster(&arguments, &line, why))
			return false;
	}
	*out = line;
	return true;
}

const char *command_line_usage(void)
{
	return "Usage: bobtail [options]\n"
	       "    -f FILE      read this configuration (default: " BOBTAIL_SYSCONFDIR
	       "/bobtail/bobtail.conf\n"
	       "                 if it is there, else /etc/squid/squid.conf)\n"
	       "    -k ACTION    parse the configuration, then tell the running process to\n"
	       "                 reconfigure|rotate|debug|shutdown|interrupt|kill|restart,\n"
	       "                 check whether it runs, or only parse\n"
	       "    -N           one process in the foreground\n"
	       "    --foreground the parent stays in the foreground\n"
	       "    -z           make missing cache directories and exit\n"
	       "    -n NAME      name of this service: ${service_name}\n"
	       "    -d LEVEL     show messages up to this level on stderr too\n"
	       "    -s, -l FACILITY  send messages to syslog too\n"
	       "    -X           show everything there is to debug\n"
	       "    -v, --version    version\n"
	       "    -h, --help       this text\n"
	       "Taken for Squid's sake, without effect: -a PORT -u PORT -C -D -F -m -R -S -Y --kid "
	       "ID\n";
}
