/* SPDX-License-Identifier: BSD-2-Clause */
/* bearer_jwt_auth -k JWKS [OPTION...]: checks bearer tokens that are JWTs against the keys of a
 * file, which is read again when it changes. [ID SP] TOKEN [SP extras] LF → OK user="..."
 * ttl=SECONDS [CLAIM="..."]... | ERR error=invalid_token|insufficient_scope message="..." */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "helpers/bundled/bearer_jwt_auth/policy.h"
#include "helpers/bundled/common/helper_line.h"
#include "helpers/bundled/common/watched_file.h"
#include "lib/base/heap.h"

static const char program[] = "bearer_jwt_auth";

enum { DEFAULT_LEEWAY_S = 30, MAX_LEEWAY_S = 3600 };

struct options {
	const char *path;
	struct policy policy;
};

static bool add_name(struct policy_names *names, const char *name)
{
	if (names->n == POLICY_NAMES)
		return false;
	names->names[names->n++] = name;
	return true;
}

static bool take_option(int option, const char *value, struct options *options)
{
	struct policy *policy = &options->policy;
	uint64_t leeway_s;

	switch (option) {
	case 'k':
		options->path = value;
		return true;
	case 'u':
		policy->user_claim = value;
		return true;
	case 'i':
		return add_name(&policy->issuers, value);
	case 'a':
		return add_name(&policy->audiences, value);
	case 's':
		return add_name(&policy->scopes, value);
	case 'n':
		return add_name(&policy->notes, value);
	case 'l':
		if (!str_to_u64(str_of(value), &leeway_s) || leeway_s > MAX_LEEWAY_S)
			return false;
		policy->leeway_s = (int64_t)leeway_s;
		return true;
	default:
		return false;
	}
}

static bool read_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt(argc, argv, "k:i:a:s:u:n:l:")) != -1)
		if (!take_option(option, optarg, options))
			return false;
	return options->path && optind == argc;
}

/* What a running program has beside its options. */
struct keeper {
	struct json *json;
	struct watched_file file;
	struct jwk_set *keys; /* NULL: none were ever read */
	struct err_text why;
};

static void refresh(struct keeper *keeper)
{
	char *text = watched_file_read(&keeper->file);
	struct jwk_set *keys;

	if (!keeper->keys && keeper->file.why.at[0])
		keeper->why = keeper->file.why;
	if (!text)
		return;
	keys = jwk_set_create(keeper->json, str_of(text), keeper->file.path, &keeper->why);
	if (keys) {
		jwk_set_destroy(keeper->keys);
		keeper->keys = keys;
	} else {
		fprintf(stderr, "%s: %s: %s\n", program, keeper->why.at,
		        keeper->keys ? "goes on with the keys it has" : "answers BH until it is");
	}
	mem_free(text);
}

static void answer(struct helper_lines *lines, struct keeper *keeper, const struct policy *policy,
                   const char *question)
{
	struct str token = {question, strcspn(question, " ")};
	struct buf text;

	if (!keeper->keys) {
		helper_answer_broken(lines, keeper->why.at);
		return;
	}
	buf_init(&text, POLICY_ANSWER_BYTES);
	policy_judge(policy, keeper->json, keeper->keys, token, time(NULL), &text);
	helper_answer(lines, "%.*s", STR_ARG(buf_str(&text)));
	buf_fini(&text);
}

static void serve(const struct options *options, struct keeper *keeper)
{
	struct helper_lines lines;
	const char *question;

	helper_lines_init(&lines, STDIN_FILENO, HELPER_CHANNEL_MAYBE);
	refresh(keeper);
	while ((question = helper_lines_next(&lines)) != NULL) {
		refresh(keeper);
		answer(&lines, keeper, &options->policy, question);
	}
	helper_lines_fini(&lines);
}

int main(int argc, char **argv)
{
	struct options options = {.policy = {.user_claim = "sub", .leeway_s = DEFAULT_LEEWAY_S}};
	struct keeper keeper = {0};

	if (!read_options(argc, argv, &options)) {
		fprintf(stderr,
		        "Usage: %s -k JWKS [-i ISSUER]... [-a AUDIENCE]... [-s SCOPE]... "
		        "[-u CLAIM] [-n CLAIM]... [-l SECONDS]\n",
		        program);
		return 1;
	}
	keeper.json = json_create(&keeper.why);
	if (!keeper.json) {
		fprintf(stderr, "FATAL: %s: %s\n", program, keeper.why.at);
		return 1;
	}
	watched_file_init(&keeper.file, program, options.path);
	serve(&options, &keeper);
	jwk_set_destroy(keeper.keys);
	json_destroy(keeper.json);
	return 0;
}
