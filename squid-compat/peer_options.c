/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of cache_peer: each a row of one table, which sets a flag, takes a number, or has a
 * handler. */
#include "squid-compat/peers_internal.h"

#include <string.h>

#include "lib/base/check.h"

enum { MAX_NUMBER = 1000000000 };

struct str peer_keep(struct reading_peer *reading, struct str text)
{
	return arena_str(reading->peers->arena_, text);
}

void peer_bad_value(struct reading_peer *reading)
{
	report_say(reading->report, REPORT_FATAL, "cache_peer %.*s: invalid '%.*s'",
		   STR_ARG(reading->peer->host), STR_ARG(reading->word));
}

bool peer_read_number(struct reading_peer *reading, unsigned min, unsigned max, unsigned *out)
{
	uint64_t number;

	if (!str_to_u64(reading->value, &number) || number < min || number > max) {
		peer_bad_value(reading);
		return false;
	}
	*out = (unsigned)number;
	return true;
}

/* ---- login= */

/* "%20" is a blank, "%%" a percent sign; any other % stays. NUL bytes do too. */
static struct str unescape(struct reading_peer *reading, struct str text)
{
	char *out = arena_alloc(reading->peers->arena_, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		struct str rest = str_from(text, i);
		int high = rest.len > 2 ? ascii_hex(rest.at[1]) : -1;
		int low = rest.len > 2 ? ascii_hex(rest.at[2]) : -1;

		out[n] = text.at[i];
		if (text.at[i] == '%' && rest.len > 1 && rest.at[1] == '%') {
			i++;
		} else if (text.at[i] == '%' && high >= 0 && low >= 0 && high + low > 0) {
			out[n] = (char)(high * 16 + low);
			i += 2;
		}
		n++;
	}
	out[n] = '\0';
	return (struct str){out, n};
}

static void leave_unused(struct reading_peer *reading, const char *what)
{
	reading->peer->is_unusable = true;
	report_say(reading->report, REPORT_IGNORED,
		   "cache_peer %.*s: %s is not yet done: the peer is not used",
		   STR_ARG(reading->peer->host), what);
}

static void take_login(struct reading_peer *reading)
{
	static const struct {
		struct str word;
		enum peer_login login;
	} words[] = {
		{STR("PASS"), PEER_LOGIN_PASS},
		{STR("PASSTHRU"), PEER_LOGIN_PASSTHRU},
		{STR("PROXYPASS"), PEER_LOGIN_PROXYPASS},
		{STR("NEGOTIATE"), PEER_LOGIN_NEGOTIATE},
	};
	struct peer *peer = reading->peer;
	struct str value = reading->value;

	peer->login = PEER_LOGIN_FIXED;
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(value, words[i].word))
			peer->login = words[i].login;
	if (str_starts_with(value, STR("NEGOTIATE:"))) {
		peer->login = PEER_LOGIN_NEGOTIATE;
		peer->login_text = peer_keep(reading, str_from(value, sizeof("NEGOTIATE:") - 1));
	} else if (value.len > 0 && value.at[0] == '*') {
		peer->login = PEER_LOGIN_USER;
		peer->login_text = unescape(reading, str_from(value, 1));
	} else if (peer->login == PEER_LOGIN_FIXED) {
		peer->login_text = unescape(reading, value);
	}
	if (peer->login == PEER_LOGIN_NEGOTIATE)
		leave_unused(reading, "login=NEGOTIATE");
}

/* ---- selection */

/* What only a parent may be asked by. */
static const unsigned parents_only =
	PEER_SELECT_CARP | PEER_SELECT_SOURCEHASH | PEER_SELECT_USERHASH;

static void add_select(struct reading_peer *reading, unsigned select)
{
	if ((select & parents_only) && reading->peer->type != PEER_PARENT)
		report_say(reading->report, REPORT_FATAL,
			   "non-parent cache_peer %.*s cannot have the option %.*s",
			   STR_ARG(reading->peer->host), STR_ARG(reading->word));
	else
		reading->peer->select |= select;
}

static void take_carp_key(struct reading_peer *reading)
{
	static const struct {
		struct str name;
		enum peer_carp_key key;
	} keys[] = {
		{STR("scheme"), PEER_CARP_SCHEME}, {STR("host"), PEER_CARP_HOST},
		{STR("port"), PEER_CARP_PORT},     {STR("path"), PEER_CARP_PATH},
		{STR("params"), PEER_CARP_PARAMS},
	};
	struct str rest = reading->value, part;

	if (!(reading->peer->select & PEER_SELECT_CARP)) {
		report_say(reading->report, REPORT_FATAL,
			   "carp-key specified on non-carp peer %.*s",
			   STR_ARG(reading->peer->host));
		return;
	}
	while (str_split(&rest, ',', &part)) {
		size_t i = 0;

		while (i < COUNT(keys) && !str_eq(part, keys[i].name))
			i++;
		if (i == COUNT(keys)) {
			report_say(reading->report, REPORT_FATAL, "invalid carp-key '%.*s'",
				   STR_ARG(part));
			return;
		}
		reading->peer->carp_key |= keys[i].key;
	}
}

