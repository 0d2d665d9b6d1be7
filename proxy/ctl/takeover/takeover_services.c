/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/takeover/takeover_services.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"
#include "proxy/ctl/takeover/takeover_beside.h"
#include "proxy/ctl/takeover/takeover_sockets.h"
#include "proxy/ctl/takeover/takeover_units.h"
#include "proxy/process/pid_file.h"
#include "proxy/process/sockets.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

#define SQUID "squid.service"
#define BOBTAIL "bobtail.service"
#define BOBTAILS_SOCKET "bobtail.socket"

enum {
	SETTLE_MS = 1000, /* for the former one to accept what is connecting */
	LISTEN_MS = 60000,
	LOOK_MS = 20,
};

bool takeover_is_service(void)
{
	return units_are_there() && unit_is_active(SQUID);
}

static bool take(const struct config *config, struct takeover_sockets *sockets,
                 struct err_text *why)
{
	pid_t pid;

	return config->pid_filename && pid_file_read(config->pid_filename, &pid, why) == ERR_OK &&
	       takeover_sockets_take(pid, sockets, why);
}

/* Does the one of config listen wherever sockets do? They get a second look only to say why not. */
static bool listens_beside(const struct config *config, const struct takeover_sockets *sockets,
                           struct err_text *why)
{
	struct takeover_sockets theirs = {0};
	bool listens = take(config, &theirs, why);
	struct addr addr;

	for (unsigned i = 0; listens && i < sockets->n; i++)
		if (takeover_address(sockets->at[i].fd, &addr) &&
		    takeover_sockets_at(&theirs, theirs.n, &addr) == 0) {
			err_say(why, "it does not listen on port %u", (unsigned)addr_port(&addr));
			listens = false;
		}
	takeover_sockets_close(&theirs);
	return listens;
}

/* ---- forth */

static bool has_port(const struct config *config, const struct port *wanted)
{
	for (const struct port *port = config->ports->first; port; port = port->next)
		if (addr_eq_ip(&port->addr, &wanted->addr) &&
		    addr_port(&port->addr) == addr_port(&wanted->addr))
			return true;
	return false;
}

/* What both need to run at the same time. */
static int check_service(const struct config *squid, const struct config *bobtail, const char *to)
{
	if (squid->pid_filename && bobtail->pid_filename &&
	    strcmp(squid->pid_filename, bobtail->pid_filename) == 0)
		return ctl_fail("%s needs a pid_filename of its own: that of Squid is in use", to);
	for (const struct port *port = squid->ports->first; port; port = port->next)
		if (!has_port(bobtail, port))
			return ctl_fail("%s has no port %.*s: let it include Squid's configuration",
			                to, STR_ARG(port->name));
	return CTL_OK;
}

/* Bobtail may listen where Squid does. */
static int start_beside(const struct takeover_sockets *squids, const struct config *bobtail)
{
	struct err_text why = {""};
	int status;

	for (unsigned i = 0; i < squids->n; i++)
		takeover_share_port(squids->at[i].fd);
	status = units_set(SOCKETS_BESIDE "=1") ? unit_start(BOBTAIL) : CTL_FAILED;
	units_forget(SOCKETS_BESIDE);
	if (status != CTL_OK || listens_beside(bobtail, squids, &why))
		return status;
	unit_stop(BOBTAIL);
	return ctl_fail("Bobtail does not come up beside Squid, which goes on: %s", why.at);
}

/* New connections are Bobtail's; once Squid has accepted what was its own, its sockets end. */
static void silence_squid(const struct takeover_sockets *squids, const struct config *bobtail)
{
	struct takeover_sockets ours = {0};
	struct err_text why = {""};
	struct addr addr;

	for (unsigned i = 0; i < squids->n; i++)
		if (takeover_address(squids->at[i].fd, &addr))
			takeover_steer(squids->at[i].fd,
			               takeover_sockets_at(squids, squids->n, &addr));
	usleep(SETTLE_MS * 1000);
	takeover_sockets_silence(squids, false);
	for (unsigned i = 0; i < squids->n; i++)
		shutdown(squids->at[i].fd, SHUT_RDWR);
	if (!take(bobtail, &ours, &why))
		fprintf(stderr,
		        "bobtailctl: %s; one worker gets all connections until Bobtail starts "
		        "anew\n",
		        why.at);
	for (unsigned i = 0; i < ours.n; i++)
		takeover_unsteer(ours.at[i].fd);
	takeover_sockets_close(&ours);
}

