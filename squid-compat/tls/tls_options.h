/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/tls/tls_options.h: the TLS options of http_port, https_port and cache_peer lines.
 *
 * Read and checked here, kept as text; whoever speaks TLS gives them their meaning. Texts live in
 * the arena given. One thread's while parsing, immutable afterwards. */
#ifndef SQUID_COMPAT_TLS_OPTIONS_H
#define SQUID_COMPAT_TLS_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "squid-compat/report.h"
#include "squid-compat/world.h"

/* sslflags= */
enum {
	TLS_DELAYED_AUTH = 1 << 0,
	TLS_CONDITIONAL_AUTH = 1 << 1,
	TLS_NO_SESSION_REUSE = 1 << 2,
	TLS_VERIFY_CRL = 1 << 3,
	TLS_VERIFY_CRL_ALL = 1 << 4,
	TLS_NO_DEFAULT_CA = 1 << 5,
	TLS_DONT_VERIFY_PEER = 1 << 6,
	TLS_DONT_VERIFY_DOMAIN = 1 << 7,
};

enum { TLS_MAX_CA_FILES = 16 };

/* A certificate and its key. */
struct tls_pair {
	struct str cert;
	struct str key;  /* STR_NONE: in the same file */
	/* tls-ocsp=, ours: what is stapled; STR_NONE: CERT.ocsp, if there is one */
	struct str ocsp;
	struct tls_pair *next;
};

/* Absent texts are STR_NONE. All texts have a NUL behind them. */
struct tls_options {
	struct tls_pair *pairs;  /* as they stand; the first is the default. Peers: one */
	struct str cert_dir;     /* tls-cert-dir=, ours: a folder of more */
	struct tls_pair *last_pair_;
	struct str cipher;       /* OpenSSL cipher list, TLS 1.2 and below */
	struct str options;      /* "NO_SSLv3,NO_TLSv1": the names that are known */
	struct str clientca;     /* turns client certificates on */
	struct str ca_files[TLS_MAX_CA_FILES];
	unsigned nca_files;
	struct str ca_path, crl_file;
	struct str dh;           /* [curve:]file */
	struct str context;      /* session id context */
	struct str domain;       /* peers: the name to verify, and SNI; absent: the host */
	const char *password_program; /* sslpassword_program, of a line above; NULL: none */
	unsigned flags;          /* TLS_... above */
	int8_t min_version;      /* 0..3 for TLS 1.N; -1: not said */
	int8_t only_version;     /* the old version=: likewise; -1: not said */
	bool default_ca;
	bool no_npn;
	bool is_required;        /* peers: some option asked for TLS */
};

/* Which line the option stands on: spellings, deprecations and defaults differ. */
enum tls_line {
	TLS_LINE_PORT, /* tls-X, and bare X for cert, key, options, cipher, ... */
	TLS_LINE_PEER, /* tls-X and sslX */
};

enum tls_verdict {
	TLS_OPTION_TAKEN,
	TLS_OPTION_UNKNOWN, /* it is none of ours: the caller goes on looking */
};

/* Cuts the next name off the value of options= or flags=, which ':' or ',' takes apart; false:
 * there is none. */
bool tls_options_next_name(struct str *rest, struct str *name);

void tls_options_init(struct tls_options *options, enum tls_line line);

/* Looks at one word "name" or "name=value" of a line of directive (for the messages). */
enum tls_verdict tls_options_take(struct tls_options *options, enum tls_line line, struct str word,
				  const char *directive, struct arena *arena,
				  struct report *report);

/* At the end of the line: that the files named exist. Only where TLS is really used. */
void tls_options_check(const struct tls_options *options, enum tls_line line,
		       const struct world *world, struct report *report);

/* Is NAME, of options=NAME,NAME ("!" and the like in front), one that OpenSSL 3 knows the meaning
 * of? */
bool tls_op_is_known(struct str name);

#endif
