/* SPDX-License-Identifier: BSD-2-Clause */
/* A check keeps the fields and HA2's in its query's state; what the helper said (or is known) is
 * then judged: H(HA1:nonce:nc:cnonce:qop:HA2) must be the response, and the nonce must do. */
#include "helpers/auth_digest.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "helpers/auth_text.h"
#include "lib/base/heap.h"

enum { HASH_BYTES = 32, LINE_BYTES = 2 * AUTH_MAX_BYTES };

struct auth_digest { /* immutable but for nrefs */
	atomic_uint nrefs;
	struct auth_digest_config config;
	char *realm; /* config.realm's */
};

static const struct {
	gnutls_digest_algorithm_t hash;
	const char *key; /* in the helper's answer */
} algorithms[DIGEST_ALGORITHMS] = {
	[DIGEST_MD5] = {GNUTLS_DIG_MD5, "ha1"},
	[DIGEST_SHA256] = {GNUTLS_DIG_SHA256, "ha1-sha256"},
};

/* A hash in hex. */
struct hex {
	char at[DIGEST_HASH_CHARS];
};

/* What a query waits with. */
struct check_state {
	struct auth_digest *auth; /* a reference */
	struct digest_fields fields;
	bool was_asked; /* just now: what comes is the helper's newest word */
	size_t nha2;
	struct hex ha2[2]; /* with the method; with GET, for post_workaround */
	struct str extras; /* in bytes, behind the fields */
	char bytes[];
};

struct auth_digest *auth_digest_create(const struct auth_digest_config *config)
{
	struct auth_digest *auth = mem_zalloc(sizeof(*auth));

	atomic_init(&auth->nrefs, 1);
	auth->config = *config;
	auth->realm = str_dup(config->realm);
	auth->config.realm.at = auth->realm;
	if (config->algorithms == 0)
		auth->config.algorithms = 1 << DIGEST_MD5;
	helper_pool_ref(config->pool);
	auth_users_ref(config->users);
	digest_nonces_ref(config->nonces);
	return auth;
}

struct auth_digest *auth_digest_ref(struct auth_digest *auth)
{
	atomic_fetch_add_explicit(&auth->nrefs, 1, memory_order_relaxed); /* pairs with unref */
	return auth;
}

void auth_digest_unref(struct auth_digest *auth)
{
	if (!auth || atomic_fetch_sub_explicit(&auth->nrefs, 1, memory_order_acq_rel) != 1)
		return;
	helper_pool_unref(auth->config.pool);
	auth_users_unref(auth->config.users);
	digest_nonces_unref(auth->config.nonces);
	mem_free(auth->realm);
	mem_free(auth);
}

/* ---- hashes */

/* Of the parts, with ':' between them. */
static bool hash_parts(enum digest_algorithm algorithm, const struct str *parts, unsigned n,
                       struct hex *out)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[HASH_BYTES];
	gnutls_hash_hd_t hash;

	if (gnutls_hash_init(&hash, algorithms[algorithm].hash) != 0)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			gnutls_hash(hash, ":", 1);
		if (parts[i].len > 0)
			gnutls_hash(hash, parts[i].at, parts[i].len);
	}
	gnutls_hash_deinit(hash, bytes);
	for (size_t i = 0; i < digest_hash_chars(algorithm) / 2; i++) {
		out->at[2 * i] = digits[bytes[i] >> 4];
		out->at[2 * i + 1] = digits[bytes[i] & 15];
	}
	return true;
}

static struct str hex_str(enum digest_algorithm algorithm, const struct hex *hex)
{
	return (struct str){hex->at, digest_hash_chars(algorithm)};
}

/* RFC 7616 §3.4.1; without qop RFC 2069 §2.1.2. */
static bool fits(const struct digest_fields *fields, struct str ha1, const struct hex *ha2)
{
	struct str last = hex_str(fields->algorithm, ha2);
	const struct str with_qop[] = {ha1, fields->nonce, fields->nc_text, fields->cnonce,
				       STR("auth"), last};
	const struct str without[] = {ha1, fields->nonce, last};
	struct hex response;

	return (fields->nc > 0 ? hash_parts(fields->algorithm, with_qop, 6, &response)
			       : hash_parts(fields->algorithm, without, 3, &response)) &&
	       gnutls_memcmp(response.at, fields->response,
	                     digest_hash_chars(fields->algorithm)) == 0;
}

static bool is_hash(struct str text, enum digest_algorithm algorithm)
{
	if (text.len != digest_hash_chars(algorithm))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (ascii_hex(text.at[i]) < 0)
			return false;
	return true;
}

