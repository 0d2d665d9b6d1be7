/* SPDX-License-Identifier: BSD-2-Clause */
/* Each name that was asked for has an entry: while it is asked of the DNS, its askers wait in it;
 * afterwards it holds the answer until that expires. An entry that is being asked stays until
 * c-ares has called back, also when its askers have given up. Answers are handed out by a task, so
 * that no done runs within c-ares. */
#include "lib/net/resolver.h"

#include <ares.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/net/hosts_internal.h"
#include "lib/net/resolver_internal.h"

enum {
	MAX_NAMES = 1024, /* answers kept of each kind; more only while they are being asked */
	MAX_NAME_BYTES = 253, /* RFC 1035 §2.3.4, as text */
	OLD_PATIENCE_MS = 2000, /* until addresses that have expired serve once more */
};

static const char no_answer_in_time[] = "no name server answered in time";

static const char *why_not(int status)
{
	static const struct {
		int status;
		const char *why;
	} reasons[] = {
		{ARES_ENOTFOUND, "there is no such name"},
		{ARES_ENODATA, "the name has no address"},
		{ARES_ETIMEOUT, no_answer_in_time},
		{ARES_ECONNREFUSED, "the name servers failed or cannot be reached"},
		{ARES_ESERVFAIL, "the name servers failed"},
		{ARES_EREFUSED, "the name servers refused to answer"},
		{ARES_EBADNAME, "that is no host name"},
	};

	for (size_t i = 0; i < COUNT(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].why;
	return ares_strerror(status);
}

/* ---- names and their answers */

static struct list *bucket_of(struct resolver *resolver, struct str text)
{
	return &resolver->buckets[hash_str(text, resolver->seed) % RESOLVER_BUCKETS];
}

static struct name *find_name(struct resolver *resolver, struct str text)
{
	struct list *bucket = bucket_of(resolver, text);

	LIST_EACH(node, bucket) {
		struct name *name = CONTAINER(node, struct name, in_bucket);

		if (str_eq((struct str){name->text, name->len}, text))
			return name;
	}
	return NULL;
}

static void name_destroy(struct name *name)
{
	check(list_is_empty(&name->askers));
	timer_cancel(&name->patience);
	list_remove(&name->in_bucket);
	list_remove(&name->in_age);
	name->resolver->nnames[name->is_reverse]--;
	mem_free(name->addrs);
	mem_free(name);
}

/* Makes room by dropping the oldest answers of a kind: strangers' addresses push no names out. */
static void bound_names(struct resolver *resolver, bool is_reverse)
{
	LIST_EACH_SAFE(node, &resolver->by_age[is_reverse]) {
		struct name *name = CONTAINER(node, struct name, in_age);

		if (resolver->nnames[is_reverse] < MAX_NAMES)
			return;
		if (!name->is_asked)
			name_destroy(name);
	}
}

static void patience_is_over(struct timer *timer);

static struct name *name_create(struct resolver *resolver, struct str text, bool is_reverse)
{
	struct name *name = mem_alloc(sizeof(*name) + text.len + 1);

	bound_names(resolver, is_reverse);
	*name = (struct name){.resolver = resolver, .len = text.len, .is_reverse = is_reverse};
	str_copy(text, name->text, text.len + 1);
	list_init(&name->askers);
	timer_init(&name->patience, patience_is_over);
	list_push_back(bucket_of(resolver, text), &name->in_bucket);
	list_push_back(&resolver->by_age[is_reverse], &name->in_age);
	resolver->nnames[is_reverse]++;
	return name;
}

/* Writes an answer into a query: addrs without their port, or why there are none. */
static void answer(struct resolver_query *query, const struct addr *addrs, unsigned naddrs,
                   const char *why)
{
	query->naddrs = naddrs;
	query->nmore = 0;
	query->why = naddrs > 0 ? NULL : why;
	for (unsigned i = 0; i < naddrs; i++) {
		query->addrs[i] = addrs[i];
		addr_set_port(&query->addrs[i], query->port_);
	}
}

void resolver_answer_host(struct resolver_query *query, struct str host, const char *why)
{
	query->naddrs = 0;
	query->host_len = (unsigned)host.len;
	query->why = host.len > 0 ? NULL : why;
	str_copy(host, query->host, sizeof(query->host));
}

static void answer_with(struct resolver_query *query, struct name *name)
{
	struct addr addrs[RESOLVER_MAX_ADDRS];
	unsigned nmore, naddrs = resolver_addrs_choose(name, addrs, &nmore);

	answer(query, addrs, naddrs, name->why);
	query->nmore = nmore;
}

/* What name holds. */
static void answer_from(struct resolver_query *query, struct name *name)
{
	if (name->is_reverse)
		resolver_answer_host(query, (struct str){name->host, name->host_len}, name->why);
	else
		answer_with(query, name);
}

/* Answers all who wait for name; they hear of it from the task. */
static void answer_askers(struct name *name)
{
	struct resolver *resolver = name->resolver;

	timer_cancel(&name->patience);
	if (list_is_empty(&name->askers))
		return;
	LIST_EACH(node, &name->askers)
		answer_from(CONTAINER(node, struct resolver_query, node_), name);
	list_splice(&resolver->answered, &name->askers);
	loop_defer(resolver->loop, &resolver->hand_out);
}

static void hand_out_answers(struct loop_task *task)
{
	struct resolver *resolver = CONTAINER(task, struct resolver, hand_out);
	struct list *node;

	while ((node = list_pop_front(&resolver->answered))) {
		struct resolver_query *query = CONTAINER(node, struct resolver_query, node_);

		query->done(query);
	}
}

/* The name stays with c-ares; its answer is kept when it comes after all. Until then the addresses
 * that were good last serve, if there are any. */
static void patience_is_over(struct timer *timer)
{
	struct name *name = CONTAINER(timer, struct name, patience);

	name->is_late = !name->is_reverse && name->naddrs > 0;
	if (!name->is_late)
		name->naddrs = name->host_len = 0;
	name->why = no_answer_in_time;
	answer_askers(name);
}

/* The shortest TTL of an answer, in seconds. */
static int64_t shortest_ttl_s(const struct ares_addrinfo *info)
{
	int64_t ttl_s = INT32_MAX;

	for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
		if (node->ai_ttl < ttl_s)
			ttl_s = node->ai_ttl;
	for (const struct ares_addrinfo_cname *cname = info->cnames; cname; cname = cname->next)
		if (cname->ttl < ttl_s)
			ttl_s = cname->ttl;
	return ttl_s < 0 ? 0 : ttl_s;
}

void resolver_name_answered(struct name *name, int status, int64_t ttl_ms)
{
	struct resolver *resolver = name->resolver;

	name->is_asked = name->is_late = false;
	resolver->nasked--;
	resolver->is_channel_suspect = status == ARES_ECONNREFUSED || status == ARES_ETIMEOUT;
	if (ttl_ms < resolver->negative_ttl_ms)
		ttl_ms = resolver->negative_ttl_ms;
	if (ttl_ms > resolver->positive_ttl_ms)
		ttl_ms = resolver->positive_ttl_ms;
	if (name->naddrs + name->host_len == 0 || name->is_old)
		ttl_ms = resolver->negative_ttl_ms;
	name->why = why_not(status == ARES_SUCCESS ? ARES_ENODATA : status);
	name->expires_ms = loop_now_ms(resolver->loop) + ttl_ms;
	answer_askers(name);
}

/* Once for each time that a name stops resolving. */
static void say_old(struct name *name, int status)
{
	if (!name->is_old)
		log_say(1, "WARNING: DNS lookup for '%s' failed: %s: its last addresses are used",
		        name->text, why_not(status == ARES_SUCCESS ? ARES_ENODATA : status));
	name->is_old = true;
}

/* From c-ares, also within ares_getaddrinfo and ares_destroy. */
static void name_was_answered(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct name *name = arg;
	int64_t ttl_ms = 0;

	(void)timeouts;
	if (status == ARES_SUCCESS && info->nodes) {
		resolver_addrs_keep(name, info);
		ttl_ms = shortest_ttl_s(info) * 1000;
		name->is_old = false;
	} else if (name->naddrs > 0 && status != ARES_EDESTRUCTION) {
		say_old(name, status);
	}
	if (info)
		ares_freeaddrinfo(info);
	resolver_name_answered(name, status, ttl_ms);
}

/* Asks the DNS. The answer may be there when this returns. */
static void ask(struct name *name)
{
	static const struct ares_addrinfo_hints hints = {.ai_socktype = SOCK_STREAM};
	struct resolver *resolver = name->resolver;

	list_remove(&name->in_age);
	list_push_back(&resolver->by_age[name->is_reverse], &name->in_age);
	/* A machine that boots without a network gets its name servers later. If this fails, the
	 * old ones are asked. */
	if (resolver->is_channel_suspect && resolver->nasked == 0)
		resolver_open_channel(resolver);
	name->is_asked = true;
	resolver->nasked++;
	if (name->is_reverse)
		resolver_ask_reverse(name);
	else
		ares_getaddrinfo(resolver->channel, name->text, NULL, &hints, name_was_answered,
		                 name);
	resolver_plan_retry(resolver);
}

/* ---- the callers' side */

/* In lower case and without the root's dot, into out; false if it cannot be a host's name. */
static bool normalise(struct str text, char out[MAX_NAME_BYTES + 1], struct str *name)
{
	if (text.len > 0 && text.at[text.len - 1] == '.')
		text.len--;
	if (text.len == 0 || text.len > MAX_NAME_BYTES)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 0x7f)
			return false;
		out[i] = ascii_lower(text.at[i]);
	}
	out[text.len] = '\0';
	*name = (struct str){out, text.len};
	return true;
}

