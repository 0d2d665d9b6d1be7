/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/session/clients.h"

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"
#include "proxy/snapshot.h"
#include "squid-compat/config.h"

enum { NBUCKETS = 1024 };

struct clients {
	struct client *buckets[NBUCKETS];
	struct list idle; /* without a connection, the longest first */
	unsigned n;
	uint64_t seed;
};

struct clients *clients_create(void)
{
	struct clients *clients = mem_zalloc(sizeof(*clients));

	list_init(&clients->idle);
	clients->seed = random_u64();
	return clients;
}

void clients_destroy(struct clients *clients)
{
	if (!clients)
		return;
	for (unsigned i = 0; i < NBUCKETS; i++)
		while (clients->buckets[i]) {
			struct client *client = clients->buckets[i];

			clients->buckets[i] = client->next_;
			mem_free(client);
		}
	mem_free(clients);
}

static struct client **bucket_of(struct clients *clients, const struct addr *addr)
{
	uint8_t bytes[16];

	addr_ip_bytes(addr, bytes);
	return &clients->buckets[hash_str((struct str){(char *)bytes, sizeof(bytes)},
					  clients->seed) %
				 NBUCKETS];
}

static struct client *find(struct client *client, const struct addr *addr)
{
	while (client && !addr_eq_ip(&client->counts.addr, addr))
		client = client->next_;
	return client;
}

/* Makes room for one more; false: all have connections. */
static bool forget_one(struct clients *clients)
{
	struct list *node = list_pop_front(&clients->idle);
	struct client *client, **at;

	if (!node)
		return false;
	client = CONTAINER(node, struct client, node_);
	at = bucket_of(clients, &client->counts.addr);
	while (*at != client)
		at = &(*at)->next_;
	*at = client->next_;
	mem_free(client);
	clients->n--;
	return true;
}

static struct client *add(struct clients *clients, const struct addr *addr)
{
	struct client **bucket = bucket_of(clients, addr), *client;

	if (clients->n == CLIENTS_MAX && !forget_one(clients))
		return NULL;
	client = mem_zalloc(sizeof(*client));
	list_init(&client->node_);
	client->counts.addr = *addr;
	addr_set_port(&client->counts.addr, 0);
	client->next_ = *bucket;
	*bucket = client;
	clients->n++;
	return client;
}

struct client *clients_enter(struct clients *clients, const struct addr *addr)
{
	struct client *client = find(*bucket_of(clients, addr), addr);

	if (!client)
		client = add(clients, addr);
	if (!client)
		return NULL;
	list_remove(&client->node_);
	client->counts.nconns++;
	return client;
}

struct client *clients_enter_once(struct clients *clients, const struct snapshot *snapshot,
				  struct client **counts, const struct addr *addr)
{
	if (!*counts && snapshot_config(snapshot)->client_db)
		*counts = clients_enter(clients, addr);
	return *counts;
}

void clients_leave(struct clients *clients, struct client *client)
{
	if (!client)
		return;
	check(client->counts.nconns > 0);
	if (--client->counts.nconns == 0)
		list_push_back(&clients->idle, &client->node_);
}

void clients_copy(const struct clients *clients, struct buf *out)
{
	for (unsigned i = 0; i < NBUCKETS; i++)
		for (const struct client *client = clients->buckets[i]; client;
		     client = client->next_)
			buf_add(out, &client->counts, sizeof(client->counts));
}
