/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/tls/tls_suites.h"

#include <string.h>

#include "lib/base/check.h"

/* ---- suites */

/* In OpenSSL's order of DEFAULT: by strength, then by key exchange. */
static const struct suite {
	const char *name; /* OpenSSL's */
	const char *iana; /* as gnutls_ciphersuite_get says it */
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

const char *tls_suites_name(const char *iana)
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

_Static_assert(COUNT(suites) <= TLS_MAX_SUITES, "a choice holds all of them");

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

static bool is_chosen(const struct tls_choice *choice, size_t suite)
{
	return memchr(choice->order, (int)suite, choice->n) != NULL;
}

static void add(struct tls_choice *choice, const struct match *match)
{
	for (size_t i = 0; i < COUNT(suites); i++)
		if (matches(match, &suites[i]) && !choice->is_killed[i] && !is_chosen(choice, i))
			choice->order[choice->n++] = (uint8_t)i;
}

/* Takes those that match out; to_end: and puts them behind all others. */
static void take_out(struct tls_choice *choice, const struct match *match, bool to_end)
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

static void kill_suites(struct tls_choice *choice, const struct match *match)
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

static void sort_by_strength(struct tls_choice *choice)
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
static void add_default(struct tls_choice *choice)
{
	static const struct match high = {.words = {&keywords[1]}, .nwords = 1};

	check(strcmp(keywords[1].name, "HIGH") == 0);
	add(choice, &high);
}

static void obey(struct tls_choice *choice, struct str word)
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

bool tls_suites_next_word(struct str *rest, struct str *word)
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

void tls_suites_choose(struct tls_choice *choice, struct str list)
{
	struct str word;

	while (tls_suites_next_word(&list, &word)) {
		if (str_eq(word, STR("DEFAULT")))
			add_default(choice);
		else if (str_eq(word, STR("@STRENGTH")))
			sort_by_strength(choice);
		else if (str_starts_with(word, STR("@SECLEVEL=")))
			report_say(choice->report, REPORT_HARMLESS,
			           "cipher=: %.*s has no effect here", STR_ARG(word));
		else if (word.len > 0)
			obey(choice, word);
	}
}

unsigned tls_suites_parts(const struct tls_choice *choice, size_t i)
{
	check(i < choice->n);
	return suites[choice->order[i]].has;
}
