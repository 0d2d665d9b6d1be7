/* SPDX-License-Identifier: BSD-2-Clause */
/* NONE → (YR) → CHALLENGED → (KK) → CHALLENGED ... → KNOWN or NONE. While a question is under way
 * the query of it points here, and cancelling it ends the conversation. */
#include "helpers/auth_connection.h"

#include "helpers/auth_text.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"

enum { TOKEN_MAX_BYTES = 65536 }; /* tickets of Kerberos are large */

enum state {
	STATE_NONE,
	STATE_CHALLENGED,
	STATE_KNOWN,
};

struct auth_connection {
	enum state state;
	struct str name;             /* of the scheme; a literal */
	struct helper_pool *pool;    /* of the conversation, a reference; NULL: there is none */
	uint64_t conversation;       /* 0: likewise */
	uint64_t seed, credentials;  /* the hash of those that made it known */
	char *token;                 /* of the helper: the challenge, or the proof; NULL: none */
	struct auth_answer *answer;  /* with STATE_KNOWN */
	struct auth_query *query;    /* under way; NULL: nothing is */
	struct helper_request request;
};

static void drop_token(struct auth_connection *connection)
{
	mem_free(connection->token);
	connection->token = NULL;
}

static void end_conversation(struct auth_connection *connection)
{
	helper_request_fini(&connection->request);
	if (connection->conversation != 0)
		helper_conversation_end(connection->pool, connection->conversation);
	helper_pool_unref(connection->pool);
	connection->pool = NULL;
	connection->conversation = 0;
}

void auth_connection_forget(struct auth_connection *connection)
{
	if (!connection)
		return;
	end_conversation(connection);
	drop_token(connection);
	auth_answer_unref(connection->answer);
	connection->answer = NULL;
	connection->state = STATE_NONE;
}

void auth_connection_destroy(struct auth_connection *connection)
{
	if (!connection)
		return;
	check(connection->query == NULL);
	auth_connection_forget(connection);
	mem_free(connection);
}

/* A token of the helper goes into a header. */
static char *copy_token(const struct helper_reply *reply)
{
	struct str token = helper_reply_value(reply, STR("token"));

	return token.len > 0 && token.len <= TOKEN_MAX_BYTES && auth_is_token68(token)
		       ? str_dup(token)
		       : NULL;
}

/* ---- answers */

static void take_challenge(struct auth_connection *connection)
{
	drop_token(connection);
	connection->token = copy_token(connection->request.reply);
	connection->state = STATE_CHALLENGED;
	if (!connection->token)
		auth_connection_forget(connection); /* a challenge without one asks for nothing */
}

/* The reply goes to the answer, and the conversation is over. */
static struct auth_answer *take_answer(struct auth_connection *connection)
{
	struct helper_reply *reply = connection->request.reply;
	struct str user = helper_reply_value(reply, STR("user"));
	struct auth_answer *answer;

	connection->request.reply = NULL;
	answer = auth_answer_create(helper_value_is_clean(user) ? user : STR_NONE, reply);
	drop_token(connection);
	connection->token = copy_token(reply);
	connection->conversation = 0; /* ended by the answer itself */
	end_conversation(connection);
	return answer;
}

static enum auth_verdict conclude(struct auth_connection *connection, struct auth_query *query)
{
	enum helper_code code = connection->request.reply->code;

	if (code == HELPER_TT) {
		take_challenge(connection);
		return AUTH_FAILED;
	}
	query->answer = take_answer(connection);
	if ((code != HELPER_AF && code != HELPER_OK) || query->answer->user.len == 0) {
		auth_connection_forget(connection);
		return AUTH_FAILED;
	}
	connection->state = STATE_KNOWN;
	connection->answer = auth_answer_ref(query->answer);
	return AUTH_OK;
}

static void on_reply(struct helper_request *request)
{
	struct auth_connection *connection = CONTAINER(request, struct auth_connection, request);
	struct auth_query *query = connection->query;

	connection->query = NULL;
	query->state_ = NULL;
	query->drop_state_ = NULL;
	query->verdict = conclude(connection, query);
	query->done(query);
}

