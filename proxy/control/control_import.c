/* SPDX-License-Identifier: BSD-2-Clause */
/* The verb import FILE: the objects of another cache.db are stored here as if they had been
 * fetched. */
#include <inttypes.h>
#include <unistd.h>

#include "cache/disk/disk.h"
#include "cache/disk/disk_import.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/control/control_verbs.h"
#include "proxy/server.h"
#include "proxy/store/disks.h"

struct importing {
	struct disk_import *import;
	struct disk_import_count count;
};

static void free_importing(void *state)
{
	struct importing *importing = state;

	disk_import_close(importing->import);
	mem_free(importing);
}

static struct disk *choose(void *owner, uint64_t key, uint64_t body_bytes)
{
	return disks_choose(owner, key, (int64_t)body_bytes);
}

static void end(struct control_call *call, const struct importing *importing, bool is_fault)
{
	control_say(call, "stored = %" PRIu64, importing->count.stored);
	control_say(call, "skipped = %" PRIu64, importing->count.skipped);
	control_say(call, "damaged = %" PRIu64, importing->count.damaged);
	if (is_fault)
		control_fail(call, "the file cannot be read any further");
	else
		control_end(call);
}

/* The main loop serves no requests, so that it may wait a little for the writer. */
static void step(struct control_call *call)
{
	enum { NAP_US = 1000 };
	struct importing *importing = control_state(call);
	int64_t end_ms = clock_mono_ms() + CONTROL_SLICE_MS;
	enum disk_import_verdict verdict;

	do {
		verdict = disk_import_step(importing->import, &importing->count);
		if (verdict == IMPORT_BUSY)
			usleep(NAP_US);
	} while (verdict <= IMPORT_BUSY && clock_mono_ms() < end_ms);
	if (verdict > IMPORT_BUSY)
		end(call, importing, verdict == IMPORT_FAULT);
	else
		control_progress(call, importing->count.done, importing->count.total);
}

void control_run_import(struct control_call *call)
{
	struct server *server = control_server(call);
	char *path = str_dup(control_word(call, 0));
	struct importing *importing = mem_zalloc(sizeof(*importing));
	struct err_text why = {""};

	control_set_state(call, importing, free_importing);
	if (server->ndisks == 0)
		control_fail(call, "there is no cache_dir");
	else {
		const struct disk_import_config config = {
			.path = path,
			.seed = disk_seed(server->disks[0]),
			.choose = choose,
			.owner = server,
			.purges = server->purges,
		};

		importing->import = disk_import_open(&config, &why);
		if (importing->import)
			control_continue(call, step);
		else
			control_fail(call, "%s", why.at);
	}
	mem_free(path);
}
