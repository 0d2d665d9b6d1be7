/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that may be long, and are written a stretch at a time: what is in memory, open descriptors,
 * the configuration. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/heap.h"
#include "lib/net/addr.h"
#include "proxy/manager/manager_pages.h"
#include "proxy/server.h"
#include "squid-compat/config_show.h"
#include "squid-compat/directives/directives.h"

enum {
	STRETCH_BYTES = 64 << 10, /* what a step writes, about */
	URL_SHOWN_BYTES = 8192,
	NAME_BYTES = 256,
	LINES_A_STEP = 256,
};

/* ---- objects, vm_objects */

/* What index_visit gave last, and how far it is written. */
struct walk {
	uint64_t cursor;
	struct object *objects[INDEX_VISIT];
	unsigned n, next;
};

static void free_walk(void *state)
{
	struct walk *walk = state;

	while (walk->next < walk->n)
		object_unref(walk->objects[walk->next++]);
	mem_free(walk);
}

static int64_t or_none(int64_t time_s)
{
	return time_s > 0 ? time_s : -1;
}

static void write_object(struct buf *out, struct object *object)
{
	const struct freshness_facts *facts = &object->facts;
	bool is_on_disk = atomic_load_explicit(&object->disk_id, memory_order_relaxed) != 0;

	buf_printf(out, "KEY %032" PRIX64 "\n", object->key);
	buf_printf(out, "\t%-13s IN_MEMORY     %-12s PING_NONE   \n",
		   object_is_whole(object) ? "STORE_OK" : "STORE_PENDING",
		   is_on_disk ? "SWAPOUT_DONE" : "SWAPOUT_NONE");
	buf_printf(out,
		   "\tCACHABLE,VALIDATED\n\tLV:%-10" PRId64 " LU:%-10" PRId64 " LM:%-10" PRId64
		   " EX:%-10" PRId64 "\n",
		   or_none(facts->arrived_s), or_none(facts->arrived_s),
		   or_none(facts->modified_s), or_none(facts->expires_s));
	buf_printf(out, "\t%u locks, %u clients, 0 refs\n",
		   atomic_load_explicit(&object->refs_, memory_order_relaxed),
		   object_nreaders(object));
	buf_printf(out, "\tGET %.*s\n", STR_ARG(str_first(object->url, URL_SHOWN_BYTES)));
	buf_printf(out,
		   "\tinmem_lo: 0\n\tinmem_hi: %" PRIu64
		   "\n\tswapout: 0 bytes queued\n\tobject_sz: %zu\n\n",
		   object_length(object), object->head.len + (size_t)object_length(object));
}

bool manager_write_objects(struct manager_page *page)
{
	struct walk *walk = page->state;

	if (!walk) {
		walk = page->state = mem_zalloc(sizeof(*walk));
		page->free_state = free_walk;
	}
	if (walk->next == walk->n) {
		walk->next = 0;
		walk->n = index_visit(page->server->index, &walk->cursor, walk->objects,
				      INDEX_VISIT);
	}
	while (walk->next < walk->n && page->out->len < STRETCH_BYTES) {
		struct object *object = walk->objects[walk->next++];

		if (object_state(object) != OBJECT_EMPTY)
			write_object(page->out, object);
		object_unref(object);
	}
	return walk->next < walk->n || walk->cursor != 0;
}

/* ---- filedescriptors */

struct descriptor {
	const char *type;
	char remote[ADDR_TEXT_BYTES], what[NAME_BYTES];
};

/* Another thread may close it meanwhile: then little is said. */
static void look_at_socket(int fd, struct descriptor *out)
{
	struct addr addr = {0};
	socklen_t len = sizeof(addr.as);
	char text[ADDR_TEXT_BYTES];

	out->type = "Socket";
	if (getpeername(fd, &addr.as.any, &len) == 0)
		addr_text(&addr, out->remote);
	addr = (struct addr){0};
	len = sizeof(addr.as);
	if (getsockname(fd, &addr.as.any, &len) == 0)
		snprintf(out->what, sizeof(out->what), "%s",
			 addr.as.any.sa_family == AF_UNIX ? "Unix socket"
							  : addr_text(&addr, text));
}

static void look_at(DIR *folder, const char *name, struct descriptor *out)
{
	ssize_t len = readlinkat(dirfd(folder), name, out->what, sizeof(out->what) - 1);
	struct str what = {out->what, len > 0 ? (size_t)len : 0};

	out->what[what.len] = '\0';
	if (str_starts_with(what, STR("socket:")))
		look_at_socket((int)strtol(name, NULL, 10), out);
	else if (str_starts_with(what, STR("pipe:")))
		out->type = "Pipe";
	else
		out->type = str_starts_with(what, STR("/")) ? "File" : "None";
}

static void write_descriptor(struct buf *out, DIR *folder, const char *name)
{
	struct descriptor descriptor = {0};

	look_at(folder, name, &descriptor);
	buf_printf(out, "%4s %-6.6s %4d %7d  %7d  %-21s %s\n", name, descriptor.type, 0, 0, 0,
		   descriptor.remote, descriptor.what);
}

static void close_folder(void *state)
{
	closedir(state);
}

bool manager_write_filedescriptors(struct manager_page *page)
{
	struct dirent *entry = NULL;
	unsigned n = 0;

	if (!page->state) {
		buf_add_str(page->out,
			    STR("Active file descriptors:\n"
				"File Type   Tout Nread  * Nwrite * Remote Address        Description\n"
				"---- ------ ---- -------- -------- --------------------- "
				"------------------------------\n"));
		page->state = opendir("/proc/self/fd");
		page->free_state = page->state ? close_folder : NULL;
	}
	while (page->state && n < LINES_A_STEP && (entry = readdir(page->state)))
		if (entry->d_name[0] != '.') {
			write_descriptor(page->out, page->state, entry->d_name);
			n++;
		}
	return entry != NULL;
}

/* ---- config */

static void free_cursor(void *state)
{
	mem_free(state);
}

bool manager_write_config(struct manager_page *page)
{
	struct config_cursor *cursor = page->state;

	if (!cursor) {
		cursor = page->state = mem_zalloc(sizeof(*cursor));
		page->free_state = free_cursor;
	}
	while (page->out->len < STRETCH_BYTES)
		if (!config_show_next(page->config, cursor, true, page->out))
			return false;
	return true;
}

/* ---- refresh */

bool manager_write_refresh(struct manager_page *page)
{
	size_t number = directive_number(directive_find(STR("refresh_pattern")));
	const struct config_line *line = page->config->lines[number];
	struct str text, word;

	buf_add_str(page->out, STR("\nRefresh pattern usage:\n\n"
				   "  Used      \tChecks    \t% Matches\tPattern\n"));
	for (; line && page->out->len < STRETCH_BYTES; line = line->next) {
		text = str_of(line->text);
		str_word(&text, &word);
		buf_printf(page->out, "  %-10d\t%-10d\t%6.2f\t%.*s\n", 0, 0, 0.0,
			   STR_ARG(str_trim(text)));
	}
	return false;
}
