/* SPDX-License-Identifier: BSD-2-Clause */
/* The algorithms of the suites that cipher= leaves, in its order, are the priorities. */
#include "squid-compat/tls/tls_priority.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "squid-compat/tls/tls_suites.h"

/* ---- versions and other options */

struct wishes {
	bool has_version[4]; /* TLS 1.N */
	bool has_ticket;
};

/* OpenSSL's SSL_OP_ names that mean something here, and their bits in hexadecimal options. */
static const struct {
	const char *name;
	unsigned long long bit;
	size_t flag; /* in struct wishes: what it takes away */
} ops[] = {
	{"NO_TLSv1", 0x04000000, offsetof(struct wishes, has_version[0])},
	{"NO_TLSv1_1", 0x10000000, offsetof(struct wishes, has_version[1])},
	{"NO_TLSv1_2", 0x08000000, offsetof(struct wishes, has_version[2])},
	{"NO_TLSv1_3", 0x20000000, offsetof(struct wishes, has_version[3])},
	{"NO_TICKET", 0x00004000, offsetof(struct wishes, has_ticket)},
};

static unsigned long long read_hex(struct str digits)
{
	unsigned long long value = 0;

	for (size_t i = 0; i < digits.len; i++) {
		char c = ascii_lower(digits.at[i]);

		if (c >= '0' && c <= '9')
			value = value << 4 | (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (unsigned)(c - 'a' + 10);
		else
			break;
	}
	return value;
}

static void apply_op(struct wishes *wishes, struct str name)
{
	bool clears = name.len > 0 && (name.at[0] == '!' || name.at[0] == '-');
	unsigned long long bits = 0;

	if (name.len > 0 && strchr("!-+", name.at[0]))
		name = str_from(name, 1);
	if (str_starts_with_nocase(name, STR("0x")))
		bits = read_hex(str_from(name, 2));
	for (size_t i = 0; i < COUNT(ops); i++)
		if ((bits & ops[i].bit) || str_eq(name, str_of(ops[i].name)))
			*(bool *)((char *)wishes + ops[i].flag) = clears;
}

static struct wishes read_wishes(const struct tls_options *options)
{
	struct wishes wishes = {{false, false, true, true}, true};
	struct str rest = options->options, name;

	for (int i = 0; i < 4; i++) {
		if (options->only_version >= 0)
			wishes.has_version[i] = i == options->only_version;
		else if (options->min_version >= 0)
			wishes.has_version[i] = i >= options->min_version;
	}
	while (tls_suites_next_word(&rest, &name))
		apply_op(&wishes, name);
	return wishes;
}

bool tls_priority_has_no_ticket(const struct tls_options *options)
{
	return !read_wishes(options).has_ticket;
}

/* ---- the string */

static const char *const version_names[] = {":+VERS-TLS1.0", ":+VERS-TLS1.1", ":+VERS-TLS1.2",
					    ":+VERS-TLS1.3"};

/* GnuTLS's words for parts of suites; the first that matches counts. */
static const struct part {
	const char *word;
	unsigned has;
} key_exchanges[] = {
	{":+ECDHE-ECDSA", EE},
	{":+ECDHE-RSA", ER},
	{":+DHE-RSA", DR},
	{":+RSA", RR},
}, ciphers[] = {
	{":+AES-128-GCM", AES128 | GCM},
	{":+AES-256-GCM", AES256 | GCM},
	{":+AES-128-CCM-8", AES128 | CCM8},
	{":+AES-256-CCM-8", AES256 | CCM8},
	{":+AES-128-CCM", AES128 | CCM},
	{":+AES-256-CCM", AES256 | CCM},
	{":+CHACHA20-POLY1305", CHACHA},
	{":+AES-128-CBC", AES128},
	{":+AES-256-CBC", AES256},
	{":+CAMELLIA-128-CBC", CAMELLIA128},
	{":+CAMELLIA-256-CBC", CAMELLIA256},
	{":+3DES-CBC", TRIPLE_DES},
}, macs[] = {
	{":+AEAD", GCM},
	{":+AEAD", CCM},
	{":+AEAD", CHACHA},
	{":+SHA384", SHA384},
	{":+SHA256", SHA256},
	{":+SHA1", SHA1},
};

static void add_once(struct buf *out, const char *word)
{
	size_t len = strlen(word);

	for (size_t at = 0; at + len <= out->len; at++)
		if (memcmp(out->at + at, word, len) == 0 &&
		    (at + len == out->len || out->at[at + len] == ':'))
			return;
	buf_add_str(out, str_of(word));
}


static void add_parts(struct buf *out, const struct part *parts, size_t nparts,
		      const struct tls_choice *choice)
{
	for (size_t i = 0; i < choice->n; i++) {
		unsigned has = tls_suites_parts(choice, i);
		size_t n = 0;

		while (n < nparts && (has & parts[n].has) != parts[n].has)
			n++;
		if (n < nparts)
			add_once(out, parts[n].word);
	}
}

static void add_suites(struct buf *out, const struct tls_choice *choice)
{
	buf_add_str(out, STR(":-KX-ALL:-CIPHER-ALL:-MAC-ALL"));
	add_parts(out, key_exchanges, COUNT(key_exchanges), choice);
	add_parts(out, ciphers, COUNT(ciphers), choice);
	add_parts(out, macs, COUNT(macs), choice);
}

/* What TLS 1.3 is spoken with, whatever cipher= says. */
static void add_suites_13(struct buf *out)
{
	add_once(out, ":+AES-128-GCM");
	add_once(out, ":+AES-256-GCM");
	add_once(out, ":+CHACHA20-POLY1305");
	add_once(out, ":+AEAD");
}

static void choose_default(struct tls_choice *choice, const struct wishes *wishes,
                           enum tls_line line)
{
	static const char *const modern = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20";

	tls_suites_choose(choice, str_of(modern));
	if (line == TLS_LINE_PEER || wishes->has_version[0] || wishes->has_version[1])
		tls_suites_choose(choice, STR("ECDHE+AES:kRSA+AES:!AESCCM8"));
}

static void add_groups(struct buf *out, const struct tls_options *options, bool has_dhe,
		       struct report *report)
{
	static const struct {
		const char *openssl, *gnutls;
	} curves[] = {
		{"X25519", ":+GROUP-X25519"},       {"x25519", ":+GROUP-X25519"},
		{"X448", ":+GROUP-X448"},           {"x448", ":+GROUP-X448"},
		{"prime256v1", ":+GROUP-SECP256R1"}, {"P-256", ":+GROUP-SECP256R1"},
		{"secp256r1", ":+GROUP-SECP256R1"}, {"secp384r1", ":+GROUP-SECP384R1"},
		{"P-384", ":+GROUP-SECP384R1"},     {"secp521r1", ":+GROUP-SECP521R1"},
		{"P-521", ":+GROUP-SECP521R1"},
	};
	size_t colon = str_find_char(options->dh, ':');
	struct str curve = colon < options->dh.len ? str_first(options->dh, colon) : STR_NONE;
	const char *group = NULL;

	for (size_t i = 0; i < COUNT(curves); i++)
		if (str_eq(curve, str_of(curves[i].openssl)))
			group = curves[i].gnutls;
	if (curve.len > 0 && !group && !str_eq(curve, STR("auto")))
		report_say(report, REPORT_ERROR,
			   "Unknown EC curve '%.*s': the usual ones are offered", STR_ARG(curve));
	buf_add_str(out, STR(":-GROUP-ALL"));
	if (group)
		buf_add_str(out, str_of(group));
	else
		buf_add_str(out, STR(":+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
				     "+GROUP-SECP521R1"));
	if (has_dhe)
		buf_add_str(out, STR(":+GROUP-FFDHE2048:+GROUP-FFDHE3072:+GROUP-FFDHE4096"));
	if (str_from(options->dh, colon < options->dh.len ? colon + 1 : 0).len > 0)
		report_say(report, REPORT_NOTE,
			   "tls-dh=: the file is not used: finite-field groups are those of RFC "
			   "7919, where cipher= asks for DHE");
}

static bool has_dhe(const struct tls_choice *choice)
{
	for (size_t i = 0; i < choice->n; i++)
		if (tls_suites_parts(choice, i) & KX_DHE)
			return true;
	return false;
}

static bool add_versions(struct buf *out, const struct wishes *wishes)
{
	bool has_any = false;

	buf_add_str(out, STR(":-VERS-ALL"));
	for (int i = 3; i >= 0; i--)
		if (wishes->has_version[i]) {
			buf_add_str(out, str_of(version_names[i]));
			has_any = true;
		}
	return has_any;
}

enum { MAX_BYTES = 4096 };

struct str tls_priority(const struct tls_options *options, enum tls_line line, struct arena *arena,
			struct report *report)
{
	const struct wishes wishes = read_wishes(options);
	struct tls_choice choice = {.report = report};
	struct str result = STR_NONE;
	struct buf out;

	buf_init(&out, MAX_BYTES);
	buf_add_str(&out, STR("NORMAL"));
	if (options->cipher.at)
		tls_suites_choose(&choice, options->cipher);
	else
		choose_default(&choice, &wishes, line);
	if (!add_versions(&out, &wishes)) {
		report_say(report, REPORT_FATAL, "options= leave no version of TLS");
	} else if (choice.n == 0) {
		report_say(report, REPORT_FATAL,
			   "Failed to set SSL cipher suite '%.*s': no suite is left",
			   STR_ARG(options->cipher));
	} else {
		add_suites(&out, &choice);
		if (wishes.has_version[3])
			add_suites_13(&out);
		add_groups(&out, options, has_dhe(&choice), report);
		if (line == TLS_LINE_PORT)
			buf_add_str(&out, STR(":%SERVER_PRECEDENCE"));
		result = arena_str(arena, buf_str(&out));
	}
	buf_fini(&out);
	return result;
}
