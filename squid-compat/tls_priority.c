/* SPDX-License-Identifier: BSD-2-Clause */
/* cipher= is carried out as OpenSSL does it, on a table of the suites that GnuTLS has: words add,
 * remove, kill or move the suites that they match. The algorithms of what is left, in its order, are
 * the priorities. */
#include "squid-compat/tls_priority.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"

/* ---- suites */

enum {
	KX_RSA = 1 << 0,
	KX_DHE = 1 << 1,
	KX_ECDHE = 1 << 2,
	AUTH_RSA = 1 << 3,
	AUTH_ECDSA = 1 << 4,
	AES128 = 1 << 5,
	AES256 = 1 << 6,
	GCM = 1 << 7,
	CCM = 1 << 8,
	CCM8 = 1 << 9,
	CHACHA = 1 << 10,
	CAMELLIA128 = 1 << 11,
	CAMELLIA256 = 1 << 12,
	TRIPLE_DES = 1 << 13,
	SHA1 = 1 << 14,
	SHA256 = 1 << 15,
	SHA384 = 1 << 16,
	SINCE_12 = 1 << 17, /* TLS 1.2 */
};

enum { RR = KX_RSA | AUTH_RSA, DR = KX_DHE | AUTH_RSA, ER = KX_ECDHE | AUTH_RSA,
       EE = KX_ECDHE | AUTH_ECDSA };

