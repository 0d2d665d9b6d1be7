/* SPDX-License-Identifier: BSD-2-Clause */
/* One table of spellings for both kinds of line; each row says on which it is known. */
#include "squid-compat/tls/tls_options.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"

enum {
	ON_PORT = 1,
	ON_PEER = 2,
	ON_BOTH = 3,
	MAX_CONTEXT_BYTES = 32, /* of an OpenSSL session id context */
};

/* One option being read. */
struct taking {
	struct tls_options *options;
	struct str name, value;
	bool has_value;
	enum tls_line line;
	const char *directive;
	struct arena *arena;
	struct report *report;
};

struct row {
	const char *name;
	unsigned lines; /* ON_... */
	void (*take)(const struct taking *taking, const struct row *row);
	size_t slot;         /* of take_text, take_of_pair */
	const char *instead; /* deprecated: what to write */
};

static void take_text(const struct taking *taking, const struct row *row)
{
	struct str *slot = (struct str *)(void *)((char *)taking->options + row->slot);

	if (row->instead)
		report_say(taking->report, REPORT_WARNING,
			   "'%.*s=%.*s' is deprecated in %s. Use '%s' instead.",
			   STR_ARG(taking->name), STR_ARG(taking->value), taking->directive,
			   row->instead);
	*slot = arena_str(taking->arena, taking->value);
}

/* Ports have as many as they like, and show the one that the client asks for. */
static void take_cert(const struct taking *taking, const struct row *row)
{
	struct tls_options *options = taking->options;
	struct tls_pair *pair;

	(void)row;
	if (options->pairs && taking->line == TLS_LINE_PEER) {
		report_say(taking->report, REPORT_ERROR,
			   "multiple certificates in %s: '%.*s' is ignored", taking->directive,
			   STR_ARG(taking->value));
		return;
	}
	pair = arena_zalloc(taking->arena, sizeof(*pair));
	pair->cert = arena_str(taking->arena, taking->value);
	if (options->last_pair_)
		options->last_pair_->next = pair;
	else
		options->pairs = pair;
	options->last_pair_ = pair;
}

/* key= and tls-ocsp= are about the certificate before them. */
static void take_of_pair(const struct taking *taking, const struct row *row)
{
	struct tls_pair *pair = taking->options->last_pair_;
	struct str *slot;

	if (!pair) {
		report_say(taking->report, REPORT_FATAL,
			   "%s: %.*s= option requires a preceding certificate option",
			   taking->directive, STR_ARG(taking->name));
		return;
	}
	slot = (struct str *)(void *)((char *)pair + row->slot);
	if (!slot->at)
		*slot = arena_str(taking->arena, taking->value);
}

static void take_ca_file(const struct taking *taking, const struct row *row)
{
	struct tls_options *options = taking->options;

	if (options->nca_files == TLS_MAX_CA_FILES) {
		report_say(taking->report, REPORT_ERROR, "more than %d CA files: '%.*s' is ignored",
			   TLS_MAX_CA_FILES, STR_ARG(taking->value));
		return;
	}
	if (row->instead)
		report_say(taking->report, REPORT_WARNING,
			   "'%.*s=%.*s' is deprecated in %s. Use '%s' instead.",
			   STR_ARG(taking->name), STR_ARG(taking->value), taking->directive,
			   row->instead);
	options->ca_files[options->nca_files++] = arena_str(taking->arena, taking->value);
}

/* OpenSSL's SSL_OP_ names. GONE: known, but without a meaning in OpenSSL 3. */
static const struct {
	const char *name;
	bool is_gone;
} op_names[] = {
	{"ALL", false},
	{"ALLOW_UNSAFE_LEGACY_RENEGOTIATION", false},
	{"CIPHER_SERVER_PREFERENCE", false},
	{"CISCO_ANYCONNECT", false},
	{"CRYPTOPRO_TLSEXT_BUG", false},
	{"DONT_INSERT_EMPTY_FRAGMENTS", false},
	{"EPHEMERAL_RSA", true},
	{"LEGACY_SERVER_CONNECT", false},
	{"MICROSOFT_BIG_SSLV3_BUFFER", true},
	{"MICROSOFT_SESS_ID_BUG", true},
	{"MSIE_SSLV2_RSA_PADDING", true},
	{"NETSCAPE_CA_DN_BUG", true},
	{"NETSCAPE_CHALLENGE_BUG", true},
	{"NETSCAPE_DEMO_CIPHER_CHANGE_BUG", true},
	{"NETSCAPE_REUSE_CIPHER_CHANGE_BUG", true},
	{"NO_COMPRESSION", false},
	{"NO_QUERY_MTU", false},
	{"NO_RENEGOTIATION", false},
	{"NO_SESSION_RESUMPTION_ON_RENEGOTIATION", false},
	{"NO_SSLv2", true},
	{"NO_SSLv3", false},
	{"NO_TICKET", false},
	{"NO_TLSv1", false},
	{"NO_TLSv1_1", false},
	{"NO_TLSv1_2", false},
	{"NO_TLSv1_3", false},
	{"PKCS1_CHECK_1", true},
	{"PKCS1_CHECK_2", true},
	{"SINGLE_DH_USE", true},
	{"SINGLE_ECDH_USE", true},
	{"SSLEAY_080_CLIENT_DH_BUG", true},
	{"SSLREF2_REUSE_CERT_TYPE_BUG", true},
	{"TLS_BLOCK_PADDING_BUG", true},
	{"TLS_D5_BUG", true},
	{"TLS_ROLLBACK_BUG", false},
};

