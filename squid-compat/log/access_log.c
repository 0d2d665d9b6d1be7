/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/log/access_log.h"

#include <syslog.h>

#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/values.h"

enum {
	BUFFER_BYTES = 65536, /* Squid's default of buffer-size */
	MAX_ROTATE = 10000,
};

static const struct str modules[ACCESS_LOG_MODULES] = {
	[ACCESS_LOG_STDIO] = STR("stdio:"), [ACCESS_LOG_DAEMON] = STR("daemon:"),
	[ACCESS_LOG_SYSLOG] = STR("syslog:"), [ACCESS_LOG_UDP] = STR("udp:"),
	[ACCESS_LOG_TCP] = STR("tcp:"), [ACCESS_LOG_NONE] = STR("none:"),
};

struct reading_log {
	struct access_logs *logs;
	struct access_log *log;
	struct report *report;
	struct str value;
};

/* ---- MODULE:PLACE */

static void check_host_and_port(struct reading_log *reading)
{
	struct str place = reading->log->place;
	size_t colon = place.len;
	uint64_t port;

	while (colon > 0 && place.at[colon - 1] != ':')
		colon--;
	if (colon < 2 || !str_to_u64(str_from(place, colon), &port) || port == 0 || port > 65535)
		report_say(reading->report, REPORT_FATAL, "%s: no HOST:PORT: '%.*s'",
			   reading->logs->directive, STR_ARG(place));
}