static void take_weight(struct reading_peer *reading)
{
	if (peer_read_number(reading, 0, MAX_NUMBER, &reading->peer->weight) &&
	    reading->peer->weight == 0)
		reading->peer->weight = 1;
}

/* ---- the rest */

static void take_name(struct reading_peer *reading)
{
	if (reading->value.len == 0)
		peer_bad_value(reading);
	else
		reading->peer->name = peer_keep(reading, reading->value);
}

static void take_forceddomain(struct reading_peer *reading)
{
	if (reading->value.len > 0)
		reading->peer->forceddomain = peer_keep(reading, reading->value);
}

static void take_connect_fail_limit(struct reading_peer *reading)
{
	if (peer_read_number(reading, 0, MAX_NUMBER, &reading->peer->connect_fail_limit) &&
	    reading->peer->connect_fail_limit == 0)
		reading->peer->connect_fail_limit = PEER_CONNECT_FAIL_LIMIT;
}

static void take_front_end_https(struct reading_peer *reading)
{
	if (!reading->has_value || str_eq(reading->value, STR("on")))
		reading->peer->front_end_https = PEER_FRONT_END_ON;
	else if (str_eq(reading->value, STR("auto")))
		reading->peer->front_end_https = PEER_FRONT_END_AUTO;
	else
		peer_bad_value(reading);
}

static void take_connection_auth(struct reading_peer *reading)
{
	static const struct {
		struct str word;
		enum peer_switch value;
	} words[] = {{STR("on"), PEER_ON}, {STR("off"), PEER_OFF}, {STR("auto"), PEER_AUTO}};

	if (!reading->has_value) {
		reading->peer->connection_auth = PEER_ON;
		return;
	}
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(reading->value, words[i].word)) {
			reading->peer->connection_auth = words[i].value;
			return;
		}
	peer_bad_value(reading);
}

static void take_proxy_protocol(struct reading_peer *reading)
{
	if (str_eq(reading->value, STR("v1")))
		reading->peer->proxy_protocol = 1;
	else if (str_eq(reading->value, STR("v2")))
		reading->peer->proxy_protocol = 2;
	else
		peer_bad_value(reading);
}

static bool is_cookie_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] > '~' ||
		    strchr("()<>@,;:\\\"/[]?={}", name.at[i]))
			return false;
	return name.len > 0;
}

static void take_sticky(struct reading_peer *reading)
{
	if (is_cookie_name(reading->value))
		reading->peer->sticky = peer_keep(reading, reading->value);
	else
		peer_bad_value(reading);
}

static void take_seconds(struct reading_peer *reading, int64_t *out_ms)
{
	unsigned seconds;

	if (peer_read_number(reading, 0, MAX_NUMBER, &seconds))
		*out_ms = (int64_t)seconds * 1000;
}

static void take_connect_timeout(struct reading_peer *reading)
{
	take_seconds(reading, &reading->peer->connect_timeout_ms);
}

static void take_slow_start(struct reading_peer *reading)
{
	take_seconds(reading, &reading->peer->slow_start_ms);
}

static void take_queue_timeout(struct reading_peer *reading)
{
	take_seconds(reading, &reading->peer->queue_timeout_ms);
}

static void take_tls(struct reading_peer *reading)
{
	reading->peer->is_tls = true;
}

static void take_tls_disable(struct reading_peer *reading)
{
	reading->is_tls_off = true;
}

/* For proxies that ask each other, or pools of theirs. */
static void take_nothing(struct reading_peer *reading)
{
	report_say(reading->report, REPORT_HARMLESS, "cache_peer %.*s: %.*s has no effect here",
		   STR_ARG(reading->peer->host), STR_ARG(reading->name));
}

enum value_rule {
	VALUE_NONE,
	VALUE_MUST,
	VALUE_MAY,
};

#define FLAG(member) .flag = offsetof(struct peer, member)
#define NUMBER(member) .value = VALUE_MUST, .number = offsetof(struct peer, member)
#define SELECT(bit) .select = (bit)
#define NO_EFFECT .take = take_nothing
#define TAKES(function) .value = VALUE_MUST, .take = (function)

