/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines that say with old words what others say today. Each is cut at blanks, as it is written, and
 * put together again. */
#include <arpa/inet.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/explain/explain_upgrade_internal.h"
#include "squid-compat/tls/tls_options.h"

enum { MAX_REST_BYTES = 1 << 20 };

/* A line being put together. */
struct making {
	struct upgrading *upgrading;
	struct buf line;
	bool is_changed;
};

static void begin(struct making *making, struct upgrading *upgrading)
{
	const char *name = upgrading->line->directive->name;

	*making = (struct making){.upgrading = upgrading};
	buf_init(&making->line, MAX_REST_BYTES);
	/* https_port has a row of its own; an alias has its directive's name today */
	making->is_changed = !str_eq(explain_word(upgrading->line, 0), str_of(name));
	buf_add_str(&making->line, str_of(name));
}

static void put(struct making *making, struct str word)
{
	buf_add_char(&making->line, ' ');
	buf_add_str(&making->line, word);
}

static void put_new(struct making *making, const char *name, struct str value)
{
	put(making, str_of(name));
	buf_add_str(&making->line, value);
	making->is_changed = true;
}

static bool finish(struct making *making)
{
	bool is_changed = making->is_changed && !making->line.is_full;

	if (is_changed) {
		buf_add_str(making->upgrading->out, buf_str(&making->line));
		buf_add_char(making->upgrading->out, '\n');
	}
	buf_fini(&making->line);
	return is_changed;
}

/* Is there a remark on the line with 'word' in it that has that phrase? */
static bool is_said_of(const struct explain_line *line, const char *phrase, struct str word)
{
	char *quoted = mem_printf("'%.*s'", STR_ARG(word));
	bool is_said = false;

	for (const struct explain_remark *remark = line->remarks; remark; remark = remark->next)
		is_said |= strstr(remark->text, phrase) && strstr(remark->text, quoted);
	mem_free(quoted);
	return is_said;
}

/* ---- TLS options of ports and peers */

/* options=A,B: without names that say nothing to OpenSSL any more. */
static void put_ops(struct making *making, struct str name, struct str value)
{
	struct str rest = value, op;
	struct buf ops;

	buf_init(&ops, MAX_REST_BYTES);
	while (tls_options_next_name(&rest, &op)) {
		if (op.len == 0 || !tls_op_is_known(op))
			continue;
		if (ops.len > 0)
			buf_add_char(&ops, ',');
		buf_add_str(&ops, op);
	}
	if (ops.len > 0)
		buf_printf(&making->line, " %.*s=%.*s", STR_ARG(name), STR_ARG(buf_str(&ops)));
	making->is_changed |= !str_eq(buf_str(&ops), value);
	buf_fini(&ops);
}

/* version=N: 1 is any, 2 and 3 are SSL, 4 to 6 are TLS 1.0 to 1.2 alone. */
static void put_version(struct making *making, struct str value)
{
	static const char *const only[] = {
		"NO_TLSv1_1,NO_TLSv1_2,NO_TLSv1_3",
		"NO_TLSv1,NO_TLSv1_2,NO_TLSv1_3",
		"NO_TLSv1,NO_TLSv1_1,NO_TLSv1_3",
	};
	uint64_t version;

	making->is_changed = true;
	if (str_to_u64(value, &version) && version >= 4 && version < 4 + COUNT(only))
		put_new(making, "options=", str_of(only[version - 4]));
}

enum tls_change {
	RENAMED,
	OPS,
	VERSION,
	FLAGS,
	DROPPED,
};

struct tls_word {
	const char *old, *new;
	enum tls_change change;
};

/* Takes the option if the table has it. */
static bool put_tls(struct making *making, struct str word, const struct tls_word *rows, size_t n)
{
	size_t equals = str_find_char(word, '=');
	struct str name = str_first(word, equals), value = str_from(word, equals + 1);

	for (size_t i = 0; i < n; i++) {
		if (!str_eq(name, str_of(rows[i].old)))
			continue;
		if (rows[i].change == VERSION)
			put_version(making, value);
		else if (rows[i].change == FLAGS && str_eq(value, STR("NO_DEFAULT_CA")))
			put_new(making, "tls-default-ca=off", STR_NONE);
		else if (rows[i].change == OPS)
			put_ops(making, str_of(rows[i].new), value);
		else if (rows[i].change != DROPPED)
			buf_printf(&making->line, " %s%.*s", rows[i].new,
				   STR_ARG(str_from(word, equals)));
		making->is_changed |= strcmp(rows[i].old, rows[i].new) != 0;
		return true;
	}
	return false;
}

