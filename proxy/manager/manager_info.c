/* SPDX-License-Identifier: BSD-2-Clause */
/* How the process and its stores are. */
#include <inttypes.h>
#include <sys/resource.h>

#include "cache/disk/disk.h"
#include "cache/index.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/http/date.h"
#include "proxy/manager/manager_pages.h"
#include "proxy/manager/statistics.h"
#include "proxy/process/process.h"
#include "proxy/serve.h"
#include "proxy/server.h"
#include "proxy/version.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"

/* All that the parts of the page draw from. */
struct info {
	struct buf *out;
	struct manager_page *page;
	struct reading_of_counts now;
	struct statistics_span five, sixty;
	struct index_stats memory;
	struct disk_stats disk; /* of all: objects and bytes */
	double uptime_s;
};

static double ratio(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

static double percent(uint64_t part, uint64_t whole)
{
	return 100 * ratio((double)part, (double)whole);
}

static void sum_disks(const struct server *server, struct disk_stats *sum)
{
	*sum = (struct disk_stats){0};
	for (unsigned i = 0; i < server->ndisks; i++) {
		struct disk_stats disk;

		disk_stats(server->disks[i], &disk);
		sum->objects += disk.objects;
		sum->used_bytes += disk.used_bytes;
		sum->max_bytes += disk.max_bytes;
		sum->stored += disk.stored;
		sum->refused += disk.refused;
		sum->dropped += disk.dropped;
	}
}

/* ---- info */

static void write_date(struct buf *out, const char *label, int64_t wall_us)
{
	char date[DATE_SIZE];

	date_format(wall_us / 1000000, date);
	buf_printf(out, "%s:\t%s\n", label, date);
}

static void write_head(struct info *info)
{
	buf_add_str(info->out, STR("Squid Object Cache: Version " VERSION_TEXT "\n"));
	buf_printf(info->out, "Build Info: %s\n", PACKAGE_STRING);
	buf_printf(info->out, "Service Name: %s\n", serve_service_name(info->page->serve));
	write_date(info->out, "Start Time", clock_wall_of(info->page->server->started_us));
	write_date(info->out, "Current Time", clock_wall_us());
}

static void write_connections(struct info *info)
{
	const struct counters *five = &info->five.change.counters;
	double minutes = info->uptime_s / 60;
	uint64_t nturns = info->now.loops.turns;

	buf_add_str(info->out, STR("Connection information for squid:\n"));
	buf_printf(info->out, "\tNumber of clients accessing cache:\t%zu\n",
		   manager_count_clients(info->page));
	buf_printf(info->out, "\tNumber of HTTP requests received:\t%" PRIu64 "\n",
		   info->now.counters.client_requests);
	buf_add_str(info->out, STR("\tNumber of ICP messages received:\t0\n"
				   "\tNumber of ICP messages sent:\t0\n"
				   "\tNumber of queued ICP replies:\t0\n"
				   "\tNumber of HTCP messages received:\t0\n"
				   "\tNumber of HTCP messages sent:\t0\n"));
	buf_printf(info->out, "\tRequest failure ratio:\t%5.2f\n",
		   ratio((double)five->server_errors,
			 (double)five->server_requests - (double)five->server_errors));
	buf_printf(info->out, "\tAverage HTTP requests per minute since start:\t%.1f\n",
		   ratio((double)info->now.counters.client_requests, minutes));
	buf_add_str(info->out, STR("\tAverage ICP messages per minute since start:\t0.0\n"));
	buf_printf(info->out, "\tSelect loop called: %" PRIu64 " times, %.3f ms avg\n", nturns,
		   ratio(1000 * info->uptime_s, (double)nturns));
}

/* Of what went to clients, how much did not come from servers? */
static double byte_hits(const struct statistics_span *span)
{
	const struct counters *counters = &span->change.counters;

	if (counters->client_bytes_out <= counters->server_bytes_in)
		return 0;
	return percent(counters->client_bytes_out - counters->server_bytes_in,
		       counters->client_bytes_out);
}

static void write_shares(struct info *info, const char *label, double five, double sixty)
{
	buf_printf(info->out, "\t%s:\t5min: %3.1f%%, 60min: %3.1f%%\n", label, five, sixty);
}

static void write_capacity(struct info *info, const char *label, uint64_t used, uint64_t max)
{
	double share = percent(used, max);

	buf_printf(info->out, "\tStorage %s size:\t%" PRIu64 " KB\n", label, used / 1024);
	buf_printf(info->out, "\tStorage %s capacity:\t%4.1f%% used, %4.1f%% free\n", label, share,
		   max > 0 ? 100 - share : 0);
}

static void write_cache(struct info *info)
{
	const struct counters *five = &info->five.change.counters;
	const struct counters *sixty = &info->sixty.change.counters;

	buf_add_str(info->out, STR("Cache information for squid:\n"));
	write_shares(info, "Hits as % of all requests",
		     percent(five->client_hits, five->client_requests),
		     percent(sixty->client_hits, sixty->client_requests));
	write_shares(info, "Hits as % of bytes sent", byte_hits(&info->five),
		     byte_hits(&info->sixty));
	write_shares(info, "Memory hits as % of hit requests",
		     percent(five->client_memory_hits, five->client_hits),
		     percent(sixty->client_memory_hits, sixty->client_hits));
	write_shares(info, "Disk hits as % of hit requests",
		     percent(five->client_disk_hits, five->client_hits),
		     percent(sixty->client_disk_hits, sixty->client_hits));
	write_capacity(info, "Swap", info->disk.used_bytes, info->disk.max_bytes);
	write_capacity(info, "Mem", info->memory.bytes, info->memory.max_bytes);
	buf_printf(info->out, "\tMean Object Size:\t%.2f KB\n",
		   ratio((double)info->disk.used_bytes / 1024, (double)info->disk.objects));
	buf_add_str(info->out, STR("\tRequests given to unlinkd:\t0\n"));
}

static void write_medians(struct info *info)
{
	static const struct {
		const char *label;
		enum service_kind kind;
	} rows[] = {
		{"HTTP Requests (All):", SERVICE_ALL},
		{"Cache Misses:", SERVICE_MISS},
		{"Cache Hits:", SERVICE_HIT},
		{"Near Hits:", SERVICE_NEAR_HIT},
		{"Not-Modified Replies:", SERVICE_NOT_MODIFIED},
	};

	buf_add_str(info->out, STR("Median Service Times (seconds)  5 min    60 min:\n"));
	for (size_t i = 0; i < COUNT(rows); i++)
		buf_printf(info->out, "\t%-21s %8.5f %8.5f\n", rows[i].label,
			   histogram_quantile(&info->five.times.of[rows[i].kind], 0.5) / 1e6,
			   histogram_quantile(&info->sixty.times.of[rows[i].kind], 0.5) / 1e6);
	buf_printf(info->out, "\t%-21s %8.5f %8.5f\n", "DNS Lookups:", 0.0, 0.0);
	buf_printf(info->out, "\t%-21s %8.5f %8.5f\n", "ICP Queries:", 0.0, 0.0);
}

static double usage_of(const struct statistics_span *span)
{
	return 100 * ratio(span->change.cpu_s, (double)span->change.at_us / 1e6);
}

static void write_resources(struct info *info)
{
	struct rusage usage = {0};

	getrusage(RUSAGE_SELF, &usage);
	buf_add_str(info->out, STR("Resource usage for squid:\n"));
	buf_printf(info->out, "\tUP Time:\t%.3f seconds\n", info->uptime_s);
	buf_printf(info->out, "\tCPU Time:\t%.3f seconds\n", info->now.cpu_s);
	buf_printf(info->out, "\tCPU Usage:\t%.2f%%\n",
		   100 * ratio(info->now.cpu_s, info->uptime_s));
	buf_printf(info->out, "\tCPU Usage, 5 minute avg:\t%.2f%%\n", usage_of(&info->five));
	buf_printf(info->out, "\tCPU Usage, 60 minute avg:\t%.2f%%\n", usage_of(&info->sixty));
	buf_printf(info->out, "\tMaximum Resident Size: %ld KB\n", usage.ru_maxrss);
	buf_printf(info->out, "\tPage faults with physical i/o: %" PRIu64 "\n",
		   info->now.page_faults);
	buf_add_str(info->out, STR("Memory accounted for:\n"));
	buf_printf(info->out, "\tTotal accounted:       %6zu KB\n", info->memory.bytes / 1024);
	buf_add_str(info->out, STR("\tmemPoolAlloc calls:         0\n"
				   "\tmemPoolFree calls:          0\n"));
}

static void write_descriptors(struct info *info)
{
	unsigned long max = process_max_files();
	unsigned largest, n = process_count_files(&largest);

	buf_add_str(info->out, STR("File descriptor usage for squid:\n"));
	buf_printf(info->out, "\tMaximum number of file descriptors:   %5lu\n", max);
	buf_printf(info->out, "\tLargest file desc currently in use:   %5u\n", largest);
	buf_printf(info->out, "\tNumber of file desc currently in use: %5u\n", n);
	buf_add_str(info->out, STR("\tFiles queued for open:                   0\n"));
	buf_printf(info->out, "\tAvailable number of file descriptors: %5lu\n",
		   max > n ? max - n : 0);
	buf_add_str(info->out, STR("\tReserved number of file descriptors:     0\n"
				   "\tStore Disk files open:                   0\n"));
}

static void write_objects(struct info *info)
{
	buf_add_str(info->out, STR("Internal Data Structures:\n"));
	buf_printf(info->out, "\t%6" PRIu64 " StoreEntries\n",
		   info->memory.nobjects + info->disk.objects);
	buf_printf(info->out, "\t%6zu StoreEntries with MemObjects\n", info->memory.nobjects);
	buf_printf(info->out, "\t%6zu Hot Object Cache Items\n", info->memory.nobjects);
	buf_printf(info->out, "\t%6" PRIu64 " on-disk objects\n", info->disk.objects);
}

bool manager_write_info(struct manager_page *page)
{
	const struct statistics *statistics = serve_statistics(page->serve);
	struct info info = {.out = page->out, .page = page};

	statistics_read(statistics, page->tally, &info.now);
	statistics_minutes(statistics, 5, page->tally, &info.five);
	statistics_minutes(statistics, 60, page->tally, &info.sixty);
	index_stats(page->server->index, &info.memory);
	sum_disks(page->server, &info.disk);
	info.uptime_s = (double)(info.now.at_us - page->server->started_us) / 1e6;
	write_head(&info);
	write_connections(&info);
	write_cache(&info);
	write_medians(&info);
	write_resources(&info);
	write_descriptors(&info);
	write_objects(&info);
	return false;
}

/* ---- the stores */

static void write_directory(struct buf *out, unsigned i, struct disk *disk)
{
	static const char *const states[] = {
		[DISK_NORMAL] = "normal", [DISK_PAUSED] = "paused", [DISK_OFF] = "off"};
	struct disk_stats stats;

	disk_stats(disk, &stats);
	buf_printf(out, "\nStore Directory #%u (sqlite): %s\n", i, disk_directory(disk));
	buf_printf(out, "Maximum Size: %" PRIu64 " KB\n", stats.max_bytes / 1024);
	buf_printf(out, "Low and high mark: %" PRIu64 " KB, %" PRIu64 " KB\n",
	           stats.low_bytes / 1024, stats.high_bytes / 1024);
	buf_printf(out, "Current Size: %.2f KB\n", (double)stats.used_bytes / 1024);
	buf_printf(out, "Percent Used: %.2f%%\n", percent(stats.used_bytes, stats.max_bytes));
	buf_printf(out, "Current entries: %10" PRIu64 " %.2f%%\n", stats.objects,
		   percent(stats.used_bytes, stats.max_bytes));
	buf_printf(out, "Removal policy: %s\n", eviction_name(stats.policy));
	buf_printf(out, "State: %s%s\n", states[stats.state],
		   stats.is_loading ? ", loading" : "");
}

bool manager_write_storedir(struct manager_page *page)
{
	struct index_stats memory;
	struct disk_stats disk;
	double used;

	index_stats(page->server->index, &memory);
	sum_disks(page->server, &disk);
	used = percent(disk.used_bytes, disk.max_bytes);
	buf_add_str(page->out, STR("Store Directory Statistics:\n"));
	buf_printf(page->out, "Store Entries          : %" PRIu64 "\n",
		   memory.nobjects + disk.objects);
	buf_printf(page->out, "Maximum Swap Size      : %" PRIu64 " KB\n", disk.max_bytes / 1024);
	buf_printf(page->out, "Current Store Swap Size: %.2f KB\n",
		   (double)disk.used_bytes / 1024);
	buf_printf(page->out, "Current Capacity       : %.2f%% used, %.2f%% free\n", used,
		   disk.max_bytes > 0 ? 100 - used : 0);
	for (unsigned i = 0; i < page->server->ndisks; i++)
		write_directory(page->out, i, page->server->disks[i]);
	return false;
}

bool manager_write_store_io(struct manager_page *page)
{
	struct disk_stats disk;

	sum_disks(page->server, &disk);
	buf_add_str(page->out, STR("Store IO Interface Stats\n"));
	buf_printf(page->out, "create.calls %" PRIu64 "\n", disk.stored + disk.refused);
	buf_printf(page->out, "create.select_fail %" PRIu64 "\n", disk.refused);
	buf_printf(page->out, "create.create_fail %" PRIu64 "\n", disk.dropped);
	buf_printf(page->out, "create.success %" PRIu64 "\n", disk.stored);
	return false;
}

bool manager_write_mem(struct manager_page *page)
{
	struct index_stats memory;
	struct rusage usage = {0};

	index_stats(page->server->index, &memory);
	getrusage(RUSAGE_SELF, &usage);
	buf_add_str(page->out, STR("Current memory usage:\nPool\t(#)\t(KB)\thigh (KB)\n"));
	buf_printf(page->out, "%-20s\t%zu\t%zu\t%zu\n", "Objects", memory.nobjects,
		   memory.bytes / 1024, memory.max_bytes / 1024);
	buf_printf(page->out, "%-20s\t\t\t%ld\n", "Resident", usage.ru_maxrss);
	buf_printf(page->out, "Objects pushed out: %" PRIu64 "\n", memory.nevicted);
	return false;
}