/* In OpenSSL's order of DEFAULT: by strength, then by key exchange. */
static const struct suite {
	const char *name;   /* OpenSSL's */
	const char *iana;   /* as gnutls_ciphersuite_get says it */
	unsigned has;
} suites[] = {
	/* clang-format off */
	{"ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", EE | AES256 | GCM | SHA384 | SINCE_12},
	{"ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", ER | AES256 | GCM | SHA384 | SINCE_12},
	{"DHE-RSA-AES256-GCM-SHA384", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", DR | AES256 | GCM | SHA384 | SINCE_12},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", EE | CHACHA | SHA256 | SINCE_12},
	{"ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", ER | CHACHA | SHA256 | SINCE_12},
	{"DHE-RSA-CHACHA20-POLY1305", "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", DR | CHACHA | SHA256 | SINCE_12},
	{"ECDHE-ECDSA-AES256-CCM8", "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8", EE | AES256 | CCM | CCM8 | SINCE_12},
	{"ECDHE-ECDSA-AES256-CCM", "TLS_ECDHE_ECDSA_WITH_AES_256_CCM", EE | AES256 | CCM | SINCE_12},
	{"DHE-RSA-AES256-CCM", "TLS_DHE_RSA_WITH_AES_256_CCM", DR | AES256 | CCM | SINCE_12},
	{"ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", EE | AES128 | GCM | SHA256 | SINCE_12},
	{"ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", ER | AES128 | GCM | SHA256 | SINCE_12},
	{"DHE-RSA-AES128-GCM-SHA256", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", DR | AES128 | GCM | SHA256 | SINCE_12},
	{"ECDHE-ECDSA-AES128-CCM8", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", EE | AES128 | CCM | CCM8 | SINCE_12},
	{"ECDHE-ECDSA-AES128-CCM", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", EE | AES128 | CCM | SINCE_12},
	{"DHE-RSA-AES128-CCM", "TLS_DHE_RSA_WITH_AES_128_CCM", DR | AES128 | CCM | SINCE_12},
	{"ECDHE-ECDSA-AES256-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", EE | AES256 | SHA384 | SINCE_12},
	{"ECDHE-RSA-AES256-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", ER | AES256 | SHA384 | SINCE_12},
	{"DHE-RSA-AES256-SHA256", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", DR | AES256 | SHA256 | SINCE_12},
	{"ECDHE-ECDSA-CAMELLIA256-SHA384", "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384", EE | CAMELLIA256 | SHA384 | SINCE_12},
	{"ECDHE-RSA-CAMELLIA256-SHA384", "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384", ER | CAMELLIA256 | SHA384 | SINCE_12},
	{"ECDHE-ECDSA-AES128-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", EE | AES128 | SHA256 | SINCE_12},
	{"ECDHE-RSA-AES128-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", ER | AES128 | SHA256 | SINCE_12},
	{"DHE-RSA-AES128-SHA256", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", DR | AES128 | SHA256 | SINCE_12},
	{"ECDHE-ECDSA-CAMELLIA128-SHA256", "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256", EE | CAMELLIA128 | SHA256 | SINCE_12},
	{"ECDHE-RSA-CAMELLIA128-SHA256", "TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256", ER | CAMELLIA128 | SHA256 | SINCE_12},
	{"ECDHE-ECDSA-AES256-SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", EE | AES256 | SHA1},
	{"ECDHE-RSA-AES256-SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", ER | AES256 | SHA1},
	{"DHE-RSA-AES256-SHA", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", DR | AES256 | SHA1},
	{"ECDHE-ECDSA-AES128-SHA", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", EE | AES128 | SHA1},
	{"ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", ER | AES128 | SHA1},
	{"DHE-RSA-AES128-SHA", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", DR | AES128 | SHA1},
	{"DHE-RSA-CAMELLIA256-SHA", "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA", DR | CAMELLIA256 | SHA1},
	{"DHE-RSA-CAMELLIA128-SHA", "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA", DR | CAMELLIA128 | SHA1},
	{"AES256-GCM-SHA384", "TLS_RSA_WITH_AES_256_GCM_SHA384", RR | AES256 | GCM | SHA384 | SINCE_12},
	{"AES256-CCM", "TLS_RSA_WITH_AES_256_CCM", RR | AES256 | CCM | SINCE_12},
	{"AES128-GCM-SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256", RR | AES128 | GCM | SHA256 | SINCE_12},
	{"AES128-CCM", "TLS_RSA_WITH_AES_128_CCM", RR | AES128 | CCM | SINCE_12},
	{"AES256-SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA256", RR | AES256 | SHA256 | SINCE_12},
	{"CAMELLIA256-SHA256", "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA256", RR | CAMELLIA256 | SHA256 | SINCE_12},
	{"AES128-SHA256", "TLS_RSA_WITH_AES_128_CBC_SHA256", RR | AES128 | SHA256 | SINCE_12},
	{"CAMELLIA128-SHA256", "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA256", RR | CAMELLIA128 | SHA256 | SINCE_12},
	{"AES256-SHA", "TLS_RSA_WITH_AES_256_CBC_SHA", RR | AES256 | SHA1},
	{"CAMELLIA256-SHA", "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA", RR | CAMELLIA256 | SHA1},
	{"AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA", RR | AES128 | SHA1},
	{"CAMELLIA128-SHA", "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", RR | CAMELLIA128 | SHA1},
	{"ECDHE-ECDSA-DES-CBC3-SHA", "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", EE | TRIPLE_DES | SHA1},
	{"ECDHE-RSA-DES-CBC3-SHA", "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", ER | TRIPLE_DES | SHA1},
	{"DHE-RSA-DES-CBC3-SHA", "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", DR | TRIPLE_DES | SHA1},
	{"DES-CBC3-SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", RR | TRIPLE_DES | SHA1},
	/* clang-format on */
};

const char *tls_priority_suite_name(const char *iana)
{
	for (size_t i = 0; i < COUNT(suites); i++)
		if (strcmp(suites[i].iana, iana) == 0)
			return suites[i].name;
	return iana;
}

/* ---- cipher= */

/* A word matches suites that have one of any (0: does not matter) and nothing of but. */
static const struct keyword {
	const char *name;
	unsigned any, but;
} keywords[] = {
	{"ALL", 0, 0},
	{"HIGH", 0, TRIPLE_DES},
	{"MEDIUM", TRIPLE_DES, 0},
	{"RSA", KX_RSA, 0},
	{"kRSA", KX_RSA, 0},
	{"DH", KX_DHE, 0},
	{"DHE", KX_DHE, 0},
	{"EDH", KX_DHE, 0},
	{"kDHE", KX_DHE, 0},
	{"kEDH", KX_DHE, 0},
	{"ECDH", KX_ECDHE, 0},
	{"ECDHE", KX_ECDHE, 0},
	{"EECDH", KX_ECDHE, 0},
	{"kECDHE", KX_ECDHE, 0},
	{"kEECDH", KX_ECDHE, 0},
	{"aRSA", AUTH_RSA, 0},
	{"aECDSA", AUTH_ECDSA, 0},
	{"ECDSA", AUTH_ECDSA, 0},
	{"AES", AES128 | AES256, 0},
	{"AES128", AES128, 0},
	{"AES256", AES256, 0},
	{"AESGCM", GCM, 0},
	{"AESCCM", CCM, 0},
	{"AESCCM8", CCM8, 0},
	{"CHACHA20", CHACHA, 0},
	{"CAMELLIA", CAMELLIA128 | CAMELLIA256, 0},
	{"CAMELLIA128", CAMELLIA128, 0},
	{"CAMELLIA256", CAMELLIA256, 0},
	{"3DES", TRIPLE_DES, 0},
	{"SHA", SHA1, 0},
	{"SHA1", SHA1, 0},
	{"SHA256", SHA256, GCM | CHACHA},
	{"SHA384", SHA384, GCM},
	{"TLSv1.2", SINCE_12, 0},
	{"TLSv1.0", SHA1, 0},
	{"TLSv1", SHA1, 0},
	{"SSLv3", SHA1, 0},
	{"FIPS", AES128 | AES256, 0},
};

/* OpenSSL's words for what GnuTLS has nothing of. */
static const char *const empty_words[] = {
	"COMPLEMENTOFALL", "COMPLEMENTOFDEFAULT", "LOW", "EXP", "EXPORT", "EXPORT40", "EXPORT56",
	"aNULL", "eNULL", "NULL", "ADH", "AECDH", "kDHr", "kDHd", "kDH", "kECDHr", "kECDHe",
	"kECDH", "aDSS", "DSS", "aDH", "aECDH", "RC4", "RC2", "DES", "IDEA", "SEED", "MD5", "PSK",
	"kPSK", "kRSAPSK", "kDHEPSK", "kECDHEPSK", "aPSK", "SRP", "kSRP", "aSRP", "ARIA", "ARIA128",
	"ARIA256", "ARIAGCM", "GOST94", "GOST89MAC", "aGOST", "aGOST01", "kGOST", "SSLv2", "KRB5",
	"kKRB5", "aKRB5", "kFZA", "aFZA", "eFZA", "FZA", "DH-RSA", "SUITEB128", "SUITEB192",
};

/* The list as it grows. */
struct choice {
	uint8_t order[COUNT(suites)]; /* of indices in suites */
	size_t n;
	bool is_killed[COUNT(suites)];
	struct report *report;
};

/* What a word, or several joined by '+', matches. False: it is unknown. */
struct match {
	const struct keyword *words[8];
	size_t nwords;
	struct str name; /* of one suite; STR_NONE: words count */
	bool is_nothing;
};

static bool is_empty_word(struct str word)
{
	for (size_t i = 0; i < COUNT(empty_words); i++)
		if (str_eq(word, str_of(empty_words[i])))
			return true;
	return false;
}

static bool is_suite(struct str word)
{
	for (size_t i = 0; i < COUNT(suites); i++)
		if (str_eq(word, str_of(suites[i].name)))
			return true;
	return false;
}

static bool add_word(struct match *match, struct str word)
{
	if (is_suite(word) && !match->name.at) {
		match->name = word;
		return true;
	}
	for (size_t i = 0; i < COUNT(keywords); i++)
		if (str_eq(word, str_of(keywords[i].name))) {
			if (match->nwords == COUNT(match->words))
				return false;
			match->words[match->nwords++] = &keywords[i];
			return true;
		}
	match->is_nothing = true;
	return is_empty_word(word);
}

static bool read_match(struct str words, struct match *match)
{
	struct str word;

	*match = (struct match){.name = STR_NONE};
	while (str_split(&words, '+', &word))
		if (!add_word(match, word))
			return false;
	return true;
}

static bool matches(const struct match *match, const struct suite *suite)
{
	if (match->is_nothing || (match->name.at && !str_eq(match->name, str_of(suite->name))))
		return false;
	for (size_t i = 0; i < match->nwords; i++) {
		const struct keyword *word = match->words[i];

		if ((word->any && !(suite->has & word->any)) || (suite->has & word->but))
			return false;
	}
	return true;
}

static bool is_chosen(const struct choice *choice, size_t suite)
{
	return memchr(choice->order, (int)suite, choice->n) != NULL;
}

static void add(struct choice *choice, const struct match *match)
{
	for (size_t i = 0; i < COUNT(suites); i++)
		if (matches(match, &suites[i]) && !choice->is_killed[i] && !is_chosen(choice, i))
			choice->order[choice->n++] = (uint8_t)i;
}

/* Takes those that match out; to_end: and puts them behind all others. */
static void take_out(struct choice *choice, const struct match *match, bool to_end)
{
	uint8_t taken[COUNT(suites)];
	size_t ntaken = 0, n = 0;

	for (size_t i = 0; i < choice->n; i++)
		if (matches(match, &suites[choice->order[i]]))
			taken[ntaken++] = choice->order[i];
		else
			choice->order[n++] = choice->order[i];
	choice->n = n;
	if (!to_end)
		return;
	memcpy(choice->order + n, taken, ntaken);
	choice->n += ntaken;
}

static void kill_suites(struct choice *choice, const struct match *match)
{
	take_out(choice, match, false);
	for (size_t i = 0; i < COUNT(suites); i++)
		if (matches(match, &suites[i]))
			choice->is_killed[i] = true;
}

static unsigned strength(const struct suite *suite)
{
	if (suite->has & (AES256 | CHACHA | CAMELLIA256))
		return 256;
	return suite->has & TRIPLE_DES ? 112 : 128;
}

static void sort_by_strength(struct choice *choice)
{
	for (size_t i = 1; i < choice->n; i++) {
		uint8_t moved = choice->order[i];
		size_t at = i;

		for (; at > 0 &&
		       strength(&suites[choice->order[at - 1]]) < strength(&suites[moved]);
		     at--)
			choice->order[at] = choice->order[at - 1];
		choice->order[at] = moved;
	}
}

/* OpenSSL's DEFAULT, of what GnuTLS has. */
static void add_default(struct choice *choice)
{
	static const struct match high = {.words = {&keywords[1]}, .nwords = 1};

	check(strcmp(keywords[1].name, "HIGH") == 0);
	add(choice, &high);
}

static void obey(struct choice *choice, struct str word)
{
	struct match match;
	char sign = word.at[0];

	if (sign == '!' || sign == '-' || sign == '+')
		word = str_from(word, 1);
	else
		sign = ' ';
	if (!read_match(word, &match)) {
		report_say(choice->report, REPORT_WARNING,
			   "cipher=: '%.*s' is no suite of TLS 1.2 that there is; it is ignored",
			   STR_ARG(word));
		return;
	}
	if (sign == '!')
		kill_suites(choice, &match);
	else if (sign == '-')
		take_out(choice, &match, false);
	else if (sign == '+')
		take_out(choice, &match, true);
	else
		add(choice, &match);
}

/* Words are apart by ':' and the like; '@' begins one without ("DEFAULT@SECLEVEL=1"). */
static bool next_word(struct str *rest, struct str *word)
{
	size_t end = 0;

	if (rest->len == 0)
		return false;
	while (end < rest->len && !strchr(":, ;", rest->at[end]) &&
	       (end == 0 || rest->at[end] != '@'))
		end++;
	*word = str_first(*rest, end);
	*rest = str_from(*rest, end < rest->len && rest->at[end] == '@' ? end : end + 1);
	return true;
}

static void choose(struct choice *choice, struct str list)
{
	struct str word;

	while (next_word(&list, &word)) {
		if (str_eq(word, STR("DEFAULT")))
			add_default(choice);
		else if (str_eq(word, STR("@STRENGTH")))
			sort_by_strength(choice);
		else if (str_starts_with(word, STR("@SECLEVEL=")))
			report_say(choice->report, REPORT_HARMLESS, "cipher=: %.*s has no effect here",
				   STR_ARG(word));
		else if (word.len > 0)
			obey(choice, word);
	}
}

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
	while (next_word(&rest, &name))
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
static const struct {
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

#define ADD_PART(out, parts, suite)                                                                \
	for (size_t part_ = 0; part_ < COUNT(parts); part_++)                                      \
		if (((suite)->has & (parts)[part_].has) == (parts)[part_].has) {                   \
			add_once((out), (parts)[part_].word);                                      \
			break;                                                                     \
		}

static void add_suites(struct buf *out, const struct choice *choice)
{
	buf_add_str(out, STR(":-KX-ALL:-CIPHER-ALL:-MAC-ALL"));
	for (size_t i = 0; i < choice->n; i++)
		ADD_PART(out, key_exchanges, &suites[choice->order[i]]);
	for (size_t i = 0; i < choice->n; i++)
		ADD_PART(out, ciphers, &suites[choice->order[i]]);
	for (size_t i = 0; i < choice->n; i++)
		ADD_PART(out, macs, &suites[choice->order[i]]);
}

/* What TLS 1.3 is spoken with, whatever cipher= says. */
static void add_suites_13(struct buf *out)
{
	add_once(out, ":+AES-128-GCM");
	add_once(out, ":+AES-256-GCM");
	add_once(out, ":+CHACHA20-POLY1305");
	add_once(out, ":+AEAD");
}

static void choose_default(struct choice *choice, const struct wishes *wishes, enum tls_line line)
{
	static const char *const modern = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20";

	choose(choice, str_of(modern));
	if (line == TLS_LINE_PEER || wishes->has_version[0] || wishes->has_version[1])
		choose(choice, STR("ECDHE+AES:kRSA+AES:!AESCCM8"));
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

static bool has_dhe(const struct choice *choice)
{
	for (size_t i = 0; i < choice->n; i++)
		if (suites[choice->order[i]].has & KX_DHE)
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
	struct choice choice = {.report = report};
	struct str result = STR_NONE;
	struct buf out;

	buf_init(&out, MAX_BYTES);
	buf_add_str(&out, STR("NORMAL"));
	if (options->cipher.at)
		choose(&choice, options->cipher);
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