/* ---- http_port, https_port */

struct port_words {
	bool is_accel, has_vhost, is_old;
	bool is_ours; /* unix: */
};

/* What the line makes of the port, word by word, as ports.c reads it. */
static struct port_words read_port(const struct explain_line *line)
{
	struct port_words port = {.is_ours = str_starts_with(explain_word(line, 1), STR("unix:"))};

	for (size_t i = 2; i < line->nwords; i++) {
		struct str word = explain_word(line, i);
		bool is_accel = str_eq(word, STR("accel")), is_vhost = str_eq(word, STR("vhost"));
		bool is_site = str_starts_with(word, STR("defaultsite=")) ||
			       str_eq(word, STR("vport")) || str_starts_with(word, STR("vport="));

		port.is_old |= is_vhost || (is_site && !port.is_accel);
		if (is_accel || is_vhost)
			port.has_vhost = true;
		if (str_eq(word, STR("no-vhost")))
			port.has_vhost = false;
		port.is_accel |= is_accel || is_vhost || is_site;
	}
	return port;
}

static void put_port_word(struct making *making, struct str word, bool is_old)
{
	static const struct tls_word tls[] = {
		{"cert", "tls-cert", RENAMED},        {"key", "tls-key", RENAMED},
		{"cafile", "tls-cafile", RENAMED},    {"dhparams", "tls-dh", RENAMED},
		{"options", "options", OPS},          {"tls-options", "tls-options", OPS},
		{"version", "", VERSION},             {"sslflags", "sslflags", FLAGS},
		{"no-http2", "", DROPPED},            {"h2c", "", DROPPED},
		{"tls-cert-dir", "", DROPPED},        {"tls-ocsp", "", DROPPED},
	};

	if (is_old && (str_eq(word, STR("accel")) || str_eq(word, STR("vhost")) ||
		       str_eq(word, STR("no-vhost"))))
		return;
	if (!put_tls(making, word, tls, COUNT(tls)))
		put(making, word);
}

bool upgrade_port(struct upgrading *upgrading)
{
	const struct explain_line *line = upgrading->line;
	struct port_words port = read_port(line);
	struct making making;

	if (port.is_ours) {
		upgrading->why = "Squid does not listen on sockets of the file system";
		return true;
	}
	begin(&making, upgrading);
	put(&making, explain_word(line, 1));
	if (port.is_old)
		put_new(&making, "accel", STR_NONE);
	for (size_t i = 2; i < line->nwords; i++)
		put_port_word(&making, explain_word(line, i), port.is_old);
	if (port.is_old && !port.has_vhost)
		put_new(&making, "no-vhost", STR_NONE);
	if (!port.is_accel)
		making.is_changed |= upgrade_accel_options(upgrading->explanation, &making.line);
	return finish(&making);
}

/* ---- cache_peer */

/* Squid 7 ignores what it does not know, with an error. */
static bool is_squids_peer_option(struct str word)
{
	static const char *const names[] = {
		"allow-miss",     "auth-no-keytab",      "background-ping",
		"basetime",       "carp",                "carp-key",
		"closest-only",   "connect-fail-limit",  "connect-timeout",
		"connection-auth", "default",            "digest-url",
		"forceddomain",   "front-end-https",     "htcp",
		"htcp-oldsquid",  "login",               "max-conn",
		"multicast-responder", "multicast-siblings", "name",
		"no-delay",       "no-digest",           "no-netdb-exchange",
		"no-query",       "no-tproxy",           "originserver",
		"proxy-only",     "round-robin",         "sourcehash",
		"standby",        "ttl",                 "userhash",
		"weight",         "weighted-round-robin",
	};
	struct str name = str_first(word, str_find_char(word, '='));

	if (str_starts_with(name, STR("tls")) || str_starts_with(name, STR("ssl")))
		return true;
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(name, str_of(names[i])))
			return true;
	return false;
}

