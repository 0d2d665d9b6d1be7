/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/delay_pools.h: the three families of directives that limit the rate of replies:
 * delay_pools (what was not in the cache, by pools of class 1 to 3), client_delay_pools (all that
 * one client address gets) and response_delay_pool (each reply, and all of them together).
 *
 * Threads: built by one, immutable and shared after that. Strings lie in the arena given. */
#ifndef SQUID_COMPAT_DELAY_POOLS_H
#define SQUID_COMPAT_DELAY_POOLS_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/list.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct access_list;
struct acl_set;

enum {
	DELAY_MAX_POOLS = 1024,
	DELAY_MAX_RATES = 3, /* of a pool of class 3: aggregate, network, individual */
};

/* A bucket: bytes that come in a second, and how many it holds. Unlimited: max_bytes 0. */
struct delay_rate {
	int64_t restore_bytes;
	int64_t max_bytes;
};

struct delay_pool {
	int class; /* 1 to 3; 0: not said, the pool limits nothing */
	struct delay_rate rates[DELAY_MAX_RATES]; /* aggregate, network, individual */
	struct access_list *access; /* NULL: nobody */
};

struct response_pool {
	struct list node;
	struct str name;
	struct delay_rate individual, aggregate;
	int initial_percent;
	struct access_list *access; /* NULL: nobody */
};

struct delay_config {
	/* delay_pools, delay_class, delay_parameters, delay_access */
	struct delay_pool *pools;
	unsigned npools;
	int initial_percent; /* delay_initial_bucket_level */
	/* client_delay_pools and its family: rates[0] is each client's */
	struct delay_pool *client_pools;
	unsigned nclient_pools;
	int client_initial_percent;
	struct list response_pools; /* struct response_pool, in the order of the file */
};

void delay_config_init(struct delay_config *config);
void delay_config_fini(struct delay_config *config);

/* Lines of the directives, whole. What is wrong with one is said to report. */
void delay_parse_pools(struct delay_config *config, bool is_client, const struct words *words,
                       struct report *report);
void delay_parse_class(struct delay_config *config, const struct words *words,
                       struct report *report);
void delay_parse_parameters(struct delay_config *config, const struct words *words,
                            struct report *report);
void delay_parse_client_parameters(struct delay_config *config, const struct words *words,
                                   struct report *report);
void delay_parse_access(struct delay_config *config, bool is_client, struct acl_set *set,
                        const struct words *words, struct report *report);
void delay_parse_level(struct delay_config *config, bool is_client, const struct words *words,
                       struct report *report);
void delay_parse_response_pool(struct delay_config *config, struct arena *arena,
                               const struct words *words, struct report *report);
void delay_parse_response_access(struct delay_config *config, struct acl_set *set,
                                 const struct words *words, struct report *report);

/* Does anything limit a reply? */
bool delay_config_is_empty(const struct delay_config *config);

#endif
