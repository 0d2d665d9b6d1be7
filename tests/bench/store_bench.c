/* SPDX-License-Identifier: BSD-2-Clause */
/* What storing costs: CPU time of the disk tier's threads for each object, and bytes written for each
 * byte stored. Objects are offered as fast as the queue takes them.
 *
 *     store_bench [BYTES [COUNT [CAP_MIB [FOLDER]]]]     (32768 20000 4096 /var/tmp) */
#include "cache/disk/disk.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"

enum { NBODIES = 64, NAP_US = 500 };

struct plan {
	size_t bytes;
	unsigned count;
	uint64_t cap_mib;
	const char *folder;
	char *bodies[NBODIES];
};

static double cpu_s(clockid_t clock)
{
	struct timespec now;

	check(clock_gettime(clock, &now) == 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A line of /proc/self/io. */
static double io_bytes(const char *name)
{
	FILE *file = fopen("/proc/self/io", "r");
	char line[128];
	double value = 0;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtod(line + strlen(name) + 1, NULL);
	if (file)
		fclose(file);
	return value;
}

static struct object *make_object(const struct plan *plan, unsigned n, const char *url)
{
	int64_t now_s = clock_wall_s();
	struct object_head head = {
		.status = 200,
		.head = STR("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"x\"\r\n"
			    "Cache-Control: max-age=86400\r\n"),
		.url = str_of(url),
		.facts = {.date_s = now_s, .expires_s = now_s + 86400, .arrived_s = now_s},
	};

	return object_create_whole(&head, (struct str){plan->bodies[n % NBODIES], plan->bytes});
}

static void offer(struct disk *disk, const struct plan *plan, unsigned n)
{
	char url[64];
	struct object *object;

	snprintf(url, sizeof(url), "http://www.example/%u", n);
	object = make_object(plan, n, url);
	while (!disk_store(disk, object, hash_str(str_of(url), disk_seed(disk))))
		usleep(NAP_US);
	object_unref(object);
}

static void settle(struct disk *disk, struct disk_stats *stats)
{
	do {
		usleep(NAP_US);
		disk_stats(disk, stats);
	} while (stats->queued_bytes > 0);
}

static void measure(const struct plan *plan, struct disk *disk)
{
	double wall = cpu_s(CLOCK_MONOTONIC), cpu = cpu_s(CLOCK_PROCESS_CPUTIME_ID);
	double own = cpu_s(CLOCK_THREAD_CPUTIME_ID), body_bytes;
	double wchar = io_bytes("wchar"), device = io_bytes("write_bytes");
	struct disk_stats stats;

	for (unsigned n = 0; n < plan->count; n++)
		offer(disk, plan, n);
	settle(disk, &stats);
	wall = cpu_s(CLOCK_MONOTONIC) - wall;
	cpu = cpu_s(CLOCK_PROCESS_CPUTIME_ID) - cpu - (cpu_s(CLOCK_THREAD_CPUTIME_ID) - own);
	body_bytes = (double)stats.stored_bytes;
	printf("%zu bytes: %llu stored, %.1f us CPU and %.1f us each, %.0f MB/s; written %.2f, "
	       "to the device %.2f a byte; %llu evicted\n",
	       plan->bytes, (unsigned long long)stats.stored, cpu * 1e6 / (double)stats.stored,
	       wall * 1e6 / (double)stats.stored, body_bytes / wall / 1e6,
	       (io_bytes("wchar") - wchar) / body_bytes,
	       (io_bytes("write_bytes") - device) / body_bytes,
	       (unsigned long long)stats.evicted);
}

static void remove_folder(const char *path)
{
	static const char *const files[] = {"cache.db", "cache.db-wal", "cache.db-shm",
					    "cache.db.lock"};

	for (size_t i = 0; i < COUNT(files); i++) {
		char *file = mem_printf("%s/%s", path, files[i]);

		unlink(file);
		mem_free(file);
	}
	rmdir(path);
}

static size_t number(int argc, char **argv, int i, size_t otherwise)
{
	return argc > i ? strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	struct plan plan = {
		.bytes = number(argc, argv, 1, 32768),
		.count = (unsigned)number(argc, argv, 2, 20000),
		.cap_mib = number(argc, argv, 3, 4096),
	};
	char *folder = mem_printf("%s/store-bench-XXXXXX", argc > 4 ? argv[4] : "/var/tmp");
	struct disk_config config = {.max_bytes = plan.cap_mib << 20};
	struct err_text why = {""};
	struct disk *disk;

	check(mkdtemp(folder));
	for (unsigned i = 0; i < NBODIES; i++) {
		plan.bodies[i] = mem_alloc(plan.bytes + 1);
		random_fill(plan.bodies[i], plan.bytes);
	}
	config.directory = folder;
	if (disk_open(&config, &disk, &why) != ERR_OK) {
		fprintf(stderr, "%s\n", why.at);
		return 1;
	}
	measure(&plan, disk);
	disk_close(disk);
	remove_folder(folder);
	for (unsigned i = 0; i < NBODIES; i++)
		mem_free(plan.bodies[i]);
	mem_free(folder);
	return 0;
}
