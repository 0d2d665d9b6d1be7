/* SPDX-License-Identifier: BSD-2-Clause */
/* The parent's listening sockets on their way to the kid; and those that could not be opened, which
 * are tried again until they can. */
#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "proxy/process/broker_internal.h"
#include "proxy/process/missing_ports.h"
#include "proxy/process/upgrade.h"
#include "squid-compat/config.h"

static void give_socket(struct broker *broker, const struct listening *port)
{
	if (!channel_send(broker->channel.fd, CHANNEL_LISTEN, port->is_https, port->spec, port->fds,
	                  port->nfds))
		log_say(0, "ERROR: cannot pass the sockets of http_port %s on: %s", port->spec,
		        strerror(errno));
}

static void tell_missing(struct broker *broker)
{
	char *lines = str_dup(buf_str(&broker->sockets.missing));

	if (broker->kid_state != KID_NONE)
		channel_send(broker->channel.fd, CHANNEL_MISSING, 0, lines, NULL, 0);
	mem_free(lines);
}

void broker_give_all_sockets(struct broker *broker)
{
	LIST_EACH(node, &broker->sockets.ports)
		give_socket(broker, CONTAINER(node, struct listening, node));
	tell_missing(broker);
	broker_follow_ports(broker);
}

/* What is gone first: a port may have changed under the same name. */
void broker_give_changes(struct broker *broker)
{
	LIST_EACH(node, &broker->sockets.ports) {
		struct listening *port = CONTAINER(node, struct listening, node);

		if (port->is_gone)
			channel_send(broker->channel.fd, CHANNEL_UNLISTEN, port->is_https,
			             port->spec, NULL, 0);
	}
	LIST_EACH(node, &broker->sockets.ports) {
		struct listening *port = CONTAINER(node, struct listening, node);

		if (port->is_new)
			give_socket(broker, port);
	}
	tell_missing(broker);
}

void broker_follow_ports(struct broker *broker)
{
	timer_set(broker->loop, &broker->ports_timer, clock_mono_ms() + PORT_RETRY_MS);
}

/* What a reload that was refused has left in sockets.missing is put right, too. */
void broker_retry_ports(struct timer *timer)
{
	struct broker *broker = CONTAINER(timer, struct broker, ports_timer);
	bool is_quiet = broker->aim == AIM_SERVE && broker->kid_state == KID_READY &&
			!broker->next && !upgrade_is_under_way(broker);

	if (is_quiet) {
		sockets_retry(&broker->sockets, broker->config->ports);
		broker_give_changes(broker);
		sockets_commit(&broker->sockets);
	}
	if (broker->sockets.missing.len > 0 || !is_quiet)
		broker_follow_ports(broker);
}
