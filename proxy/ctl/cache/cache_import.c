/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/disk/disk.h"
#include "cache/disk/disk_import.h"
#include "lib/base/heap.h"
#include "proxy/ctl/cache/cache.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/progress.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"

const char ctl_cache_import_help[] =
	"FILE is a cache.db, as `cache export` makes it. A running instance reads it itself,\n"
	"so that its user must be able to; otherwise the files of the configuration are\n"
	"opened here: run it as the user that bobtail becomes.\n";

enum { MAX_DISKS = 16 };

struct target {
	struct disk *disks[MAX_DISKS];
	unsigned n;
};

static struct disk *choose(void *owner, uint64_t key, uint64_t body_bytes)
{
	(void)body_bytes;
	const struct target *target = owner;

	return target->disks[(key >> 40) % target->n];
}

static int open_disks(struct target *target, const struct config *config)
{
	for (const struct cache_dir *dir = config->cache_dirs->first; dir; dir = dir->next) {
		const struct disk_config disk = {
			.directory = dir->path.at,
			.max_bytes = dir->max_bytes,
			.min_object_bytes = (uint64_t)dir->min_object_bytes,
			.max_object_bytes =
				dir->max_object_bytes < 0 ? 0 : (uint64_t)dir->max_object_bytes,
		};
		struct err_text why;

		if (target->n == MAX_DISKS)
			break;
		if (disk_open(&disk, &target->disks[target->n], &why) != ERR_OK)
			return ctl_fail("%s", why.at);
		target->n++;
	}
	return target->n > 0 ? CTL_OK : ctl_fail("%s has no cache_dir", config->path);
}

static int copy(struct disk_import *import)
{
	enum { NAP_US = 1000 };
	struct disk_import_count count = {0};
	enum disk_import_verdict verdict;
	struct progress bar;

	progress_init(&bar);
	do {
		verdict = disk_import_step(import, &count);
		if (verdict == IMPORT_BUSY)
			usleep(NAP_US);
		progress_show(&bar, count.done, count.total);
	} while (verdict <= IMPORT_BUSY);
	progress_clear(&bar);
	printf("stored = %" PRIu64 "\nskipped = %" PRIu64 "\ndamaged = %" PRIu64 "\n",
	       count.stored, count.skipped, count.damaged);
	return verdict == IMPORT_DONE ? CTL_OK : ctl_fail("the file cannot be read any further");
}

static int import_here(struct ctl *ctl, const char *path)
{
	struct target target = {0};
	struct disk_import *import;
	struct err_text why;
	int status = open_disks(&target, ctl_config(ctl));

	if (status == CTL_OK) {
		const struct disk_import_config config = {
			.path = path,
			.seed = disk_seed(target.disks[0]),
			.choose = choose,
			.owner = &target,
		};

		import = disk_import_open(&config, &why);
		status = import ? copy(import) : ctl_fail("%s", why.at);
		disk_import_close(import);
	}
	for (unsigned i = 0; i < target.n; i++)
		disk_close(target.disks[i]);
	return status;
}

int ctl_run_cache_import(struct ctl *ctl, const struct ctl_args *args)
{
	char *path = realpath(args->words[0], NULL);
	int status;

	if (!path)
		return ctl_fail("%s: %s", args->words[0], strerror(errno));
	if (client_is_running(ctl)) {
		const char *const words[] = {"import", path};

		status = client_ask(ctl, words, 2, NULL);
	} else {
		status = ctl_config(ctl) ? import_here(ctl, path) : CTL_FAILED;
	}
	mem_free(path);
	return status;
}
