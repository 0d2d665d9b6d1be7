/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/hosts_internal.h"

#include <stdlib.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"

struct host {
	struct str name; /* in hosts->text */
	struct addr addr;
};

struct hosts {
	struct buf text;  /* the file, in lower case */
	struct host *all; /* sorted by name, then by place in the file */
	const struct host **by_addr; /* by address, then by place in the file */
	size_t n, cap;
};

static int compare_names(struct str a, struct str b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? memcmp(a.at, b.at, common) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_hosts(const void *a, const void *b)
{
	const struct host *x = a, *y = b;
	int order = compare_names(x->name, y->name);

	return order ? order : (x->name.at > y->name.at) - (x->name.at < y->name.at);
}

static int compare_ips(const struct addr *a, const struct addr *b)
{
	uint8_t x[16], y[16];

	addr_ip_bytes(a, x);
	addr_ip_bytes(b, y);
	return memcmp(x, y, sizeof(x));
}

static int compare_by_addr(const void *a, const void *b)
{
	const struct host *x = *(const struct host *const *)a;
	const struct host *y = *(const struct host *const *)b;
	int order = compare_ips(&x->addr, &y->addr);

	return order ? order : (x->name.at > y->name.at) - (x->name.at < y->name.at);
}

static void add(struct hosts *hosts, struct str name, const struct addr *addr)
{
	if (hosts->n >= HOSTS_MAX_NAMES)
		return;
	if (hosts->n == hosts->cap) {
		hosts->cap = hosts->cap ? hosts->cap * 2 : 16;
		hosts->all = mem_realloc(hosts->all, hosts->cap * sizeof(*hosts->all));
	}
	hosts->all[hosts->n++] = (struct host){name, *addr};
}

static void read_line(struct hosts *hosts, struct str line)
{
	struct str word;
	struct addr addr;

	line = str_first(line, str_find_char(line, '#'));
	if (!str_word(&line, &word) || !addr_parse(word, 0, &addr))
		return;
	while (str_word(&line, &word))
		add(hosts, word, &addr);
}

/* Takes over what is in hosts->text. */
static struct hosts *index_text(struct hosts *hosts)
{
	struct str rest = buf_str(&hosts->text), line;

	for (size_t i = 0; i < hosts->text.len; i++) {
		char *c = &hosts->text.at[i];

		*c = *c == '\r' ? ' ' : ascii_lower(*c);
	}
	while (str_split(&rest, '\n', &line))
		read_line(hosts, line);
	if (hosts->n == 0)
		return hosts;
	qsort(hosts->all, hosts->n, sizeof(*hosts->all), compare_hosts);
	hosts->by_addr = mem_array(hosts->n, sizeof(*hosts->by_addr));
	for (size_t i = 0; i < hosts->n; i++)
		hosts->by_addr[i] = &hosts->all[i];
	qsort(hosts->by_addr, hosts->n, sizeof(*hosts->by_addr), compare_by_addr);
	return hosts;
}

static struct hosts *hosts_create(void)
{
	struct hosts *hosts = mem_zalloc(sizeof(*hosts));

	buf_init(&hosts->text, HOSTS_MAX_BYTES);
	return hosts;
}

struct hosts *hosts_parse(struct str text)
{
	struct hosts *hosts = hosts_create();

	buf_add_str(&hosts->text, str_first(text, HOSTS_MAX_BYTES));
	return index_text(hosts);
}

struct hosts *hosts_load(const char *path)
{
	struct hosts *hosts = hosts_create();
	FILE *file = fopen(path, "re");
	char block[4096];
	size_t n;

	if (!file)
		return hosts;
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		if (!buf_add(&hosts->text, block, n))
			break;
	fclose(file);
	return index_text(hosts);
}

void hosts_destroy(struct hosts *hosts)
{
	if (!hosts)
		return;
	buf_fini(&hosts->text);
	mem_free(hosts->by_addr);
	mem_free(hosts->all);
	mem_free(hosts);
}

unsigned hosts_find(const struct hosts *hosts, struct str name, struct addr *addrs, unsigned max)
{
	size_t low = 0, high = hosts->n;
	unsigned n = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_names(hosts->all[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (n < max && low < hosts->n && str_eq(hosts->all[low].name, name))
		addrs[n++] = hosts->all[low++].addr;
	return n;
}

struct str hosts_find_name(const struct hosts *hosts, const struct addr *addr)
{
	size_t low = 0, high = hosts->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_ips(&hosts->by_addr[middle]->addr, addr) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < hosts->n && compare_ips(&hosts->by_addr[low]->addr, addr) == 0)
		return hosts->by_addr[low]->name;
	return STR_NONE;
}
