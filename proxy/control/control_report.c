/* SPDX-License-Identifier: BSD-2-Clause */
/* Verbs that tell what goes on: info, counters. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "cache/disk/disk.h"
#include "cache/index.h"
#include "cache/spool.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "proxy/control/control_verbs.h"
#include "proxy/manager/tally.h"
#include "proxy/serve.h"
#include "proxy/server.h"
#include "proxy/version.h"
#include "squid-compat/config.h"

static void say_disk(struct control_call *call, struct disk *disk)
{
	static const char *const states[] = {
		[DISK_NORMAL] = "normal", [DISK_PAUSED] = "paused", [DISK_OFF] = "off"};
	static const char *const budgets[] = {[DISK_BUDGET_AMPLE] = "ample",
					      [DISK_BUDGET_SHORT] = "short",
					      [DISK_BUDGET_SPENT] = "spent"};
	struct disk_stats stats;

	disk_stats(disk, &stats);
	control_say(call, "disk.state = %s%s", states[stats.state],
		    stats.is_loading ? " (loading)" : "");
	control_say(call, "disk.objects = %" PRIu64, stats.objects);
	control_say(call, "disk.used_bytes = %" PRIu64, stats.used_bytes);
	control_say(call, "disk.max_bytes = %" PRIu64, stats.max_bytes);
	control_say(call, "disk.low_bytes = %" PRIu64, stats.low_bytes);
	control_say(call, "disk.high_bytes = %" PRIu64, stats.high_bytes);
	control_say(call, "disk.policy = %s", eviction_name(stats.policy));
	control_say(call, "disk.lookups = %" PRIu64, stats.lookups);
	control_say(call, "disk.hits = %" PRIu64, stats.hits);
	control_say(call, "disk.read_now = %" PRIu64, stats.read_now);
	control_say(call, "disk.stored = %" PRIu64, stats.stored);
	control_say(call, "disk.refused = %" PRIu64, stats.refused);
	control_say(call, "disk.not_admitted = %" PRIu64, stats.not_admitted);
	control_say(call, "disk.dropped = %" PRIu64, stats.dropped);
	control_say(call, "disk.evicted = %" PRIu64, stats.evicted);
	control_say(call, "disk.queued_bytes = %" PRIu64, stats.queued_bytes);
	control_say(call, "disk.written_bytes = %" PRIu64, stats.written_bytes);
	control_say(call, "disk.budget = %s", budgets[stats.budget]);
	control_say(call, "disk.faults = %" PRIu64, stats.faults);
}

static void say_spools(struct control_call *call, const struct spools *spools)
{
	struct spool_stats stats;

	for (unsigned i = 0; spools_stats(spools, i, &stats); i++) {
		control_say(call, "spool.place = %s", stats.directory ? stats.directory : "memory");
		control_say(call, "spool.objects = %" PRIu64, stats.objects);
		control_say(call, "spool.used_bytes = %" PRIu64, stats.used_bytes);
		control_say(call, "spool.max_bytes = %" PRIu64, stats.max_bytes);
		control_say(call, "spool.refused = %" PRIu64, stats.refused);
	}
}

static void write_info(struct control_call *call, const struct tally *tally)
{
	struct serve *serve = control_serve(call);
	const struct server *server = control_server(call);
	struct index_stats memory;

	index_stats(server->index, &memory);
	control_say(call, "version = " VERSION_TEXT);
	control_say(call, "pid = %d", (int)getpid());
	control_say(call, "uptime_s = %" PRId64, (clock_mono_us() - server->started_us) / 1000000);
	control_say(call, "configuration = %s", serve_config(serve)->path);
	control_say(call, "workers = %u", server->nworkers);
	control_say(call, "sessions = %u", tally->nsessions);
	control_say(call, "requests = %" PRIu64, tally->counters.client_requests);
	control_say(call, "memory.objects = %zu", memory.nobjects);
	control_say(call, "memory.used_bytes = %zu", memory.bytes);
	control_say(call, "memory.max_bytes = %zu", memory.max_bytes);
	control_say(call, "memory.policy = %s", eviction_name(memory.policy));
	control_say(call, "memory.evicted = %" PRIu64, memory.nevicted);
	for (unsigned i = 0; i < server->ndisks; i++)
		say_disk(call, server->disks[i]);
	say_spools(call, server->spools);
}

void control_run_info(struct control_call *call)
{
	control_ask_workers(call, write_info);
}

#define COUNTER(field) offsetof(struct counters, field)

/* Squid's names where Squid has the counter. */
static const struct {
	const char *name;
	size_t offset;
	unsigned unit;
} counters[] = {
	{"client_http.requests", COUNTER(client_requests), 1},
	{"client_http.hits", COUNTER(client_hits), 1},
	{"client_http.errors", COUNTER(client_errors), 1},
	{"client_http.kbytes_in", COUNTER(client_bytes_in), 1024},
	{"client_http.kbytes_out", COUNTER(client_bytes_out), 1024},
	{"client_http.hit_kbytes_out", COUNTER(client_hit_bytes_out), 1024},
	{"client_http.connections", COUNTER(connections_accepted), 1},
	{"server.all.requests", COUNTER(server_requests), 1},
	{"server.all.errors", COUNTER(server_errors), 1},
	{"server.all.kbytes_in", COUNTER(server_bytes_in), 1024},
	{"server.all.kbytes_out", COUNTER(server_bytes_out), 1024},
};

static void write_counters(struct control_call *call, const struct tally *tally)
{
	for (size_t i = 0; i < COUNT(counters); i++) {
		uint64_t n;

		memcpy(&n, (const char *)&tally->counters + counters[i].offset, sizeof(n));
		control_say(call, "%s = %" PRIu64, counters[i].name, n / counters[i].unit);
	}
}

void control_run_counters(struct control_call *call)
{
	control_ask_workers(call, write_counters);
}