/* What needs no question: an address as text, no name at all, a line of the hosts file. */
static bool answer_at_once(const struct resolver *resolver, struct str text, struct str name,
                           struct resolver_query *query)
{
	struct addr addrs[RESOLVER_MAX_ADDRS];
	unsigned naddrs = addr_parse(text, 0, addrs);

	if (naddrs == 0 && name.len > 0)
		naddrs = hosts_find(resolver->hosts, name, addrs, RESOLVER_MAX_ADDRS);
	if (naddrs == 0 && name.len > 0)
		return false;
	answer(query, addrs, naddrs, why_not(ARES_EBADNAME));
	return true;
}

/* Who has addresses that were good does not wait for long. */
static int64_t patience_ms(const struct name *name)
{
	int64_t wait_ms = name->resolver->timeout_ms;

	return name->naddrs > 0 && wait_ms > OLD_PATIENCE_MS ? OLD_PATIENCE_MS : wait_ms;
}

bool resolver_ask_entry(struct resolver *resolver, struct str text, bool is_reverse,
                        struct resolver_query *query)
{
	struct name *name = find_name(resolver, text);

	if (!name)
		name = name_create(resolver, text, is_reverse);
	if (!name->is_asked && name->expires_ms <= loop_now_ms(resolver->loop))
		ask(name);
	if (!name->is_asked || name->is_late) {
		answer_from(query, name);
		return true;
	}
	if (list_is_empty(&name->askers))
		timer_set(resolver->loop, &name->patience,
		          loop_now_ms(resolver->loop) + patience_ms(name));
	list_push_back(&name->askers, &query->node_);
	return false;
}