bool upgrade_peer(struct upgrading *upgrading)
{
	static const struct tls_word tls[] = {
		{"ssl", "tls", RENAMED},
		{"sslcert", "tls-cert", RENAMED},
		{"sslkey", "tls-key", RENAMED},
		{"sslcafile", "tls-cafile", RENAMED},
		{"sslcapath", "tls-capath", RENAMED},
		{"sslcrlfile", "tls-crlfile", RENAMED},
		{"sslcipher", "tls-cipher", RENAMED},
		{"ssldomain", "tls-domain", RENAMED},
		{"ssloptions", "tls-options", OPS},
		{"sslversion", "", VERSION},
		{"tls-version", "", VERSION},
	};
	const struct explain_line *line = upgrading->line;
	struct making making;

	if (str_starts_with(explain_word(line, 1), STR("unix:"))) {
		upgrading->why = "Squid has no peers behind sockets of the file system";
		return true;
	}
	begin(&making, upgrading);
	for (size_t i = 1; i < line->nwords; i++) {
		struct str word = explain_word(line, i);

		if (i > 4 && !is_squids_peer_option(word))
			making.is_changed = true;
		else if (!put_tls(&making, word, tls, COUNT(tls)))
			put(&making, word);
	}
	return finish(&making);
}

/* ---- acl */

/* 10.0.0.0/255.0.0.0 as 10.0.0.0/8. */
static bool put_address(struct making *making, struct str value)
{
	size_t slash = str_find_char(value, '/');
	struct str address = str_first(value, slash), mask = str_from(value, slash + 1);
	struct in_addr bits;
	char text[INET_ADDRSTRLEN];
	uint32_t host;

	if (str_eq(value, STR("0/0")) || str_eq(value, STR("0.0.0.0/0")) ||
	    str_eq(value, STR("0.0.0.0/0.0.0.0"))) {
		put_new(making, "all", STR_NONE);
		return true;
	}
	if (str_find_char(mask, '.') == mask.len || mask.len >= sizeof(text) ||
	    inet_pton(AF_INET, str_copy(mask, text, sizeof(text)), &bits) != 1)
		return false;
	host = ~ntohl(bits.s_addr);
	if (host & (host + 1))
		return false; /* refused as well */
	buf_printf(&making->line, " %.*s/%d", STR_ARG(address), 32 - __builtin_popcount(host));
	making->is_changed = true;
	return true;
}

/* Some other value of the line has it below it. */
static bool is_covered(const struct explain_line *line, size_t i)
{
	for (size_t j = 3; j < line->nwords; j++)
		if (j != i && explain_word(line, j).len > 1 && explain_word(line, j).at[0] == '.' &&
		    explain_domain_covers(explain_word(line, j), explain_word(line, i)) &&
		    (j < i || !str_eq_nocase(explain_word(line, j), explain_word(line, i))))
			return true;
	return false;
}

static bool is_built_in(struct str name)
{
	return str_eq_nocase(name, STR("all")) || str_eq_nocase(name, STR("localhost")) ||
	       str_eq_nocase(name, STR("to_localhost"));
}

/* Values that the ACL has anyway. */
static bool says_nothing_new(const struct explain_line *line)
{
	static const char *const known[] = {
		"0/0",          "0.0.0.0/0",  "0.0.0.0/0.0.0.0",
		"all",          "127.0.0.1",  "127.0.0.1/255.255.255.255",
		"127.0.0.1/32", "::1",        "127.0.0.0/8",
		"0.0.0.0/32",   "::1/128",
	};
	bool is_all = str_eq_nocase(explain_word(line, 1), STR("all"));
	bool is_to = str_eq_nocase(explain_word(line, 1), STR("to_localhost"));
	size_t first = is_all ? 0 : 4, end = is_to ? COUNT(known) : is_all ? 4 : 8;

	for (size_t i = 3; i < line->nwords; i++) {
		bool is_known = false;

		for (size_t j = first; j < end; j++)
			is_known |= str_eq(explain_word(line, i), str_of(known[j]));
		if (!is_known)
			return false;
	}
	return line->nwords > 3;
}