/* A row has a handler, a way of selection, a bool to set or an unsigned to fill. */
static const struct peer_option {
	const char *name;
	void (*take)(struct reading_peer *reading);
	size_t flag, number; /* offsets; 0: none */
	enum value_rule value;
	unsigned select;
} options[] = {
	{"originserver", FLAG(is_originserver)},
	{"name", TAKES(take_name)},
	{"login", TAKES(take_login)},
	{"auth-no-keytab", NO_EFFECT},
	{"forceddomain", TAKES(take_forceddomain)},
	{"weight", TAKES(take_weight)},
	{"basetime", NUMBER(basetime_ms)},
	{"default", SELECT(PEER_SELECT_DEFAULT)},
	{"round-robin", SELECT(PEER_SELECT_ROUND_ROBIN)},
	{"weighted-round-robin", SELECT(PEER_SELECT_WEIGHTED)},
	{"carp", SELECT(PEER_SELECT_CARP)},
	{"carp-key", TAKES(take_carp_key)},
	{"sourcehash", SELECT(PEER_SELECT_SOURCEHASH)},
	{"userhash", SELECT(PEER_SELECT_USERHASH)},
	{"least-conn", SELECT(PEER_SELECT_LEAST_CONN)},
	{"peak-ewma", SELECT(PEER_SELECT_PEAK_EWMA)},
	{"backup", FLAG(is_backup)},
	{"sticky", TAKES(take_sticky)},
	{"slow-start", TAKES(take_slow_start)},
	{"max-conn", NUMBER(max_conn)},
	{"max-conn-queue", NUMBER(max_queue)},
	{"max-conn-queue-timeout", TAKES(take_queue_timeout)},
	{"standby", NUMBER(standby)},
	{"connect-timeout", TAKES(take_connect_timeout)},
	{"connect-fail-limit", TAKES(take_connect_fail_limit)},
	{"proxy-only", FLAG(is_proxy_only)},
	{"proxy-protocol", TAKES(take_proxy_protocol)},
	{"no-query", FLAG(is_no_query)},
	{"no-digest", FLAG(is_no_digest)},
	{"digest-url", TAKES(take_nothing)},
	{"no-netdb-exchange", NO_EFFECT},
	{"no-delay", FLAG(is_no_delay)},
	{"no-tproxy", NO_EFFECT},
	{"closest-only", NO_EFFECT},
	{"background-ping", NO_EFFECT},
	{"multicast-responder", NO_EFFECT},
	{"multicast-siblings", NO_EFFECT},
	{"ttl", TAKES(take_nothing)},
	{"htcp", .value = VALUE_MAY, NO_EFFECT},
	{"htcp-oldsquid", NO_EFFECT},
	{"allow-miss", FLAG(may_miss)},
	{"front-end-https", .value = VALUE_MAY, .take = take_front_end_https},
	{"connection-auth", .value = VALUE_MAY, .take = take_connection_auth},
	{"tls", .take = take_tls},
	{"ssl", .take = take_tls},
	{"tls-disable", .take = take_tls_disable},
};

static const struct peer_option *find_option(struct str name, bool has_value)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (str_eq(name, str_of(options[i].name)) &&
		    (options[i].value == VALUE_MAY ||
		     has_value == (options[i].value == VALUE_MUST)))
			return &options[i];
	return NULL;
}

static void apply(struct reading_peer *reading, const struct peer_option *option)
{
	char *peer = (char *)reading->peer;

	if (option->take)
		option->take(reading);
	else if (option->select)
		add_select(reading, option->select);
	else if (option->number)
		peer_read_number(reading, 0, MAX_NUMBER,
		                 (unsigned *)(void *)(peer + option->number));
	else
		*(bool *)(peer + option->flag) = true;
}

void peer_read_option(struct reading_peer *reading, struct str word)
{
	size_t equals = str_find_char(word, '=');
	const struct peer_option *option;

	reading->word = word;
	reading->name = str_first(word, equals);
	reading->value = str_from(word, equals + 1);
	reading->has_value = equals < word.len;
	option = find_option(reading->name, reading->has_value);
	if (option)
		apply(reading, option);
	else if (!peer_read_check_option(reading) &&
		 tls_options_take(&reading->peer->tls.options, TLS_LINE_PEER, word, "cache_peer",
				  reading->peers->arena_, reading->report) == TLS_OPTION_UNKNOWN)
		report_say(reading->report, REPORT_ERROR,
			   "Ignoring unknown cache_peer option '%.*s'", STR_ARG(word));
}