/* The query is given up. */
static void drop_query(void *arg)
{
	struct auth_connection *connection = arg;

	connection->query = NULL;
	auth_connection_forget(connection);
}

/* ---- questions */

static struct auth_connection *get_connection(struct auth_connection **at, struct str name)
{
	if (!*at) {
		*at = mem_zalloc(sizeof(**at));
		(*at)->seed = random_u64();
	}
	if (!str_eq((*at)->name, name))
		auth_connection_forget(*at);
	(*at)->name = name;
	return *at;
}

static void ask(struct auth_connection *connection, struct str token, struct str extras,
                struct auth_query *query)
{
	struct buf line;

	buf_init(&line, TOKEN_MAX_BYTES + AUTH_MAX_BYTES + 8);
	buf_add_str(&line, connection->request.goes_on ? STR("KK ") : STR("YR "));
	buf_add_str(&line, token);
	if (extras.len > 0) {
		buf_add_char(&line, ' ');
		buf_add_str(&line, extras);
	}
	connection->query = query;
	query->state_ = connection;
	query->drop_state_ = drop_query;
	query->verdict = AUTH_PENDING;
	helper_pool_ask(connection->pool, &connection->request, buf_str(&line));
	buf_fini(&line);
}

static void begin_conversation(struct auth_connection *connection, struct helper_pool *pool)
{
	auth_connection_forget(connection);
	connection->pool = helper_pool_ref(pool);
	connection->conversation = helper_conversation_new();
}

static bool is_askable(struct str token, struct str extras)
{
	return token.len <= TOKEN_MAX_BYTES && auth_is_token68(token) &&
	       extras.len <= AUTH_MAX_BYTES && helper_value_is_clean(extras);
}

enum auth_verdict auth_connection_check(struct auth_connection **at,
                                        const struct auth_connection_scheme *scheme,
                                        struct str credentials, struct str extras,
                                        struct auth_query *query)
{
	struct auth_connection *connection = get_connection(at, scheme->name);
	uint64_t hash = hash_str(credentials, connection->seed);
	struct str token;

	auth_query_fini(query);
	query->verdict = AUTH_FAILED;
	check(connection->query == NULL);
	if (connection->state == STATE_KNOWN && connection->credentials == hash) {
		query->answer = auth_answer_ref(connection->answer);
		query->verdict = AUTH_OK;
		return query->verdict;
	}
	if (!auth_take_scheme(credentials, scheme->name, &token) || !is_askable(token, extras)) {
		auth_connection_forget(connection);
		return query->verdict;
	}
	connection->request.goes_on = connection->state == STATE_CHALLENGED;
	if (!connection->request.goes_on)
		begin_conversation(connection, scheme->pool);
	connection->credentials = hash;
	connection->request.loop = query->loop;
	connection->request.done = on_reply;
	connection->request.conversation = connection->conversation;
	ask(connection, token, extras, query);
	return query->verdict;
}

/* ---- what is known */

static bool is_in(const struct auth_connection *connection, enum state state, struct str name)
{
	return connection && connection->state == state && str_eq(connection->name, name);
}

struct auth_answer *auth_connection_user(const struct auth_connection *connection, struct str name)
{
	return is_in(connection, STATE_KNOWN, name) ? connection->answer : NULL;
}

struct str auth_connection_challenge(const struct auth_connection *connection, struct str name)
{
	return is_in(connection, STATE_CHALLENGED, name) ? str_of(connection->token) : STR_NONE;
}

bool auth_connection_take_proof(struct auth_connection *connection, struct buf *out)
{
	if (!connection || connection->state != STATE_KNOWN || !connection->token)
		return false;
	buf_add_str(out, connection->name);
	buf_add_char(out, ' ');
	buf_add_str(out, str_of(connection->token));
	drop_token(connection);
	return !out->is_full;
}
