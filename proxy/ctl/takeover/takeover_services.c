/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/takeover/takeover_services.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"
#include "proxy/ctl/takeover/takeover_run.h"
#include "proxy/ctl/takeover/takeover_sockets.h"
#include "proxy/process/pid_file.h"
#include "proxy/process/sockets.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

enum { SETTLE_MS = 1000 }; /* for Squid to accept what is connecting */

bool takeover_is_service(void)
{
	char *argv[] = {"systemctl", "is-active", "--quiet", "squid.service", NULL};

	return access("/run/systemd/system", F_OK) == 0 && takeover_run(argv, true) == 0;
}

static int stop(const char *service)
{
	char *argv[] = {"systemctl", "disable", "--now", (char *)service, NULL};

	return takeover_run(argv, false) == 0 ? CTL_OK : ctl_fail("%s was not stopped", service);
}

static int start(const char *service)
{
	char *argv[] = {"systemctl", "enable", "--now", (char *)service, NULL};

	return takeover_run(argv, false) == 0 ? CTL_OK : ctl_fail("%s did not start", service);
}

/* ---- forth */

/* It may listen where Squid does. */
static int start_beside(const char *service)
{
	char *allow[] = {"systemctl", "set-environment", SOCKETS_BESIDE "=1", NULL};
	char *forget[] = {"systemctl", "unset-environment", SOCKETS_BESIDE, NULL};
	int status = takeover_run(allow, false) == 0 ? start(service) : CTL_FAILED;

	takeover_run(forget, false);
	return status;
}

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

static bool take(const struct config *config, struct takeover_sockets *sockets, struct err_text *why)
{
	pid_t pid;

	return config->pid_filename && pid_file_read(config->pid_filename, &pid, why) == ERR_OK &&
	       takeover_sockets_take(pid, sockets, why);
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
		fprintf(stderr, "bobtailctl: %s; one worker gets all connections until Bobtail starts anew\n",
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
	for (unsigned i = 0; i < sockets.n; i++)
		takeover_share_port(sockets.at[i].fd);
	status = start_beside("bobtail.service");
	if (status == CTL_OK) {
		silence_squid(&sockets, bobtail);
		printf("Bobtail serves; Squid finishes its requests\n");
		fflush(stdout);
	}
	takeover_sockets_close(&sockets);
	return status == CTL_OK ? stop("squid.service") : status;
}

int takeover_services_forth(const struct config *squid, const char *to, bool is_dry)
{
	struct ctl ctl = {.config_path = to};
	const struct config *bobtail = ctl_config(&ctl);
	int status = bobtail ? check_service(squid, bobtail, to) : CTL_FAILED;

	if (status == CTL_OK) {
		printf("systemctl enable --now bobtail.service; systemctl disable --now squid.service\n");
		fflush(stdout);
	}
	if (status == CTL_OK && !is_dry)
		status = swap(squid, bobtail);
	config_unref(ctl.config);
	return status;
}

/* ---- back */

int takeover_services_back(bool is_dry)
{
	int status = CTL_OK;

	printf("systemctl disable --now bobtail.service; systemctl enable --now squid.service\n");
	fflush(stdout);
	if (!is_dry)
		status = stop("bobtail.service");
	return is_dry || status != CTL_OK ? status : start("squid.service");
}
