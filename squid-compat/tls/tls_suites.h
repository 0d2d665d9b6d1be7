/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/tls/tls_suites.h: cipher=, carried out as OpenSSL does it, on a table of the suites
 * that GnuTLS has: words add, remove, kill or move the suites that they match. Pure. */
#ifndef SQUID_COMPAT_TLS_SUITES_H
#define SQUID_COMPAT_TLS_SUITES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "squid-compat/report.h"

/* What a suite is made of. */
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

enum { TLS_MAX_SUITES = 64 };

/* The list as it grows; zeroed but for report it is empty. */
struct tls_choice {
	uint8_t order[TLS_MAX_SUITES]; /* of indices in the table */
	size_t n;
	bool is_killed[TLS_MAX_SUITES];
	struct report *report;
};

/* Obeys the words of list; unknown ones are said to the report. */
void tls_suites_choose(struct tls_choice *choice, struct str list);

/* Of what the ith one chosen is made. */
unsigned tls_suites_parts(const struct tls_choice *choice, size_t i);

/* Words are apart by ':' and the like; '@' begins one without ("DEFAULT@SECLEVEL=1"). */
bool tls_suites_next_word(struct str *rest, struct str *word);

/* OpenSSL's name for IANA's name of a suite of TLS 1.2 and before, or the name itself. */
const char *tls_suites_name(const char *iana);

#endif