bool tls_op_is_known(struct str name)
{
	if (name.len > 0 && strchr("!-+", name.at[0]))
		name = str_from(name, 1);
	for (size_t i = 0; i < COUNT(op_names); i++)
		if (str_eq(name, str_of(op_names[i].name)))
			return !op_names[i].is_gone;
	return str_starts_with(name, STR("0x"));
}

/* Names whose absence from OpenSSL 3 changes nothing for anybody: it never speaks SSL 2. */
static bool is_op_silent(struct str name)
{
	return str_eq(name, STR("NO_SSLv2"));
}

static void check_op(struct str name, struct report *report)
{
	if (name.len > 0 && strchr("!-+", name.at[0]))
		name = str_from(name, 1);
	if (name.len == 0 || str_starts_with(name, STR("0x")))
		return;
	for (size_t i = 0; i < COUNT(op_names); i++) {
		if (!str_eq(name, str_of(op_names[i].name)))
			continue;
		if (op_names[i].is_gone && !is_op_silent(name))
			report_say(report, REPORT_ERROR, "Unsupported TLS option %.*s",
				   STR_ARG(name));
		return;
	}
	report_say(report, REPORT_ERROR, "Unknown TLS option %.*s", STR_ARG(name));
}

bool tls_options_next_name(struct str *rest, struct str *name)
{
	size_t end = 0;

	if (rest->len == 0)
		return false;
	while (end < rest->len && rest->at[end] != ':' && rest->at[end] != ',')
		end++;
	*name = str_first(*rest, end);
	*rest = str_from(*rest, end + 1);
	return true;
}

static void take_ops(const struct taking *taking, const struct row *row)
{
	struct str rest = taking->value, name;

	while (tls_options_next_name(&rest, &name))
		check_op(name, taking->report);
	take_text(taking, row);
}

static const char crl_flag_warning[] =
	"The VERIFY_CRL flags change nothing here: certificates are looked for in the lists that crlfile= "
	"(tls-crlfile=) names, and without one in none.";

static const struct {
	const char *name;
	unsigned flag;
	const char *warning; /* NULL: none */
} flag_names[] = {
	{"NO_DEFAULT_CA", TLS_NO_DEFAULT_CA,
	 "flags=NO_DEFAULT_CA is deprecated. Use tls-default-ca=off instead."},
	{"DELAYED_AUTH", TLS_DELAYED_AUTH, NULL},
	{"CONDITIONAL_AUTH", TLS_CONDITIONAL_AUTH, NULL},
	{"DONT_VERIFY_PEER", TLS_DONT_VERIFY_PEER,
	 "Peer certificates are not verified for validity! The DONT_VERIFY_PEER flag is "
	 "deprecated. Remove the clientca= option to disable client certificates."},
	{"DONT_VERIFY_DOMAIN", TLS_DONT_VERIFY_DOMAIN, NULL},
	{"NO_SESSION_REUSE", TLS_NO_SESSION_REUSE, NULL},
	{"VERIFY_CRL", TLS_VERIFY_CRL, crl_flag_warning},
	{"VERIFY_CRL_ALL", TLS_VERIFY_CRL_ALL, crl_flag_warning},
};

static void take_flag(const struct taking *taking, struct str name)
{
	for (size_t i = 0; i < COUNT(flag_names); i++) {
		if (!str_eq(name, str_of(flag_names[i].name)))
			continue;
		if (flag_names[i].warning)
			report_say(taking->report, REPORT_WARNING, "%s", flag_names[i].warning);
		taking->options->flags |= flag_names[i].flag;
		return;
	}
	report_say(taking->report, REPORT_FATAL, "Unknown TLS flag '%.*s'", STR_ARG(name));
}