static const struct {
	const char *name;
	int priority;
} syslog_words[] = {
	{"authpriv", LOG_AUTHPRIV}, {"daemon", LOG_DAEMON}, {"local0", LOG_LOCAL0},
	{"local1", LOG_LOCAL1},     {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
	{"local4", LOG_LOCAL4},     {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
	{"local7", LOG_LOCAL7},     {"user", LOG_USER},     {"err", LOG_ERR},
	{"warning", LOG_WARNING},   {"notice", LOG_NOTICE}, {"info", LOG_INFO},
	{"debug", LOG_DEBUG},
};

static int syslog_word(struct reading_log *reading, struct str word)
{
	for (size_t i = 0; i < COUNT(syslog_words); i++)
		if (str_eq_nocase(word, str_of(syslog_words[i].name)))
			return syslog_words[i].priority;
	if (word.len > 0)
		report_say(reading->report, REPORT_WARNING,
			   "Unknown syslog facility/priority '%.*s'", STR_ARG(word));
	return 0;
}

/* facility.priority or facility|priority, each of which may be missing. */
static void read_priority(struct reading_log *reading)
{
	struct str place = reading->log->place;
	size_t cut = 0;

	while (cut < place.len && place.at[cut] != '.' && place.at[cut] != '|')
		cut++;
	reading->log->priority = syslog_word(reading, str_first(place, cut)) |
				 syslog_word(reading, str_from(place, cut + 1));
	if ((reading->log->priority & LOG_PRIMASK) == 0)
		reading->log->priority |= LOG_INFO;
	if ((reading->log->priority & LOG_FACMASK) == 0)
		reading->log->priority |= LOG_USER;
}

static void read_place(struct reading_log *reading, struct str word)
{
	struct access_log *log = reading->log;

	log->module = ACCESS_LOG_STDIO;
	for (unsigned i = 0; i < ACCESS_LOG_NONE; i++)
		if (str_starts_with(word, modules[i])) {
			log->module = (enum access_log_module)i;
			word = str_from(word, modules[i].len);
			break;
		}
	if (log->module == ACCESS_LOG_UDP || log->module == ACCESS_LOG_TCP)
		word = str_starts_with(word, STR("//")) ? str_from(word, 2) : word;
	log->place = arena_str(reading->logs->arena_, word);
	if (word.len == 0 && log->module != ACCESS_LOG_SYSLOG)
		report_say(reading->report, REPORT_FATAL, "%s %.*s needs a place",
			   reading->logs->directive, STR_ARG(modules[log->module]));
	else if (log->module == ACCESS_LOG_SYSLOG)
		read_priority(reading);
	else if (log->module == ACCESS_LOG_UDP || log->module == ACCESS_LOG_TCP)
		check_host_and_port(reading);
}

/* ---- options */

static void take_logformat(struct reading_log *reading)
{
	reading->log->names_format = true;
	reading->log->format = logformats_find(reading->logs->formats_, reading->value);
	if (!reading->log->format)
		report_say(reading->report, REPORT_FATAL, "Log format '%.*s' is not defined",
			   STR_ARG(reading->value));
}

static void take_buffer_size(struct reading_log *reading)
{
	struct str value = reading->value;
	size_t ndigits = 0;
	int64_t bytes;

	while (ndigits < value.len && value.at[ndigits] >= '0' && value.at[ndigits] <= '9')
		ndigits++;
	if (!value_size_text(str_first(value, ndigits),
			     ndigits == value.len ? STR("bytes") : str_from(value, ndigits),
			     &bytes) ||
	    bytes < 0)
		report_say(reading->report, REPORT_FATAL, "%s: bad buffer-size '%.*s'",
			   reading->logs->directive, STR_ARG(value));
	else
		reading->log->buffer_bytes = (size_t)bytes;
}

static void take_on_error(struct reading_log *reading)
{
	reading->log->drops_on_error = str_eq(reading->value, STR("drop"));
	if (!reading->log->drops_on_error && !str_eq(reading->value, STR("die")))
		report_say(reading->report, REPORT_FATAL,
			   "Unknown value for on-error '%.*s', expected 'drop' or 'die'",
			   STR_ARG(reading->value));
}

static void take_rotate(struct reading_log *reading)
{
	uint64_t count;

	if (!str_to_u64(reading->value, &count) || count > MAX_ROTATE)
		report_say(reading->report, REPORT_FATAL, "%s: bad rotate '%.*s'",
			   reading->logs->directive, STR_ARG(reading->value));
	else
		reading->log->rotate = (int)count;
}

static const struct {
	const char *name;
	void (*take)(struct reading_log *reading);
} options[] = {
	{"logformat", take_logformat},
	{"buffer-size", take_buffer_size},
	{"on-error", take_on_error},
	{"rotate", take_rotate},
};

static void read_option(struct reading_log *reading, struct str word)
{
	size_t equals = str_find_char(word, '=');

	reading->value = str_from(word, equals + 1);
	for (size_t i = 0; i < COUNT(options); i++)
		if (str_eq(str_first(word, equals), str_of(options[i].name))) {
			options[i].take(reading);
			return;
		}
	report_say(reading->report, REPORT_FATAL, "Unknown %s option '%.*s'",
		   reading->logs->directive, STR_ARG(word));
}

/* Reads what stands between the place and the ACLs; returns where these begin. */
static size_t read_options(struct reading_log *reading, const struct words *words)
{
	struct str word = words_text(words, 2);
	size_t i = 2;

	if (words->n > 2 && str_find_char(word, '=') == word.len) {
		/* The old form; a word that names no format is an ACL already. */
		reading->value = word;
		if (!logformats_find(reading->logs->formats_, word))
			return 2;
		take_logformat(reading);
		return 3;
	}
	for (; i < words->n; i++) {
		word = words_text(words, i);
		if (str_find_char(word, '=') == word.len)
			break;
		read_option(reading, word);
	}
	return i;
}

/* ---- the line */

void access_logs_init(struct access_logs *logs, const char *directive, struct arena *arena,
		      const struct logformats *formats, struct acl_set *acls)
{
	*logs = (struct access_logs){
		.directive = directive,
		.last_ = &logs->first,
		.arena_ = arena,
		.formats_ = formats,
		.acls_ = acls,
	};
}

void access_logs_fini(struct access_logs *logs)
{
	for (struct access_log *log = logs->first; log; log = log->next) {
		acl_condition_destroy(log->condition);
		log->condition = NULL;
	}
}

static struct access_log *add(struct access_logs *logs)
{
	struct access_log *log = arena_zalloc(logs->arena_, sizeof(*log));

	log->buffer_bytes = BUFFER_BYTES;
	log->rotate = -1;
	log->format = logformats_find(logs->formats_, STR("squid"));
	*logs->last_ = log;
	logs->last_ = &log->next;
	logs->n++;
	return log;
}

void access_logs_parse(struct access_logs *logs, const struct words *words, struct report *report)
{
	struct reading_log reading = {.logs = logs, .report = report};
	size_t first_acl = 2;

	if (words->n < 2) {
		report_say(report, REPORT_FATAL, "access_log needs a place");
		return;
	}
	reading.log = add(logs);
	if (str_eq(words_text(words, 1), STR("none"))) {
		reading.log->module = ACCESS_LOG_NONE;
		reading.log->format = NULL;
	} else {
		read_place(&reading, words_text(words, 1));
		first_acl = read_options(&reading, words);
	}
	if (first_acl < words->n)
		reading.log->condition =
			acl_condition_create(logs->acls_, words, first_acl, report);
}

void access_logs_parse_keys(struct access_logs *logs, const struct words *words,
			    struct report *report)
{
	struct reading_log reading = {.logs = logs, .report = report};
	size_t first = 2;

	if (words->n < 2 || logs->n > 0) {
		report_say(report, REPORT_FATAL, "tls_key_log %s",
			   logs->n > 0 ? "may be given once" : "needs a place");
		return;
	}
	reading.log = add(logs);
	read_place(&reading, words_text(words, 1));
	while (first < words->n && !str_eq(words_text(words, first), STR("if")))
		read_option(&reading, words_text(words, first++));
	if (reading.log->names_format)
		report_say(report, REPORT_FATAL, "tls_key_log has no logformat");
	if (first < words->n)
		reading.log->condition =
			acl_condition_create(logs->acls_, words, first + 1, report);
}

void access_logs_emulate_httpd(struct access_logs *logs)
{
	for (struct access_log *log = logs->first; log; log = log->next)
		if (log->format && !log->names_format)
			log->format = logformats_find(logs->formats_, STR("common"));
}

void access_logs_add_default(struct access_logs *logs, struct str path)
{
	struct access_log *log = add(logs);

	log->module = ACCESS_LOG_DAEMON;
	log->place = arena_str(logs->arena_, path);
}