static int swap(const struct config *squid, const struct config *bobtail)
{
	struct takeover_sockets sockets;
	struct err_text why = {""};
	int status;

	if (!take(squid, &sockets, &why))
		return ctl_fail("no running Squid by %s %s", squid->pid_filename, why.at);
	status = start_beside(&sockets, bobtail);
	if (status == CTL_OK) {
		silence_squid(&sockets, bobtail);
		printf("Bobtail serves; Squid finishes its requests\n");
		fflush(stdout);
	}
	takeover_sockets_close(&sockets);
	return status == CTL_OK ? unit_stop(SQUID) : status;
}

int takeover_services_forth(const struct config *squid, const char *to, bool is_dry)
{
	struct ctl ctl = {.config_path = to};
	const struct config *bobtail = ctl_config(&ctl);
	int status = bobtail ? check_service(squid, bobtail, to) : CTL_FAILED;

	if (status == CTL_OK) {
		printf("starts and enables " BOBTAIL "; stops and disables " SQUID "\n");
		fflush(stdout);
	}
	if (status == CTL_OK && !is_dry)
		status = swap(squid, bobtail);
	config_unref(ctl.config);
	return status;
}

/* ---- back */

static int stop_bobtail(void)
{
	int status = unit_is_active(BOBTAILS_SOCKET) ? unit_stop(BOBTAILS_SOCKET) : CTL_OK;

	return status == CTL_OK ? unit_stop(BOBTAIL) : status;
}

/* systemd starts the tool, which becomes Squid while a process of its own traces it: see
 * takeover_beside.h. */
static bool start_by_us(pid_t bobtail)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *before;
	bool is_so;

	path[len > 0 ? len : 0] = '\0';
	before = mem_printf("%s takeover --beside %d --", path, (int)bobtail);
	is_so = len > 0 && unit_start_by(SQUID, before);
	mem_free(before);
	return is_so;
}

/* Squid is ready for systemd before it listens. */
static bool wait_for_squid(const struct config *squid, const struct takeover_sockets *bobtails,
                           struct err_text *why)
{
	int64_t end_ms = clock_mono_ms() + LISTEN_MS;

	while (!listens_beside(squid, bobtails, why) && unit_is_active(SQUID) &&
	       clock_mono_ms() < end_ms)
		usleep(LOOK_MS * 1000);
	return listens_beside(squid, bobtails, why);
}

/* Squid listens beside Bobtail, and gets the new connections. */
static enum takeover_beside start_squid_beside(const struct config *squid,
                                               const struct takeover_sockets *bobtails,
                                               pid_t bobtail)
{
	struct err_text why = {""};
	int status;

	if (!start_by_us(bobtail))
		return BESIDE_IMPOSSIBLE;
	status = unit_start(SQUID);
	unit_start_as_before(SQUID);
	if (status == CTL_OK && wait_for_squid(squid, bobtails, &why))
		return BESIDE_LISTENS;
	if (unit_exit_status(SQUID) == TAKEOVER_CANNOT_TRACE_STATUS)
		return BESIDE_IMPOSSIBLE;
	unit_stop(SQUID);
	ctl_fail("Squid does not come up (journalctl -u squid has the reason): Bobtail goes on. %s",
	         why.at);
	return BESIDE_FAILED;
}

static enum takeover_beside swap_beside(const struct config *squid, const struct config *bobtail)
{
	enum takeover_beside is = BESIDE_IMPOSSIBLE;
	struct takeover_sockets sockets;
	struct err_text why = {""};

	if (!take(bobtail, &sockets, &why))
		return is;
	is = start_squid_beside(squid, &sockets, sockets.pids[0]);
	if (is == BESIDE_LISTENS)
		usleep(SETTLE_MS * 1000);
	takeover_sockets_close(&sockets);
	return is;
}

/* Nobody listens in between. */
static int swap_in_turn(void)
{
	int status;

	fprintf(stderr, "bobtailctl: Squid cannot start beside Bobtail: connections are refused "
	                "for a moment\n");
	status = stop_bobtail();
	return status == CTL_OK ? unit_start(SQUID) : status;
}

static int swap_back(const struct config *squid, const struct config *bobtail)
{
	switch (swap_beside(squid, bobtail)) {
	case BESIDE_LISTENS:
		printf("Squid serves; Bobtail finishes its requests\n");
		fflush(stdout);
		return stop_bobtail();
	case BESIDE_FAILED:
		return CTL_FAILED;
	case BESIDE_IMPOSSIBLE:
		break;
	}
	return swap_in_turn();
}

int takeover_services_back(const struct config *squid, const char *to, bool is_dry)
{
	struct ctl ctl = {.config_path = to};
	const struct config *bobtail = ctl_config(&ctl);
	int status = bobtail ? CTL_OK : CTL_FAILED;

	printf("starts and enables " SQUID "; stops and disables " BOBTAIL "\n");
	fflush(stdout);
	if (bobtail && !is_dry)
		status = swap_back(squid, bobtail);
	config_unref(ctl.config);
	return status;
}
