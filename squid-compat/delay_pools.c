/* SPDX-License-Identifier: BSD-2-Clause */
/* Squid: cf.data.pre, delay_pools to response_delay_pool_access. */
#include "squid-compat/delay_pools.h"

#include "lib/base/heap.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/values.h"

enum { MAX_CLASS = 3, SQUID_MAX_CLASS = 5, DEFAULT_LEVEL = 50, FULL_LEVEL = 100 };

void delay_config_init(struct delay_config *config)
{
	*config = (struct delay_config){
		.initial_percent = DEFAULT_LEVEL,
		.client_initial_percent = DEFAULT_LEVEL,
	};
	list_init(&config->response_pools);
}

static void free_pools(struct delay_pool *pools, unsigned npools)
{
	for (unsigned i = 0; i < npools; i++)
		access_list_destroy(pools[i].access);
	mem_free(pools);
}

void delay_config_fini(struct delay_config *config)
{
	free_pools(config->pools, config->npools);
	free_pools(config->client_pools, config->nclient_pools);
	LIST_EACH_SAFE(node, &config->response_pools) {
		struct response_pool *pool = CONTAINER(node, struct response_pool, node);

		access_list_destroy(pool->access);
		mem_free(pool);
	}
}

bool delay_config_is_empty(const struct delay_config *config)
{
	return config->npools == 0 && config->nclient_pools == 0 &&
	       list_is_empty(&config->response_pools);
}

/* ---- pools by number */

void delay_parse_pools(struct delay_config *config, bool is_client, const struct words *words,
                       struct report *report)
{
	struct delay_pool **pools = is_client ? &config->client_pools : &config->pools;
	unsigned *npools = is_client ? &config->nclient_pools : &config->npools;
	int64_t n;
	size_t i = 1;

	if (!value_int(words, &i, report, 0, DELAY_MAX_POOLS, &n))
		return;
	if (*npools > 0)
		report_say(report, REPORT_WARNING,
		           "multiple %.*s lines, aborting all previous %.*s config",
		           STR_ARG(words_text(words, 0)), STR_ARG(words_text(words, 0)));
	free_pools(*pools, *npools);
	*npools = (unsigned)n;
	*pools = mem_array(n > 0 ? (size_t)n : 1, sizeof(**pools));
	for (unsigned k = 0; is_client && k < *npools; k++)
		(*pools)[k].class = 1;
}

/* The pool that word 1 names by its number, from 1 on; NULL, and said, if there is none. */
static struct delay_pool *find_pool(struct delay_config *config, bool is_client,
                                    const struct words *words, struct report *report)
{
	unsigned npools = is_client ? config->nclient_pools : config->npools;
	uint64_t number;

	if (!str_to_u64(words_text(words, 1), &number) || number < 1 || number > npools) {
		report_say(report, REPORT_FATAL, "%.*s: there is no pool '%.*s' among %u",
		           STR_ARG(words_text(words, 0)), STR_ARG(words_text(words, 1)), npools);
		return NULL;
	}
	return &(is_client ? config->client_pools : config->pools)[number - 1];
}

void delay_parse_class(struct delay_config *config, const struct words *words,
                       struct report *report)
{
	struct delay_pool *pool = find_pool(config, false, words, report);
	int64_t class;
	size_t i = 2;

	if (!pool || !value_int(words, &i, report, 1, SQUID_MAX_CLASS, &class))
		return;
	if (class > MAX_CLASS)
		report_say(report, REPORT_IGNORED,
		           "delay_class %d is not among those known here (1 to %d): the pool limits "
		           "nothing",
		           (int)class, MAX_CLASS);
	pool->class = class <= MAX_CLASS ? (int)class : 0;
}

/* Both numbers, or none. max 0 and what is negative: unlimited. */
static bool set_rate(struct str restore, struct str max, struct delay_rate *out)
{
	struct delay_rate rate;

	if (!str_to_i64(restore, &rate.restore_bytes) || !str_to_i64(max, &rate.max_bytes))
		return false;
	if (rate.restore_bytes < 0 || rate.max_bytes < 0)
		rate = (struct delay_rate){0};
	*out = rate;
	return true;
}

/* "none" or RESTORE/MAX. */
static bool parse_rate(struct str word, struct delay_rate *out, struct report *report)
{
	size_t slash = str_find_char(word, '/');

	if (str_eq(word, STR("none"))) {
		*out = (struct delay_rate){0};
		return true;
	}
	if (slash < word.len && set_rate(str_first(word, slash), str_from(word, slash + 1), out))
		return true;
	report_say(report, REPORT_FATAL,
	           "'%.*s' is no rate: BYTES-PER-SECOND/BYTES, or none, is asked for",
	           STR_ARG(word));
	return false;
}

