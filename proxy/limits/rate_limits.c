/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/limits/rate_limits.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/log.h"
#include "proxy/limits/rate_table.h"
#include "proxy/session/rate_bucket.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/rate_limits.h"

enum { SAY_EVERY_MS = 10000 };

/* What is counted for one line. */
struct counter {
	struct list node;
	struct str identity;
	unsigned nusers; /* guarded by rate_counters.lock */
	struct rate_table *table;
	atomic_int_least64_t say_at_ms; /* not before; relaxed */
	atomic_uint_least64_t nunsaid;  /* refusals since the last line; relaxed */
};

struct rate_counters {
	struct lock lock;
	struct list all; /* of counters in use */
};

struct rate_limits {
	struct rate_counters *counters;
	unsigned n;
	struct {
		const struct rate_limit_line *line;
		struct counter *counter;
	} at[];
};

/* ---- counters, which outlive a configuration */

struct rate_counters *rate_counters_create(void)
{
	struct rate_counters *counters = mem_zalloc(sizeof(*counters));

	lock_init(&counters->lock);
	list_init(&counters->all);
	return counters;
}

void rate_counters_destroy(struct rate_counters *counters)
{
	if (!counters)
		return;
	lock_fini(&counters->lock);
	mem_free(counters);
}

static struct counter *create_counter(struct str identity)
{
	struct counter *counter = mem_zalloc(sizeof(*counter));

	counter->identity = str_of(str_dup(identity));
	counter->table = rate_table_create();
	return counter;
}

static void destroy_counter(struct counter *counter)
{
	rate_table_destroy(counter->table);
	mem_free((void *)(uintptr_t)counter->identity.at);
	mem_free(counter);
}

static struct counter *find_locked(struct rate_counters *counters, struct str identity)
{
	lock_check_held(&counters->lock);
	LIST_EACH(node, &counters->all) {
		struct counter *counter = CONTAINER(node, struct counter, node);

		if (str_eq(counter->identity, identity)) {
			counter->nusers++;
			return counter;
		}
	}
	return NULL;
}

/* Only the thread that makes configurations adds some. */
static struct counter *counter_ref(struct rate_counters *counters, struct str identity)
{
	struct counter *counter;

	lock_take(&counters->lock);
	counter = find_locked(counters, identity);
	lock_drop(&counters->lock);
	if (counter)
		return counter;
	counter = create_counter(identity);
	counter->nusers = 1;
	lock_take(&counters->lock);
	list_push_back(&counters->all, &counter->node);
	lock_drop(&counters->lock);
	return counter;
}

static void counter_unref(struct rate_counters *counters, struct counter *counter)
{
	bool is_last;

	lock_take(&counters->lock);
	is_last = --counter->nusers == 0;
	if (is_last)
		list_remove(&counter->node);
	lock_drop(&counters->lock);
	if (is_last)
		destroy_counter(counter);
}

/* ---- the limits of a configuration */

struct rate_limits *rate_limits_create(const struct rate_limit_lines *lines,
                                       struct rate_counters *counters)
{
	struct rate_limits *limits;

	if (lines->n == 0)
		return NULL;
	limits = mem_zalloc(sizeof(*limits) + lines->n * sizeof(limits->at[0]));
	limits->counters = counters;
	LIST_EACH(node, &lines->all) {
		const struct rate_limit_line *line =
			CONTAINER(node, const struct rate_limit_line, node);

		limits->at[limits->n].line = line;
		limits->at[limits->n++].counter = counter_ref(counters, line->identity);
	}
	return limits;
}

void rate_limits_destroy(struct rate_limits *limits)
{
	if (!limits)
		return;
	for (unsigned i = 0; i < limits->n; i++)
		counter_unref(limits->counters, limits->at[i].counter);
	mem_free(limits);
}

/* ---- keys */

/* bytes: of the address, what counts. */
static uint64_t hash_address(const struct acl_facts *facts, uint64_t seed,
                             void (*bytes)(const struct addr *, uint8_t[16]))
{
	const struct addr *addr = facts->indirect ? facts->indirect : facts->client;
	uint8_t ip[16];

	if (!addr)
		return seed;
	bytes(addr, ip);
	return hash_str((struct str){(const char *)ip, sizeof(ip)}, seed);
}

