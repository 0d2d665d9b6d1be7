/* SPDX-License-Identifier: BSD-2-Clause */
/* What each client address asked for, all workers taken together. */
#include <inttypes.h>
#include <stdlib.h>

#include "proxy/manager/manager_pages.h"
#include "proxy/session/clients.h"
#include "proxy/worker.h"

enum { CLIENTS_A_STEP = 128 };

bool manager_survey_clients(struct worker *worker, uint64_t *cursor, struct buf *out)
{
	(void)cursor;
	clients_copy(worker->clients, out);
	return false;
}

/* In the order of their addresses, so that those of one client stand side by side. */
static int compare(const void *a, const void *b)
{
	uint8_t one[16], other[16];

	addr_ip_bytes(&((const struct client_counts *)a)->addr, one);
	addr_ip_bytes(&((const struct client_counts *)b)->addr, other);
	return memcmp(one, other, sizeof(one));
}

static void add(struct client_counts *to, const struct client_counts *from)
{
	to->nconns += from->nconns;
	for (unsigned tag = 0; tag < LOG_TAG_COUNT; tag++)
		to->tags[tag] += from->tags[tag];
}

static size_t merge(struct buf *gathered)
{
	struct client_counts *clients = (struct client_counts *)(void *)gathered->at;
	size_t nall = gathered->len / sizeof(*clients), n = 0;

	if (nall > 0)
		qsort(clients, nall, sizeof(*clients), compare);
	for (size_t i = 0; i < nall; i++)
		if (n > 0 && compare(&clients[n - 1], &clients[i]) == 0)
			add(&clients[n - 1], &clients[i]);
		else
			clients[n++] = clients[i];
	gathered->len = n * sizeof(*clients);
	return n;
}

size_t manager_count_clients(struct manager_page *page)
{
	return merge(page->gathered);
}

static uint64_t sum(const struct client_counts *client, bool hits_only)
{
	uint64_t n = 0;

	for (unsigned tag = 0; tag < LOG_TAG_COUNT; tag++)
		if (!hits_only || log_tag_is_hit((enum log_tag)tag))
			n += client->tags[tag];
	return n;
}

static unsigned percent(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (unsigned)(100 * part / whole) : 0;
}

static void write_client(struct buf *out, const struct client_counts *client)
{
	uint64_t all = sum(client, false);
	char text[ADDR_TEXT_BYTES];

	addr_ip_text(&client->addr, text);
	buf_printf(out, "Address: %s\nName:    %s\n", text, text);
	buf_printf(out, "Currently established connections: %" PRIu32 "\n", client->nconns);
	buf_printf(out, "    ICP  Requests 0\n    HTTP Requests %" PRIu64 "\n", all);
	for (unsigned tag = 0; tag < LOG_TAG_COUNT; tag++)
		if (client->tags[tag] > 0)
			buf_printf(out, "        %-20.20s %7" PRIu32 " %3u%%\n",
				   log_tag_name((enum log_tag)tag), client->tags[tag],
				   percent(client->tags[tag], all));
	buf_add_char(out, '\n');
}

static void write_sums(struct buf *out, const struct client_counts *clients, size_t n)
{
	uint64_t all = 0, hits = 0;

	for (size_t i = 0; i < n; i++) {
		all += sum(&clients[i], false);
		hits += sum(&clients[i], true);
	}
	buf_add_str(out, STR("TOTALS\nICP : 0 Queries, 0 Hits (  0%)\n"));
	buf_printf(out, "HTTP: %" PRIu64 " Requests, %" PRIu64 " Hits (%3u%%)\n", all, hits,
		   percent(hits, all));
}

bool manager_write_client_list(struct manager_page *page)
{
	const struct client_counts *clients;
	size_t n = page->cursor > 0 ? page->gathered->len / sizeof(*clients)
				    : merge(page->gathered);

	clients = (const struct client_counts *)(const void *)page->gathered->at;
	if (page->cursor == 0)
		buf_add_str(page->out, STR("Cache Clients:\n"));
	for (size_t end = page->cursor + CLIENTS_A_STEP; page->cursor < n && page->cursor < end;)
		write_client(page->out, &clients[page->cursor++]);
	if (page->cursor < n)
		return true;
	write_sums(page->out, clients, n);
	return false;
}
