/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/missing_ports.h"

#include "lib/base/health.h"
#include "lib/base/heap.h"

struct missing_port {
	struct list node;
	char *name;
	struct health_note note;
	bool is_there; /* not among the lines */
};

void missing_ports_init(struct missing_ports *missing)
{
	list_init(&missing->notes_);
}

static void destroy(struct missing_port *port)
{
	health_good(&port->note);
	list_remove(&port->node);
	mem_free(port->name);
	mem_free(port);
}

void missing_ports_fini(struct missing_ports *missing)
{
	missing_ports_set(missing, STR_NONE);
}

static struct missing_port *find_or_add(struct missing_ports *missing, struct str name)
{
	struct missing_port *port;

	LIST_EACH(node, &missing->notes_) {
		port = CONTAINER(node, struct missing_port, node);
		if (str_eq(str_of(port->name), name))
			return port;
	}
	port = mem_zalloc(sizeof(*port));
	port->name = str_dup(name);
	list_push_back(&missing->notes_, &port->node);
	return port;
}

void missing_ports_set(struct missing_ports *missing, struct str lines)
{
	struct str line, name;

	LIST_EACH(node, &missing->notes_)
		CONTAINER(node, struct missing_port, node)->is_there = true;
	while (lines.len > 0 && str_split(&lines, '\n', &line)) {
		struct missing_port *port;

		if (line.len == 0 || !str_split(&line, '\t', &name))
			continue;
		port = find_or_add(missing, name);
		port->is_there = false;
		health_bad(&port->note, port->name, "%.*s", STR_ARG(line));
	}
	LIST_EACH_SAFE(node, &missing->notes_) {
		struct missing_port *port = CONTAINER(node, struct missing_port, node);

		if (port->is_there)
			destroy(port);
	}
}