/* Which of aggregate, network and individual the words of each class are. */
static const struct {
	unsigned n;
	unsigned place[DELAY_MAX_RATES];
} rates_of_class[] = {
	[1] = {1, {0}},
	[2] = {2, {0, 2}},
	[3] = {3, {0, 1, 2}},
};

void delay_parse_parameters(struct delay_config *config, const struct words *words,
                            struct report *report)
{
	struct delay_pool *pool = find_pool(config, false, words, report);

	if (!pool)
		return;
	if (pool->class == 0) {
		report_say(report, REPORT_IGNORED,
		           "delay_parameters of a pool without a class that is known: ignored");
		return;
	}
	if (words->n != 2 + rates_of_class[pool->class].n) {
		report_say(report, REPORT_FATAL, "a delay pool of class %d has %u rates",
		           pool->class, rates_of_class[pool->class].n);
		return;
	}
	for (unsigned i = 0; i < rates_of_class[pool->class].n; i++)
		if (!parse_rate(words->at[2 + i].text,
		                &pool->rates[rates_of_class[pool->class].place[i]], report))
			return;
}

void delay_parse_client_parameters(struct delay_config *config, const struct words *words,
                                   struct report *report)
{
	struct delay_pool *pool = find_pool(config, true, words, report);

	if (pool &&
	    !set_rate(words_text(words, 2), words_text(words, 3), &pool->rates[0]))
		report_say(report, REPORT_FATAL,
		           "client_delay_parameters needs POOL BYTES-PER-SECOND BYTES");
}

static void add_rule(struct access_list **access, struct acl_set *set, const struct words *words,
                     struct report *report)
{
	if (!*access)
		*access = access_list_create();
	access_list_parse(*access, set, words, 2, false, report);
}

void delay_parse_access(struct delay_config *config, bool is_client, struct acl_set *set,
                        const struct words *words, struct report *report)
{
	struct delay_pool *pool = find_pool(config, is_client, words, report);

	if (pool)
		add_rule(&pool->access, set, words, report);
}

void delay_parse_level(struct delay_config *config, bool is_client, const struct words *words,
                       struct report *report)
{
	int64_t percent;
	size_t i = 1;

	if (!value_int(words, &i, report, 0, FULL_LEVEL, &percent))
		return;
	*(is_client ? &config->client_initial_percent : &config->initial_percent) = (int)percent;
}

/* ---- response_delay_pool */

static struct response_pool *find_response_pool(struct delay_config *config, struct str name)
{
	LIST_EACH(node, &config->response_pools) {
		struct response_pool *pool = CONTAINER(node, struct response_pool, node);

		if (str_eq(pool->name, name))
			return pool;
	}
	return NULL;
}

static bool parse_option(struct str word, struct response_pool *pool)
{
	size_t equals = str_find_char(word, '=');
	struct str name = str_first(word, equals);
	int64_t value;
	const struct {
		const char *name;
		int64_t *place;
	} options[] = {
		{"individual-restore", &pool->individual.restore_bytes},
		{"individual-maximum", &pool->individual.max_bytes},
		{"aggregate-restore", &pool->aggregate.restore_bytes},
		{"aggregate-maximum", &pool->aggregate.max_bytes},
	};

	if (equals == word.len || !str_to_i64(str_from(word, equals + 1), &value))
		return false;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (!str_eq(name, str_of(options[i].name)))
			continue;
		*options[i].place = value > 0 ? value : 0;
		return true;
	}
	if (!str_eq(name, STR("initial-bucket-level")) || value < 0 || value > FULL_LEVEL)
		return false;
	pool->initial_percent = (int)value;
	return true;
}

void delay_parse_response_pool(struct delay_config *config, struct arena *arena,
                               const struct words *words, struct report *report)
{
	struct str name = words_text(words, 1);
	struct response_pool *pool = find_response_pool(config, name);

	if (name.len == 0) {
		report_say(report, REPORT_FATAL, "response_delay_pool needs a name");
		return;
	}
	if (!pool) {
		pool = mem_zalloc(sizeof(*pool));
		pool->name = arena_str(arena, name);
		pool->initial_percent = DEFAULT_LEVEL;
		list_push_back(&config->response_pools, &pool->node);
	}
	for (size_t i = 2; i < words->n; i++)
		if (!parse_option(words->at[i].text, pool))
			report_say(report, REPORT_FATAL, "response_delay_pool: '%.*s' is no option",
			           STR_ARG(words->at[i].text));
}

void delay_parse_response_access(struct delay_config *config, struct acl_set *set,
                                 const struct words *words, struct report *report)
{
	struct response_pool *pool = find_response_pool(config, words_text(words, 1));

	if (pool)
		add_rule(&pool->access, set, words, report);
	else
		report_say(report, REPORT_FATAL, "there is no response_delay_pool '%.*s' yet",
		           STR_ARG(words_text(words, 1)));
}