bool resolver_ask(struct resolver *resolver, struct str text, uint16_t port,
                  struct resolver_query *query)
{
	char lower[MAX_NAME_BYTES + 1];
	struct str asked = STR_NONE;

	list_init(&query->node_);
	query->port_ = port;
	normalise(text, lower, &asked);
	return answer_at_once(resolver, text, asked, query) ||
	       resolver_ask_entry(resolver, asked, false, query);
}

/* NULL: it was not asked for, or is none. */
static struct name *find_host(struct resolver *resolver, struct str text)
{
	char lower[MAX_NAME_BYTES + 1];
	struct str asked = STR_NONE;

	normalise(text, lower, &asked);
	return find_name(resolver, asked);
}

void resolver_mark(struct resolver *resolver, struct str text, const struct addr *addr,
		   bool is_good)
{
	struct name *name = find_host(resolver, text);

	if (name)
		resolver_addrs_mark(name, addr, is_good);
}

void resolver_doubt(struct resolver *resolver, struct str text, int64_t ms)
{
	struct name *name = find_host(resolver, text);

	if (name && (name->naddrs == 0 || name->is_old) && name->why != no_answer_in_time &&
	    loop_now_ms(resolver->loop) >= name->expires_ms - resolver->negative_ttl_ms + ms)
		name->expires_ms = 0;
}

