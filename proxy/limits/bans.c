/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/limits/bans.h"

#include "lib/base/arena.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "proxy/limits/ban_table.h"
#include "proxy/limits/event_table.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/ban_lines.h"

struct bans {
	const struct access_list *exempt;
	struct ban_table *table;
	unsigned n;
	struct {
		const struct ban_line *line;
		struct event_table *events;
	} at[];
};

struct bans *bans_create(const struct ban_lines *lines, const struct access_list *exempt,
                         struct ban_table *table)
{
	struct bans *bans;

	if (lines->n == 0)
		return NULL;
	bans = mem_zalloc(sizeof(*bans) + lines->n * sizeof(bans->at[0]));
	bans->exempt = exempt;
	bans->table = table;
	LIST_EACH(node, &lines->all) {
		bans->at[bans->n].line = CONTAINER(node, const struct ban_line, node);
		bans->at[bans->n++].events = event_table_create();
	}
	return bans;
}

void bans_destroy(struct bans *bans)
{
	if (!bans)
		return;
	for (unsigned i = 0; i < bans->n; i++)
		event_table_destroy(bans->at[i].events);
	mem_free(bans);
}

bool bans_exempts(const struct access_list *exempt, const struct addr *addr)
{
	char memory[256];
	struct arena arena;
	struct acl_facts facts = {.arena = &arena, .is_fast = true, .client = addr};
	bool is_exempt;

	arena_init(&arena, memory, sizeof(memory));
	is_exempt = access_list_allows(exempt, false, &facts);
	arena_fini(&arena);
	return is_exempt;
}

static void shut_out(struct bans *bans, const struct ban_line *line,
                     const struct ban_prefix *prefix, int64_t now_s)
{
	struct ban ban = {.prefix = *prefix, .until_s = now_s + (line->duration_ms + 999) / 1000};
	char text[BAN_PREFIX_TEXT_BYTES];

	str_copy(line->name, ban.rule, sizeof(ban.rule));
	ban_prefix_text(prefix, text);
	if (ban_table_add(bans->table, &ban))
		log_say(1, "ban %s: %s is shut out for %lld seconds (%u times within %lld s)",
			ban.rule, text, (long long)(ban.until_s - now_s), line->n,
			(long long)(line->window_ms / 1000));
	else
		log_say(1, "WARNING: ban %s: %s cannot be shut out, there are %d bans already",
			ban.rule, text, BAN_TABLE_MAX);
}

void bans_count(struct bans *bans, struct acl_facts *facts, bool has_failed_login, int64_t now_ms,
                int64_t now_s)
{
	const struct addr *addr = facts->indirect ? facts->indirect : facts->client;
	struct ban_prefix prefix;

	if (!addr || !ban_prefix_of(addr, &prefix))
		return;
	for (unsigned i = 0; i < bans->n; i++) {
		const struct ban_line *line = bans->at[i].line;
		struct event_table *events = bans->at[i].events;
		struct str ip = {(const char *)prefix.ip, sizeof(prefix.ip)};

		if (line->condition ? !acl_condition_holds(line->condition, facts)
				    : !has_failed_login)
			continue;
		if (access_list_allows(bans->exempt, false, facts))
			return;
		if (event_table_count(events, hash_str(ip, event_table_seed(events)),
				      line->window_ms, now_ms) == line->n)
			shut_out(bans, line, &prefix, now_s);
	}
}
