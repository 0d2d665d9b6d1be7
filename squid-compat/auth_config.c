/* SPDX-License-Identifier: BSD-2-Clause */
/* auth_param: a table of schemes, and one of their parameters. */
#include "squid-compat/auth_config.h"

#include <limits.h>

#include "lib/base/check.h"
#include "squid-compat/helper_config_internal.h"
#include "squid-compat/values.h"

static const struct {
	const char *name;
	const char *program; /* as Squid calls it in messages */
	const char *pool;    /* likewise, its children */
	bool needs_realm;
} kinds[AUTH_KINDS] = {
	[AUTH_BASIC] = {"basic", "auth_param basic program", "basicauthenticator", false},
	[AUTH_DIGEST] = {"digest", "auth_param digest program", "digestauthenticator", true},
	[AUTH_NTLM] = {"ntlm", "auth_param ntlm program", "ntlmauthenticator", false},
	[AUTH_NEGOTIATE] = {"negotiate", "auth_param negotiate program", "negotiateauthenticator",
			    false},
	[AUTH_BEARER] = {"bearer", "auth_param bearer program", "bearerauthenticator", false},
};

struct reading_auth {
	struct auth_config *config;
	struct auth_scheme *scheme;
	const struct words *words;
	struct report *report;
};

enum { VALUE_WORD = 3 }; /* auth_param SCHEME PARAMETER VALUE */

static void take_program(struct reading_auth *reading, void *slot)
{
	(void)slot;
	helper_read_command(&reading->scheme->command, reading->words, VALUE_WORD,
			    reading->config->arena_, reading->report);
}

static void take_children(struct reading_auth *reading, void *slot)
{
	(void)slot;
	helper_read_children(&reading->scheme->children, reading->words, VALUE_WORD,
			     reading->report);
	if (reading->scheme->children.on_error == HELPER_ON_ERROR_BYPASS)
		report_say(reading->report, REPORT_ERROR,
			   "on-error=bypass would let everybody in: deny, 503 or stale:SECONDS");
}

static void take_realm(struct reading_auth *reading, void *slot)
{
	struct str text = helper_quoted_or_rest(reading->words, VALUE_WORD);

	(void)slot;
	if (text.len == 0)
		report_say(reading->report, REPORT_FATAL, "auth_param: the realm is missing");
	else if (reading->scheme->kind == AUTH_DIGEST && memchr(text.at, '"', text.len))
		report_say(reading->report, REPORT_FATAL,
			   "auth_param digest: no helper could be told a realm with quotes in it");
	else
		reading->scheme->realm = arena_str(reading->config->arena_, text);
}

static void take_key_extras(struct reading_auth *reading, void *slot)
{
	(void)slot;
	reading->scheme->key_extras = helper_read_extras(reading->words, VALUE_WORD,
							 reading->config->arena_,
							 reading->report);
}

static void take_flag(struct reading_auth *reading, void *slot)
{
	size_t i = VALUE_WORD;

	value_on_off(reading->words, &i, reading->report, slot);
}

static void take_time(struct reading_auth *reading, void *slot)
{
	size_t i = VALUE_WORD;
	int64_t ms;

	if (value_time_ms(reading->words, &i, reading->report, &ms))
		*(int64_t *)slot = ms / 1000;
}

static void take_count(struct reading_auth *reading, void *slot)
{
	size_t i = VALUE_WORD;
	int64_t number;

	if (value_int(reading->words, &i, reading->report, 0, INT_MAX, &number))
		*(unsigned *)slot = (unsigned)number;
}

/* Ours: auth_param digest algorithms NAME... */
static void take_algorithms(struct reading_auth *reading, void *slot)
{
	struct auth_scheme *scheme = reading->scheme;

	(void)slot;
	scheme->has_md5 = scheme->has_sha256 = false;
	for (size_t i = VALUE_WORD; i < reading->words->n; i++) {
		struct str name = words_text(reading->words, i);

		if (str_eq_nocase(name, STR("MD5")))
			scheme->has_md5 = true;
		else if (str_eq_nocase(name, STR("SHA-256")))
			scheme->has_sha256 = true;
		else
			report_say(reading->report, REPORT_FATAL,
				   "auth_param digest algorithms: '%.*s' is neither MD5 nor SHA-256",
				   STR_ARG(name));
	}
	if (!scheme->has_md5 && !scheme->has_sha256)
		scheme->has_md5 = true;
}

enum {
	FOR_BASIC = 1 << AUTH_BASIC,
	FOR_DIGEST = 1 << AUTH_DIGEST,
	FOR_TOKENS = 1 << AUTH_NTLM | 1 << AUTH_NEGOTIATE,
	FOR_BEARER = 1 << AUTH_BEARER,
	FOR_ALL = FOR_BASIC | FOR_DIGEST | FOR_TOKENS | FOR_BEARER,
};

#define SLOT(member) offsetof(struct auth_scheme, member)