/* Value i, or what stands for it; nothing, if another one says it. */
static void put_acl_value(struct making *making, const struct explain_line *line, size_t i)
{
	struct str type = explain_word(line, 2), value = explain_word(line, i);

	if (line->words[i].is_file)
		buf_printf(&making->line, " \"%.*s\"", STR_ARG(value));
	else if ((str_eq(type, STR("src")) || str_eq(type, STR("dst")) ||
		  str_eq(type, STR("myip")) || str_eq(type, STR("localip"))) &&
		 put_address(making, value))
		return;
	else if ((str_eq(type, STR("dstdomain")) && is_covered(line, i)) ||
		 is_said_of(line, "Ignoring unknown protocol", value))
		making->is_changed = true;
	else
		put(making, value);
}

static bool upgrade_manager(struct upgrading *upgrading)
{
	const struct explain_line *line = upgrading->line;

	if (!str_eq(explain_word(line, 2), STR("proto")) || line->nwords != 4 ||
	    !str_eq_nocase(explain_word(line, 3), STR("cache_object")))
		return false;
	buf_printf(upgrading->out,
		   "acl %.*s url_regex -i ^cache_object:// +i ^[^:]+://[^/]+/squid-internal-mgr/\n",
		   STR_ARG(explain_word(line, 1)));
	return true;
}

static bool is_ident(struct str type)
{
	return str_eq(type, STR("ident")) || str_eq(type, STR("ident_regex"));
}

bool upgrade_acl(struct upgrading *upgrading)
{
	const struct explain_line *line = upgrading->line;
	struct str type = explain_word(line, 2);
	struct making making;

	if (line->nwords < 3)
		return false;
	if (is_built_in(explain_word(line, 1)) && says_nothing_new(line) &&
	    line->what != EXPLAIN_REFUSED) {
		upgrading->why = "the ACL is built in, with these values";
		return true;
	}
	if (str_eq_nocase(explain_word(line, 1), STR("manager")) && str_eq(type, STR("proto")))
		return false; /* built in, as a remark says */
	if (upgrade_manager(upgrading))
		return true;
	if (line->what == EXPLAIN_REFUSED && !str_eq(type, STR("dstdomain")))
		return false;
	if (is_ident(type)) {
		upgrading->why = "Squid 7 asks no ident servers: an address that no client has";
		buf_printf(upgrading->out, "acl %.*s src 255.255.255.255\n",
			   STR_ARG(explain_word(line, 1)));
		return true;
	}
	begin(&making, upgrading);
	put(&making, explain_word(line, 1));
	if (str_eq(type, STR("myip")))
		put_new(&making, "localip", STR_NONE);
	else if (str_eq(type, STR("myport")))
		put_new(&making, "localport", STR_NONE);
	else
		put(&making, type);
	for (size_t i = 3; i < line->nwords; i++)
		put_acl_value(&making, line, i);
	return finish(&making);
}

/* ---- the rest */

bool upgrade_refresh_pattern(struct upgrading *upgrading)
{
	const struct explain_line *line = upgrading->line;
	struct making making;

	begin(&making, upgrading);
	for (size_t i = 1; i < line->nwords; i++) {
		struct str word = explain_word(line, i);

		if (is_said_of(line, "is obsolete. Remove it", word) ||
		    is_said_of(line, "Unknown option", word))
			making.is_changed = true;
		else
			put(&making, word);
	}
	return finish(&making);
}

/* Lines that name no format, where emulate_httpd_log is on. */
bool upgrade_access_log(struct upgrading *upgrading)
{
	const struct explain_line *line = upgrading->line;
	struct str place = explain_word(line, 1);
	struct making making;

	begin(&making, upgrading);
	put(&making, place);
	if (upgrade_logs_are_common(upgrading->explanation) && !str_eq(place, STR("none")) &&
	    line->nwords == 2)
		put_new(&making, "common", STR_NONE);
	for (size_t i = 2; i < line->nwords; i++)
		put(&making, explain_word(line, i));
	return finish(&making);
}

bool upgrade_flag(struct upgrading *upgrading)
{
	const struct explain_line *line = upgrading->line;
	struct str value = explain_word(line, 1);
	struct making making;

	begin(&making, upgrading);
	if (str_eq(value, STR("enable")))
		put_new(&making, "on", STR_NONE);
	else if (str_eq(value, STR("disable")))
		put_new(&making, "off", STR_NONE);
	else
		put(&making, value);
	return finish(&making);
}
