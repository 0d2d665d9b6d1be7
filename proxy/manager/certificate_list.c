/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/certificate_list.h"

#include "lib/net/tls_certificate.h"
#include "proxy/snapshot.h"
#include "proxy/tls/tls_table.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

/* Before those that expire later, of which the last goes when there is no room. */
static void insert(struct certificate_list *list, const struct certificate_entry *entry)
{
	size_t at = list->n;

	list->total++;
	if (list->n < CERTIFICATE_LIST_MAX)
		list->n++;
	else if (entry->expires_s >= list->entries[--at].expires_s)
		return;
	for (; at > 0 && list->entries[at - 1].expires_s > entry->expires_s; at--)
		list->entries[at] = list->entries[at - 1];
	list->entries[at] = *entry;
}

static void add_port(struct certificate_list *list, const struct port *port,
		     const struct tls_port *shown)
{
	struct certificate_entry entry = {.port = port};

	for (size_t i = 0; (entry.certificate = tls_port_certificate(shown, i, &entry.path)); i++) {
		entry.expires_s = tls_certificate_expires_s(entry.certificate);
		insert(list, &entry);
	}
}

void certificate_list_fill(struct certificate_list *list, const struct snapshot *snapshot)
{
	const struct port *port = snapshot ? snapshot_config(snapshot)->ports->first : NULL;

	list->n = list->total = 0;
	for (; port; port = port->next)
		if (snapshot->tls_ports[port->index])
			add_port(list, port, snapshot->tls_ports[port->index]);
}