static const struct auth_parameter {
	const char *name;
	unsigned schemes; /* FOR_... */
	void (*take)(struct reading_auth *reading, void *slot);
	size_t slot; /* in struct auth_scheme, for the general handlers */
} parameters[] = {
	{"program", FOR_ALL, take_program, 0},
	{"children", FOR_ALL, take_children, 0},
	{"key_extras", FOR_ALL, take_key_extras, 0},
	{"keep_alive", FOR_ALL, take_flag, SLOT(keep_alive)},
	{"realm", FOR_ALL, take_realm, 0},
	{"utf8", FOR_BASIC | FOR_DIGEST, take_flag, SLOT(is_utf8)},
	{"credentialsttl", FOR_BASIC | FOR_BEARER, take_time, SLOT(credentials_ttl_s)},
	{"casesensitive", FOR_BASIC, take_flag, SLOT(is_case_sensitive)},
	{"nonce_garbage_interval", FOR_DIGEST, take_time, SLOT(nonce_garbage_interval_s)},
	{"nonce_max_duration", FOR_DIGEST, take_time, SLOT(nonce_max_duration_s)},
	{"nonce_max_count", FOR_DIGEST, take_count, SLOT(nonce_max_count)},
	{"nonce_strictness", FOR_DIGEST, take_flag, SLOT(is_nonce_strict)},
	{"check_nonce_count", FOR_DIGEST, take_flag, SLOT(checks_nonce_count)},
	{"algorithms", FOR_DIGEST, take_algorithms, 0},
	{"post_workaround", FOR_DIGEST, take_flag, SLOT(has_post_workaround)},
};

static const struct auth_parameter *find_parameter(struct str name, enum auth_kind kind)
{
	for (size_t i = 0; i < COUNT(parameters); i++)
		if (str_eq(name, str_of(parameters[i].name)) &&
		    (parameters[i].schemes >> kind & 1))
			return &parameters[i];
	return NULL;
}

const char *auth_kind_pool_name(enum auth_kind kind)
{
	check((unsigned)kind < AUTH_KINDS);
	return kinds[kind].pool;
}

bool auth_kind_find(struct str name, enum auth_kind *out)
{
	for (unsigned i = 0; i < AUTH_KINDS; i++)
		if (str_eq_nocase(name, str_of(kinds[i].name))) {
			*out = (enum auth_kind)i;
			return true;
		}
	return false;
}

void auth_config_init(struct auth_config *config, struct arena *arena, const struct world *world)
{
	*config = (struct auth_config){.arena_ = arena, .world_ = world};
	for (unsigned i = 0; i < AUTH_KINDS; i++) {
		struct auth_scheme *scheme = &config->schemes[i];

		scheme->kind = (enum auth_kind)i;
		scheme->keep_alive = true;
		scheme->credentials_ttl_s = 2 * 3600;
		scheme->nonce_garbage_interval_s = 5 * 60;
		scheme->nonce_max_duration_s = 30 * 60;
		scheme->nonce_max_count = 50;
		scheme->checks_nonce_count = true;
		scheme->has_md5 = true;
		helper_children_init(&scheme->children);
	}
	config->schemes[AUTH_BEARER].credentials_ttl_s = 60;
	config->schemes[AUTH_BASIC].realm = STR("Squid proxy-caching web server");
}

static struct auth_scheme *find_scheme(struct auth_config *config, struct str name)
{
	enum auth_kind kind;

	return auth_kind_find(name, &kind) ? &config->schemes[kind] : NULL;
}

static void mention(struct auth_config *config, struct auth_scheme *scheme)
{
	if (scheme->is_mentioned)
		return;
	scheme->is_mentioned = true;
	scheme->order = config->nmentioned++;
}

void auth_parse(struct auth_config *config, const struct words *words, struct report *report)
{
	struct reading_auth reading = {.config = config, .words = words, .report = report};
	const struct auth_parameter *parameter;

	reading.scheme = find_scheme(config, words_text(words, 1));
	if (words->n < 3 || !reading.scheme) {
		report_say(report, REPORT_FATAL, "Unknown authentication scheme '%.*s'.",
			   STR_ARG(words_text(words, 1)));
		return;
	}
	mention(config, reading.scheme);
	parameter = find_parameter(words_text(words, 2), reading.scheme->kind);
	if (!parameter)
		report_say(report, REPORT_ERROR, "unrecognised %s auth scheme parameter '%.*s'",
			   kinds[reading.scheme->kind].name, STR_ARG(words_text(words, 2)));
	else
		parameter->take(&reading, (char *)reading.scheme + parameter->slot);
}

bool auth_is_usable(const struct auth_scheme *scheme)
{
	return scheme->command.argc > 0 &&
	       (!kinds[scheme->kind].needs_realm || scheme->realm.len > 0);
}

void auth_check(const struct auth_config *config, struct report *report)
{
	for (unsigned i = 0; i < AUTH_KINDS; i++) {
		const struct auth_scheme *scheme = &config->schemes[i];

		helper_check_command(&scheme->command, kinds[i].program, config->world_,
				     config->arena_, report);
		if (scheme->command.argc > 0 && !auth_is_usable(scheme))
			report_say(report, REPORT_ERROR,
				   "auth_param %s has no realm: it is not offered", kinds[i].name);
		if ((1u << i & FOR_TOKENS) && scheme->children.concurrency > 0)
			report_say(report, REPORT_WARNING,
				   "auth_param %s children: concurrency= is not for this scheme",
				   kinds[i].name);
	}
}