static void take_flags(const struct taking *taking, const struct row *row)
{
	struct str rest = taking->value, name;

	(void)row;
	while (tls_options_next_name(&rest, &name))
		if (name.len > 0)
			take_flag(taking, name);
	if (taking->options->flags & TLS_NO_DEFAULT_CA)
		taking->options->default_ca = false;
}

static void take_min_version(const struct taking *taking, const struct row *row)
{
	struct str value = taking->value;

	(void)row;
	if (value.len == 3 && str_starts_with(value, STR("1.")) && value.at[2] >= '0' &&
	    value.at[2] <= '3')
		taking->options->min_version = (int8_t)(value.at[2] - '0');
	else
		report_say(taking->report, REPORT_WARNING, "Unknown TLS minimum version: %.*s",
			   STR_ARG(value));
}

/* 1 any, 2 and 3 SSL (which nothing speaks any more), 4..6 TLS 1.0..1.2 and nothing else. */
static void take_version(const struct taking *taking, const struct row *row)
{
	uint64_t version;

	(void)row;
	report_say(taking->report, REPORT_WARNING,
		   "SSL version= is deprecated. Use options= and tls-min-version= to limit "
		   "protocols instead.");
	if (!str_to_u64(taking->value, &version) || version > 6)
		report_say(taking->report, REPORT_WARNING, "Unknown SSL version %.*s, ignored",
			   STR_ARG(taking->value));
	else if (version >= 4)
		taking->options->only_version = (int8_t)(version - 4);
	else if (version >= 2)
		report_say(taking->report, REPORT_WARNING,
			   "version=%.*s asks for SSL, which is not spoken: any TLS version is "
			   "used",
			   STR_ARG(taking->value));
}

static void take_context(const struct taking *taking, const struct row *row)
{
	if (taking->value.len > MAX_CONTEXT_BYTES)
		report_say(taking->report, REPORT_WARNING,
			   "%s: %.*s= is longer than %d bytes, the rest of it does not count",
			   taking->directive, STR_ARG(taking->name), MAX_CONTEXT_BYTES);
	take_text(taking, row);
}

static void take_default_ca(const struct taking *taking, const struct row *row)
{
	(void)row;
	taking->options->default_ca = !taking->has_value || !str_eq(taking->value, STR("off"));
}

static void take_no_npn(const struct taking *taking, const struct row *row)
{
	(void)row;
	taking->options->no_npn = true;
}

#define TEXT(member) offsetof(struct tls_options, member)
#define OF_PAIR(member) offsetof(struct tls_pair, member)

static const struct row rows[] = {
	{"tls-cert", ON_BOTH, take_cert, 0, NULL},
	{"cert", ON_PORT, take_cert, 0, NULL},
	{"sslcert", ON_PEER, take_cert, 0, NULL},
	{"tls-key", ON_BOTH, take_of_pair, OF_PAIR(key), NULL},
	{"key", ON_PORT, take_of_pair, OF_PAIR(key), NULL},
	{"sslkey", ON_PEER, take_of_pair, OF_PAIR(key), NULL},
	{"tls-ocsp", ON_PORT, take_of_pair, OF_PAIR(ocsp), NULL},
	{"tls-cert-dir", ON_PORT, take_text, TEXT(cert_dir), NULL},
	{"tls-cipher", ON_BOTH, take_text, TEXT(cipher), NULL},
	{"cipher", ON_PORT, take_text, TEXT(cipher), NULL},
	{"sslcipher", ON_PEER, take_text, TEXT(cipher), NULL},
	{"tls-options", ON_BOTH, take_ops, TEXT(options), NULL},
	{"options", ON_PORT, take_ops, TEXT(options), NULL},
	{"ssloptions", ON_PEER, take_ops, TEXT(options), NULL},
	{"tls-min-version", ON_BOTH, take_min_version, 0, NULL},
	{"version", ON_PORT, take_version, 0, NULL},
	{"sslversion", ON_PEER, take_version, 0, NULL},
	{"tls-version", ON_PEER, take_version, 0, NULL},
	{"tls-clientca", ON_PORT, take_text, TEXT(clientca), NULL},
	{"clientca", ON_PORT, take_text, TEXT(clientca), NULL},
	{"tls-cafile", ON_BOTH, take_ca_file, 0, NULL},
	{"cafile", ON_PORT, take_ca_file, 0, "tls-cafile="},
	{"sslcafile", ON_PEER, take_ca_file, 0, NULL},
	{"tls-capath", ON_BOTH, take_text, TEXT(ca_path), NULL},
	{"capath", ON_PORT, take_text, TEXT(ca_path), NULL},
	{"sslcapath", ON_PEER, take_text, TEXT(ca_path), NULL},
	{"tls-crlfile", ON_BOTH, take_text, TEXT(crl_file), NULL},
	{"crlfile", ON_PORT, take_text, TEXT(crl_file), NULL},
	{"sslcrlfile", ON_PEER, take_text, TEXT(crl_file), NULL},
	{"tls-dh", ON_PORT, take_text, TEXT(dh), NULL},
	{"dhparams", ON_PORT, take_text, TEXT(dh), "tls-dh="},
	{"tls-flags", ON_BOTH, take_flags, 0, NULL},
	{"sslflags", ON_BOTH, take_flags, 0, NULL},
	{"sslcontext", ON_PORT, take_context, TEXT(context), NULL},
	{"tls-context", ON_PORT, take_context, TEXT(context), NULL},
	{"tls-domain", ON_PEER, take_text, TEXT(domain), NULL},
	{"ssldomain", ON_PEER, take_text, TEXT(domain), NULL},
	{"tls-default-ca", ON_BOTH, take_default_ca, 0, NULL},
	{"tls-no-npn", ON_BOTH, take_no_npn, 0, NULL},
};

