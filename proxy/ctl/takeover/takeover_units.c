/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/takeover/takeover_units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/heap.h"
#include "proxy/ctl/ctl.h"
#include "proxy/ctl/takeover/takeover_run.h"

#define DROP_INS "/run/systemd/system/%s.d"
#define DROP_IN DROP_INS "/bobtail-takeover.conf"

enum { MAX_SHOWN_BYTES = 4096 };

bool units_are_there(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

bool unit_is_active(const char *unit)
{
	char *argv[] = {"systemctl", "is-active", "--quiet", (char *)unit, NULL};

	return takeover_run(argv, true) == 0;
}

int unit_start(const char *unit)
{
	char *forget[] = {"systemctl", "reset-failed", (char *)unit,
	                  NULL}; /* how often it failed */
	char *restart[] = {"systemctl", "restart", (char *)unit, NULL};
	char *enable[] = {"systemctl", "--quiet", "enable", (char *)unit, NULL};

	takeover_run(forget, true);
	if (takeover_run(restart, false) != 0)
		return ctl_fail("%s did not start", unit);
	return takeover_run(enable, false) == 0 ? CTL_OK : ctl_fail("%s is not enabled", unit);
}

int unit_stop(const char *unit)
{
	char *argv[] = {"systemctl", "--quiet", "disable", "--now", (char *)unit, NULL};

	return takeover_run(argv, false) == 0 ? CTL_OK : ctl_fail("%s was not stopped", unit);
}

bool units_set(const char *variable)
{
	char *argv[] = {"systemctl", "set-environment", (char *)variable, NULL};

	return takeover_run(argv, false) == 0;
}

void units_forget(const char *name)
{
	char *argv[] = {"systemctl", "unset-environment", (char *)name, NULL};

	takeover_run(argv, false);
}

static void reload(void)
{
	char *argv[] = {"systemctl", "daemon-reload", NULL};

	takeover_run(argv, false);
}

/* text gets the property's value. */
static bool show(const char *unit, char *property, char text[MAX_SHOWN_BYTES])
{
	char *argv[] = {"systemctl", "show", "--value", "-p", property, (char *)unit, NULL};

	return takeover_run_read(argv, text, MAX_SHOWN_BYTES) == 0;
}

/* "{ path=/usr/sbin/squid ; argv[]=/usr/sbin/squid --foreground ; ignore_errors=no ; ...": the
 * words, between which systemctl writes a blank, whatever is in them. NULL: more than one line, or
 * characters that have a meaning there. */
static const char *find_command(char *shown)
{
	static const char begin[] = " argv[]=", end[] = " ; ignore_errors=";
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    " /._-=:,@+${}";
	char *command = strstr(shown, begin), *behind = command ? strstr(command, end) : NULL;

	if (!behind || strstr(behind, begin))
		return NULL;
	command += strlen(begin);
	*behind = '\0';
	return *command && strspn(command, plain) == strlen(command) ? command : NULL;
}

static bool write_drop_in(const char *unit, const char *before, const char *command)
{
	char *folder = mem_printf(DROP_INS, unit), *path = mem_printf(DROP_IN, unit);
	FILE *file = mkdir(folder, 0755) == 0 || errno == EEXIST ? fopen(path, "we") : NULL;
	bool is_written = file && fprintf(file, "[Service]\nExecStart=\nExecStart=%s %s\n", before,
	                                  command) > 0;

	if (file)
		is_written &= fclose(file) == 0;
	mem_free(folder);
	mem_free(path);
	return is_written;
}

bool unit_start_by(const char *unit, const char *before)
{
	char shown[MAX_SHOWN_BYTES];
	const char *command = show(unit, "ExecStart", shown) ? find_command(shown) : NULL;

	if (!command || !write_drop_in(unit, before, command))
		return false;
	reload();
	return true;
}

void unit_start_as_before(const char *unit)
{
	char *folder = mem_printf(DROP_INS, unit), *path = mem_printf(DROP_IN, unit);

	unlink(path);
	rmdir(folder); /* stays if others have files there */
	reload();
	mem_free(folder);
	mem_free(path);
}

int unit_exit_status(const char *unit)
{
	char shown[MAX_SHOWN_BYTES];

	return show(unit, "ExecMainStatus", shown) ? atoi(shown) : -1;
}