/* HA1 as the helper said it, in lower case. False: it did not. */
static bool find_ha1(const struct helper_reply *reply, enum digest_algorithm algorithm,
                     struct hex *out)
{
	struct str text = helper_reply_value(reply, str_of(algorithms[algorithm].key));

	if (reply->code == HELPER_UNKNOWN && reply->npairs == 0 && algorithm == DIGEST_MD5)
		text = str_trim(reply->rest); /* the old form */
	else if (reply->code != HELPER_OK)
		return false;
	if (!is_hash(text, algorithm))
		return false;
	for (size_t i = 0; i < text.len; i++)
		out->at[i] = ascii_lower(text.at[i]);
	return true;
}

static int64_t keep_hash(const struct helper_reply *reply, int64_t ttl_ms)
{
	struct hex ha1;

	for (unsigned i = 0; i < DIGEST_ALGORITHMS; i++)
		if (find_ha1(reply, (enum digest_algorithm)i, &ha1))
			return ttl_ms;
	return 0;
}

/* ---- judging */

static bool matches(const struct check_state *state, const struct auth_answer *answer)
{
	enum digest_algorithm algorithm = state->fields.algorithm;
	struct hex ha1;
	bool is_match = false;

	if (!find_ha1(answer->reply, algorithm, &ha1))
		return false;
	for (size_t i = 0; i < state->nha2 && !is_match; i++)
		is_match = fits(&state->fields, hex_str(algorithm, &ha1), &state->ha2[i]);
	gnutls_memset(&ha1, 0, sizeof(ha1));
	return is_match;
}

static bool make_line(const struct check_state *state, struct buf *line)
{
	const struct digest_fields *fields = &state->fields;

	buf_add_char(line, '"');
	buf_add_str(line, fields->username);
	buf_add_str(line, STR("\":\""));
	buf_add_str(line, state->auth->config.realm);
	buf_add_char(line, '"');
	if (state->extras.len > 0) {
		buf_add_char(line, ' ');
		buf_add_str(line, state->extras);
	}
	return !line->is_full;
}

static enum auth_verdict judge(struct auth_query *query);

static enum auth_verdict ask_helper(struct auth_query *query, const struct auth_question *question)
{
	struct check_state *state = query->state_;
	struct buf line;

	state->was_asked = true;
	query->verdict = AUTH_FAILED;
	buf_init(&line, LINE_BYTES);
	if (make_line(state, &line))
		auth_users_ask(state->auth->config.users, question, buf_str(&line), query);
	buf_fini(&line);
	return query->verdict == AUTH_OK ? judge(query) : query->verdict;
}

static bool make_question(const struct check_state *state, struct auth_question *question)
{
	const struct auth_digest_config *config = &state->auth->config;

	if (!auth_question_init(question, config->users, 'd', state->fields.username, state->extras,
	                        config->realm))
		return false;
	question->pool = config->pool;
	question->ttl_ms = config->ttl_ms;
	question->stale_ms = config->stale_ms;
	question->keep = keep_hash;
	return true;
}

/* The hash that is kept may be of an old password. */
static enum auth_verdict ask_again(struct auth_query *query)
{
	const struct check_state *state = query->state_;
	struct auth_question question;

	auth_answer_unref(query->answer);
	query->answer = NULL;
	if (!make_question(state, &question))
		return AUTH_FAILED;
	question.not_before_ms = loop_now_ms(query->loop);
	return ask_helper(query, &question);
}

/* A nonce that is used without a count does once. */
static enum auth_verdict judge(struct auth_query *query)
{
	const struct check_state *state = query->state_;
	const struct digest_fields *fields = &state->fields;
	const struct auth_digest_config *config = &state->auth->config;
	struct digest_nonce_rules rules = config->nonce_rules;

	if (!matches(state, query->answer))
		return state->was_asked ? AUTH_FAILED : ask_again(query);
	if (fields->nc == 0)
		rules.checks_count = rules.is_strict = true;
	query->is_stale = !digest_nonce_use(config->nonces, &rules, fields->nonce,
	                                    fields->nc > 0 ? fields->nc : 1,
	                                    loop_now_ms(query->loop), &query->is_nonce_ending);
	return query->is_stale ? AUTH_FAILED : AUTH_OK;
}

/* ---- checking */

static struct str without_authority(struct str uri)
{
	size_t colon = str_find_char(uri, ':');
	struct str rest = str_from(uri, colon);

	if (uri.len == 0 || uri.at[0] == '/' || !str_starts_with(rest, STR("://")))
		return uri;
	rest = str_from(rest, 3);
	rest = str_from(rest, str_find_char(rest, '/'));
	return rest.len > 0 ? rest : STR("/");
}