void tls_options_init(struct tls_options *options, enum tls_line line)
{
	*options = (struct tls_options){
		.min_version = -1,
		.only_version = -1,
		.default_ca = line == TLS_LINE_PEER,
	};
}

enum tls_verdict tls_options_take(struct tls_options *options, enum tls_line line, struct str word,
				  const char *directive, struct arena *arena,
				  struct report *report)
{
	size_t equals = str_find_char(word, '=');
	const struct taking taking = {
		.options = options,
		.name = str_first(word, equals),
		.value = str_from(word, equals + 1),
		.has_value = equals < word.len,
		.line = line,
		.directive = directive,
		.arena = arena,
		.report = report,
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!(rows[i].lines & (line == TLS_LINE_PORT ? ON_PORT : ON_PEER)) ||
		    !str_eq(taking.name, str_of(rows[i].name)))
			continue;
		options->is_required = true;
		rows[i].take(&taking, &rows[i]);
		return TLS_OPTION_TAKEN;
	}
	if (!str_starts_with(word, STR("tls-")))
		return TLS_OPTION_UNKNOWN;
	options->is_required = true;
	report_say(report, REPORT_ERROR, "Unknown TLS option %.*s", STR_ARG(word));
	return TLS_OPTION_TAKEN;
}

/* 0, or why the file cannot be read. Absent texts are fine. */
static int unreadable(struct str path, const struct world *world)
{
	return path.at ? world->may(path.at, R_OK) : 0;
}

/* Without its certificate a peer cannot be told who we are. A port's may come later, and is looked
 * for until it does (Squid: fatal). */
static void check_pair(const struct tls_pair *pair, enum tls_line line, const struct world *world,
		       struct report *report)
{
	enum report_class what = line == TLS_LINE_PEER ? REPORT_FATAL : REPORT_ERROR;
	int error = unreadable(pair->cert, world);

	if (error)
		report_say(report, what,
			   line == TLS_LINE_PEER ? "Failed to acquire SSL certificate '%s': %s"
						 : "unable to load certificate file '%s': %s",
			   pair->cert.at, strerror(error));
	error = unreadable(pair->key, world);
	if (error)
		report_say(report, what, "Failed to acquire SSL private key '%s': %s",
			   pair->key.at, strerror(error));
	error = unreadable(pair->ocsp, world);
	if (error)
		report_say(report, REPORT_ERROR, "unable to load OCSP answer '%s': %s",
			   pair->ocsp.at, strerror(error));
}

void tls_options_check(const struct tls_options *options, enum tls_line line,
		       const struct world *world, struct report *report)
{
	size_t colon = str_find_char(options->dh, ':');
	struct str dh_file = str_from(options->dh, colon == options->dh.len ? 0 : colon + 1);
	int error;

	for (const struct tls_pair *pair = options->pairs; pair; pair = pair->next)
		check_pair(pair, line, world, report);
	if (unreadable(options->clientca, world))
		report_say(report, REPORT_FATAL, "Unable to read client CAs from file: %s",
			   options->clientca.at);
	for (unsigned i = 0; i < options->nca_files; i++) {
		error = unreadable(options->ca_files[i], world);
		if (error)
			report_say(report, REPORT_WARNING,
				   "Ignoring error setting CA certificate location %s: %s",
				   options->ca_files[i].at, strerror(error));
	}
	/* A curve alone ("prime256v1:") names no file. */
	if (dh_file.len > 0 && unreadable(dh_file, world))
		report_say(report, REPORT_WARNING, "Failed to open '%s'", dh_file.at);
}