/* "/a/b/c?q" with two segments: "/a/b". */
static struct str path_prefix(struct str path, unsigned nsegments)
{
	size_t at = 0;

	path = str_first(path, str_find_char(path, '?'));
	while (at < path.len) {
		if (path.at[at] == '/' && nsegments-- == 0)
			break;
		at++;
	}
	return str_first(path, at);
}

static struct str header_value(const struct acl_facts *facts, const struct rate_key *key)
{
	const struct http_head *head = &facts->request->head;
	const struct http_field *field;

	if (key->header_id != FIELD_OTHER)
		return http_value(head, key->header_id);
	field = http_find_name(head, key->header, NULL);
	return field ? http_field_value(head, field) : STR_NONE;
}

/* Host names compare without case; facts->host is lower case already. */
static uint64_t hash_key(const struct rate_key *key, const struct acl_facts *facts, uint64_t seed)
{
	struct str text;

	switch (key->kind) {
	case RATE_KEY_ADDRESS:
		return hash_address(facts, seed, addr_client_bytes);
	case RATE_KEY_NETWORK:
		return hash_address(facts, seed, addr_network_bytes);
	case RATE_KEY_HOST:
		return hash_str(facts->host, seed);
	case RATE_KEY_PATH:
		return hash_str(path_prefix(facts->path, key->nsegments), seed);
	case RATE_KEY_USER:
		text = facts->user;
		break;
	default:
		text = header_value(facts, key);
	}
	/* No name may stand for an address. */
	return text.len > 0 ? hash_str(text, ~seed)
	                    : hash_address(facts, seed, addr_client_bytes);
}

/* ---- requests */

static void say_refusal(struct counter *counter, const struct rate_limit_line *line,
                        const struct acl_facts *facts, int64_t now_ms)
{
	int_least64_t at = atomic_load_explicit(&counter->say_at_ms, memory_order_relaxed);
	char client[ADDR_TEXT_BYTES] = "-";
	const struct addr *addr = facts->indirect ? facts->indirect : facts->client;
	uint64_t n;

	atomic_fetch_add_explicit(&counter->nunsaid, 1, memory_order_relaxed);
	if (now_ms < at || !atomic_compare_exchange_strong_explicit(
				   &counter->say_at_ms, &at, now_ms + SAY_EVERY_MS,
				   memory_order_relaxed, memory_order_relaxed))
		return;
	n = atomic_exchange_explicit(&counter->nunsaid, 0, memory_order_relaxed);
	if (addr)
		addr_ip_text(addr, client);
	log_say(1,
		"WARNING: rate_limit %.*s (%.*s): a request of %s for %.*s is refused with 429, "
		"%" PRIu64 " were since the last such line",
		STR_ARG(line->name), STR_ARG(line->rate), client, STR_ARG(facts->host), n);
}

static bool refuses(const struct rate_limit_line *line, struct counter *counter,
                    const struct acl_facts *facts, int64_t now_ms, struct rate_refusal *refusal)
{
	const struct rate_limit limit = {line->units_per_s, line->burst_units};
	uint64_t key = rate_table_seed(counter->table);
	int64_t wait_ms;

	for (unsigned i = 0; i < line->nkeys; i++)
		key = hash_key(&line->keys[i], facts, key);
	wait_ms = rate_table_take(counter->table, key, &limit, RATE_LIMIT_UNITS, now_ms);
	if (wait_ms == 0)
		return false;
	say_refusal(counter, line, facts, now_ms);
	*refusal = (struct rate_refusal){line->name, (wait_ms + 999) / 1000};
	return true;
}

bool rate_limits_refuse(struct rate_limits *limits, bool needs_user, struct acl_facts *facts,
                        int64_t now_ms, struct rate_refusal *refusal)
{
	for (unsigned i = 0; i < limits->n; i++) {
		const struct rate_limit_line *line = limits->at[i].line;

		if (line->needs_user == needs_user &&
		    access_list_allows(line->access, true, facts) &&
		    refuses(line, limits->at[i].counter, facts, now_ms, refusal))
			return true;
	}
	return false;
}