/* RFC 7616 §3.4.6: uri names what is asked for, whether as a path or as an absolute URI. */
static bool is_about(const struct digest_fields *fields, struct str target)
{
	return str_eq(without_authority(fields->uri), without_authority(target));
}

static void drop_state(void *arg)
{
	struct check_state *state = arg;

	auth_digest_unref(state->auth);
	mem_free(state);
}

static bool fill_ha2(struct check_state *state, struct str method)
{
	enum digest_algorithm algorithm = state->fields.algorithm;
	const struct str sent[] = {method, state->fields.uri};
	const struct str get[] = {STR("GET"), state->fields.uri};

	state->nha2 = state->auth->config.has_post_workaround ? 2 : 1;
	return hash_parts(algorithm, sent, 2, &state->ha2[0]) &&
	       hash_parts(algorithm, get, 2, &state->ha2[1]);
}

static bool read_state(struct check_state *state, const struct auth_digest_request *request)
{
	const struct auth_digest_config *config = &state->auth->config;
	size_t len = request->credentials.len;

	if (!digest_fields_read(request->credentials, state->bytes, &state->fields) ||
	    !(config->algorithms >> state->fields.algorithm & 1) ||
	    !str_eq(state->fields.realm, config->realm) ||
	    !is_about(&state->fields, request->target))
		return false;
	if (request->extras.len > 0)
		memcpy(state->bytes + len, request->extras.at, request->extras.len);
	state->extras = (struct str){state->bytes + len, request->extras.len};
	return fill_ha2(state, request->method);
}

static enum auth_verdict check_state(struct auth_query *query)
{
	const struct check_state *state = query->state_;
	struct auth_question question;

	if (!make_question(state, &question))
		return AUTH_FAILED;
	if (auth_users_find(state->auth->config.users, &question, query) == AUTH_OK)
		return judge(query);
	return ask_helper(query, &question);
}

enum auth_verdict auth_digest_check(struct auth_digest *auth,
                                    const struct auth_digest_request *request,
                                    struct auth_query *query)
{
	struct check_state *state;

	auth_query_fini(query);
	query->verdict = AUTH_FAILED;
	if (request->credentials.len > DIGEST_MAX_BYTES || request->extras.len > AUTH_MAX_BYTES)
		return query->verdict;
	state = mem_zalloc(sizeof(*state) + request->credentials.len + request->extras.len);
	state->auth = auth_digest_ref(auth);
	query->state_ = state;
	query->drop_state_ = drop_state;
	query->judge_ = judge;
	if (read_state(state, request))
		query->verdict = check_state(query);
	return query->verdict;
}

/* ---- challenges */

static void add_line(struct auth_digest *auth, struct str name, enum digest_algorithm algorithm,
                     struct str nonce, bool is_stale, struct buf *out)
{
	buf_add_str(out, name);
	buf_add_str(out, STR(": Digest realm="));
	auth_add_quoted(out, auth->config.realm);
	buf_add_str(out, STR(", nonce=\""));
	buf_add_str(out, nonce);
	buf_add_str(out, STR("\", qop=\"auth\""));
	if (algorithm != DIGEST_MD5)
		buf_printf(out, ", algorithm=%s", digest_algorithm_name(algorithm));
	if (auth->config.is_utf8)
		buf_add_str(out, STR(", charset=\"UTF-8\""));
	buf_add_str(out, is_stale ? STR(", stale=true\r\n") : STR(", stale=false\r\n"));
}

void auth_digest_add_challenge(struct auth_digest *auth, struct str name, bool is_stale,
                               int64_t now_ms, struct buf *out)
{
	char nonce[DIGEST_NONCE_CHARS];

	digest_nonce_make(auth->config.nonces, now_ms, nonce);
	for (unsigned i = DIGEST_ALGORITHMS; i-- > 0;)
		if (auth->config.algorithms >> i & 1)
			add_line(auth, name, (enum digest_algorithm)i,
			         (struct str){nonce, sizeof(nonce)}, is_stale, out);
}

void auth_digest_add_next_nonce(struct auth_digest *auth, int64_t now_ms, struct buf *out)
{
	char nonce[DIGEST_NONCE_CHARS];

	digest_nonce_make(auth->config.nonces, now_ms, nonce);
	buf_add_str(out, STR("Authentication-Info: nextnonce=\""));
	buf_add(out, nonce, sizeof(nonce));
	buf_add_str(out, STR("\"\r\n"));
}