void resolver_cancel(struct resolver_query *query)
{
	if (query->node_.next)
		list_remove(&query->node_);
}

/* ---- beginning and end */

static void init_library(void)
{
	ares_library_init(ARES_LIB_INIT_ALL); /* fails for want of memory only, as what follows */
}

static struct hosts *load_hosts(const char *path)
{
	if (!path)
		return hosts_load("/etc/hosts");
	return strcmp(path, "none") == 0 ? hosts_parse(STR_NONE) : hosts_load(path);
}

struct resolver *resolver_create(struct loop *loop, const struct resolver_options *options,
                                 struct err_text *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct resolver *resolver = mem_zalloc(sizeof(*resolver));
	int status;

	pthread_once(&once, init_library);
	resolver->loop = loop;
	resolver->timeout_ms = options->timeout_ms;
	resolver->retransmit_ms = options->retransmit_ms;
	resolver->uses_search_list = options->uses_search_list;
	resolver->positive_ttl_ms = options->positive_ttl_ms;
	resolver->negative_ttl_ms = options->negative_ttl_ms;
	resolver->seed = random_u64();
	for (size_t i = 0; i < RESOLVER_BUCKETS; i++)
		list_init(&resolver->buckets[i]);
	list_init(&resolver->by_age[0]);
	list_init(&resolver->by_age[1]);
	list_init(&resolver->sockets);
	list_init(&resolver->answered);
	resolver->hand_out.run = hand_out_answers;
	timer_init(&resolver->retry, resolver_retry_is_due);
	resolver->hosts = load_hosts(options->hosts_file);
	resolver->nameservers = mem_strdup(options->nameservers);
	status = resolver_open_channel(resolver);
	if (status == ARES_SUCCESS)
		return resolver;
	err_say(why, "cannot use the name servers %s: %s",
	        options->nameservers ? options->nameservers : "of resolv.conf",
	        ares_strerror(status));
	resolver_destroy(resolver);
	return NULL;
}

static void forget(struct list *queries)
{
	while (list_pop_front(queries))
		;
}

void resolver_destroy(struct resolver *resolver)
{
	if (!resolver)
		return;
	for (int i = 0; i < 2; i++)
		LIST_EACH(node, &resolver->by_age[i])
			forget(&CONTAINER(node, struct name, in_age)->askers);
	forget(&resolver->answered);
	if (resolver->channel)
		ares_destroy(resolver->channel); /* calls back for each name that is being asked */
	for (int i = 0; i < 2; i++)
		LIST_EACH_SAFE(node, &resolver->by_age[i])
			name_destroy(CONTAINER(node, struct name, in_age));
	check(list_is_empty(&resolver->sockets));
	loop_task_cancel(&resolver->hand_out);
	timer_cancel(&resolver->retry);
	hosts_destroy(resolver->hosts);
	mem_free(resolver->nameservers);
	mem_free(resolver);
}

unsigned resolver_blocking(const char *name, uint16_t port, struct addr *addrs, unsigned max)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	unsigned n = 0;

	if (max > 0 && addr_parse(str_of(name), port, addrs))
		return 1;
	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return 0;
	for (const struct addrinfo *info = found; info && n < max; info = info->ai_next) {
		if (info->ai_addrlen > sizeof(addrs[n].as))
			continue;
		memset(&addrs[n], 0, sizeof(addrs[n]));
		memcpy(&addrs[n].as, info->ai_addr, info->ai_addrlen);
		addr_set_port(&addrs[n++], port);
	}
	freeaddrinfo(found);
	return n;
}
