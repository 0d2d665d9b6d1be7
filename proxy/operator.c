/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/operator.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/disk/disk.h"
#include "lib/base/log.h"
#include "proxy/process/pid_file.h"
#include "proxy/process/process.h"
#include "proxy/process/startup.h"
#include "proxy/version.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/command_line.h"
#include "squid-compat/config.h"

int operator_show_version(const struct command_line *line)
{
	printf("Squid Cache: Version " VERSION_TEXT "\n"
	       "Service Name: %s\n\n"
	       "A reverse proxy that reads squid.conf; not made by the Squid project.\n"
	       "This binary uses GnuTLS %s and SQLite %s.\n"
	       "configure options:  '--sysconfdir=" BOBTAIL_SYSCONFDIR
	       "' '--localstatedir=" BOBTAIL_LOCALSTATEDIR "'\n",
	       line->service_name, gnutls_check_version(NULL), sqlite3_libversion());
	return EXIT_SUCCESS;
}

/* ---- -k */

/* As Squid shows what it did not expect. */
static int fail(const char *text, const char *place)
{
	fprintf(stderr, "FATAL: %s\n    exception location: %s\n", text, place);
	return EXIT_FAILURE;
}

/* A parent in the background leads a group in which the kid is: both end. Elsewhere the group is
 * somebody else's; the kid ends when its parent has gone. */
static int send_signal(pid_t pid, int number)
{
	bool leads_group = number == SIGKILL && getpgid(pid) == pid;

	return kill(leads_group ? -pid : pid, number);
}

static int signal_instance(const struct config *config, int number)
{
	struct err_text why;
	pid_t pid;

	if (!config->pid_filename)
		return fail("no pid_filename configured", "pid_file");
	if (pid_file_read(config->pid_filename, &pid, &why) != ERR_OK)
		return fail(why.at, "pid_file");
	if (send_signal(pid, number) == 0 || (number == 0 && errno == EPERM))
		return EXIT_SUCCESS;
	err_say(&why, "failed to send signal %d to Squid instance with PID %d: (%d) %s", number,
	        (int)pid, errno, strerror(errno));
	return fail(why.at, "kill");
}

int operator_control(const struct command_line *line)
{
	bool is_parse = line->control == CONTROL_PARSE;
	int status;
	struct config *config =
		startup_read_config(line, is_parse ? STARTUP_PARSE : STARTUP_SILENT, &status);

	if (!config) {
		startup_say_terminated();
		return status;
	}
	if (!is_parse)
		status = signal_instance(config, control_signal(line->control));
	config_unref(config);
	return status;
}

/* ---- -z */

/* Made while we may, for whom we become. */
static void make_directory(const struct cache_dir *dir, const struct config *config)
{
	if (mkdir(dir->path.at, 0750) != 0)
		return;
	if (geteuid() == 0 &&
	    chown(dir->path.at, config->effective_uid, config->effective_gid) != 0)
		log_say(0, "WARNING: cannot give %s to its user: %s", dir->path.at,
		        strerror(errno));
}

static bool create_cache(const struct cache_dir *dir)
{
	const struct disk_config disk = {
		.directory = dir->path.at,
		.max_bytes = dir->max_bytes,
		.min_object_bytes = (uint64_t)dir->min_object_bytes,
		.max_object_bytes = dir->max_object_bytes < 0 ? 0 : (uint64_t)dir->max_object_bytes,
	};
	struct err_text why;

	if (disk_create_only(&disk, &why) == ERR_OK) {
		log_say(0, "%s exists", dir->file.at);
		return true;
	}
	log_say(0, "FATAL: Failed to make swap directory %s: %s", dir->path.at, why.at);
	return false;
}

int operator_create_caches(struct config *config)
{
	struct err_text why;
	bool is_ok = true;

	for (struct cache_dir *dir = config->cache_dirs->first; dir; dir = dir->next)
		make_directory(dir, config);
	if (process_settle(config, &why) != ERR_OK) {
		config_unref(config);
		return startup_fail(why.at);
	}
	log_say(0, "Creating missing swap directories");
	if (config->cache_dirs->n == 0)
		log_say(0, "No cache_dir stores are configured.");
	for (struct cache_dir *dir = config->cache_dirs->first; dir; dir = dir->next)
		is_ok &= create_cache(dir);
	config_unref(config);
	return is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
