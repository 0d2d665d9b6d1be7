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
#include <sys/epoll.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"
#include "lib/net/hosts_internal.h"

enum {
	MAX_NAMES = 1024, /* answers kept; more only while they are being asked */
	NBUCKETS = 256,
	MAX_NAME_BYTES = 253, /* RFC 1035 §2.3.4, as text */
	TRIES = 4,            /* c-ares doubles its patience with each: 1 + 2 + 4 + 8 parts */
	TRY_PARTS = 15,
	MIN_TRY_MS = 100,
	MAX_TRY_MS = 60000,
};

/* One loop's. */
struct resolver {
	struct loop *loop;
	ares_channel channel;
	bool is_channel_suspect; /* no name server could be reached: they may have changed */
	unsigned nasked;         /* names that are with c-ares */
	char *nameservers;       /* NULL: resolv.conf's */
	struct hosts *hosts;
	int64_t timeout_ms, positive_ttl_ms, negative_ttl_ms;
	uint64_t seed;
	size_t nnames;
	struct list buckets[NBUCKETS]; /* struct name by hash */
	struct list by_age;            /* struct name, the one asked longest ago first */
	struct list sockets;           /* struct socket_watch, those that c-ares has open */
	struct list answered;          /* struct resolver_query whose done is to be called */
	struct loop_task hand_out;
	struct timer retry; /* when c-ares wants to look at its own clock */
};

struct name {
	struct list in_bucket, in_age;
	struct resolver *resolver;
	struct list askers; /* struct resolver_query */
	struct timer patience;
	bool is_asked;      /* c-ares has it and will call back */
	int64_t expires_ms; /* of the answer, when it is not being asked */
	const char *why;
	unsigned naddrs;
	struct addr addrs[RESOLVER_MAX_ADDRS];
	size_t len;
	char text[];
};

struct socket_watch {
	struct loop_fd watch;
	struct list node;
	struct resolver *resolver;
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

/* ---- c-ares on the loop */

static void plan_retry(struct resolver *resolver)
{
	struct timeval left;

	if (ares_timeout(resolver->channel, NULL, &left))
		timer_set(resolver->loop, &resolver->retry,
		          loop_now_ms(resolver->loop) + (int64_t)left.tv_sec * 1000 +
		                  left.tv_usec / 1000 + 1);
	else
		timer_cancel(&resolver->retry);
}

static void retry_is_due(struct timer *timer)
{
	struct resolver *resolver = CONTAINER(timer, struct resolver, retry);

	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	plan_retry(resolver);
}

static void socket_is_ready(struct loop_fd *watch, uint32_t events)
{
	struct resolver *resolver = CONTAINER(watch, struct socket_watch, watch)->resolver;
	bool has_failed = events & (EPOLLERR | EPOLLHUP);
	ares_socket_t fd = watch->fd;

	/* May close this socket, which frees the watch. */
	ares_process_fd(resolver->channel, has_failed || (events & EPOLLIN) ? fd : ARES_SOCKET_BAD,
	                has_failed || (events & EPOLLOUT) ? fd : ARES_SOCKET_BAD);
	plan_retry(resolver);
}

static struct socket_watch *find_socket(struct resolver *resolver, ares_socket_t fd)
{
	LIST_EACH(node, &resolver->sockets) {
		struct socket_watch *socket = CONTAINER(node, struct socket_watch, node);

		if (socket->watch.fd == fd)
			return socket;
	}
	return NULL;
}

static void close_socket_watch(struct socket_watch *socket)
{
	loop_unwatch(socket->resolver->loop, &socket->watch);
	list_remove(&socket->node);
	mem_free(socket);
}

/* c-ares says what it waits for on a socket; for nothing: it is about to close it. */
static void socket_wants(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = arg;
	struct socket_watch *socket = find_socket(resolver, fd);

	if (!readable && !writable) {
		if (socket)
			close_socket_watch(socket);
		return;
	}
	if (!socket) {
		socket = mem_alloc(sizeof(*socket));
		*socket = (struct socket_watch){.watch = {.fd = fd, .ready = socket_is_ready},
		                                .resolver = resolver};
		list_push_back(&resolver->sockets, &socket->node);
	}
	/* If that fails, the question times out. */
	loop_watch_level(resolver->loop, &socket->watch,
	                 (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0));
}

/* "10.0.0.1 [::1]:5353" as c-ares wants it. */
static int set_nameservers(ares_channel channel, const char *nameservers)
{
	struct str rest = str_of(nameservers), word;
	char text[ADDR_TEXT_BYTES];
	struct addr addr;
	struct buf list;
	int status;

	buf_init(&list, 65536);
	while (str_word(&rest, &word)) {
		if (list.len > 0)
			buf_add_char(&list, ',');
		if (addr_parse(word, 53, &addr))
			word = str_of(addr_text(&addr, text));
		buf_add_str(&list, word);
	}
	buf_add_char(&list, '\0');
	status = list.is_full ? ARES_EBADSTR : ares_set_servers_ports_csv(channel, list.at);
	buf_fini(&list);
	return status;
}

static int try_ms(const struct resolver *resolver)
{
	int64_t part_ms = resolver->timeout_ms / TRY_PARTS;

	if (part_ms < MIN_TRY_MS)
		return MIN_TRY_MS;
	return part_ms < MAX_TRY_MS ? (int)part_ms : MAX_TRY_MS;
}

/* Puts a new channel, which knows what resolv.conf says now, in the place of the old one. If that
 * fails the old one stays. Returns c-ares' status. */
static int open_channel(struct resolver *resolver)
{
	char lookups[] = "b"; /* the hosts file is ours */
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH,
		.timeout = try_ms(resolver),
		.tries = TRIES,
		.lookups = lookups,
		.sock_state_cb = socket_wants,
		.sock_state_cb_data = resolver,
	};
	int which = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
	            ARES_OPT_SOCK_STATE_CB;
	ares_channel channel;
	int status;

#ifdef ARES_OPT_QUERY_CACHE /* 1.31: answers are kept here, not there */
	options.qcache_max_ttl = 0;
	which |= ARES_OPT_QUERY_CACHE;
#endif
	status = ares_init_options(&channel, &options, which);
	if (status != ARES_SUCCESS)
		return status;
	if (resolver->nameservers)
		status = set_nameservers(channel, resolver->nameservers);
	if (status != ARES_SUCCESS) {
		ares_destroy(channel);
		return status;
	}
	if (resolver->channel)
		ares_destroy(resolver->channel);
	resolver->channel = channel;
	resolver->is_channel_suspect = false;
	return ARES_SUCCESS;
}

/* ---- names and their answers */

static struct list *bucket_of(struct resolver *resolver, struct str text)
{
	return &resolver->buckets[hash_str(text, resolver->seed) % NBUCKETS];
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
	name->resolver->nnames--;
	mem_free(name);
}

/* Makes room by dropping the oldest answers. */
static void bound_names(struct resolver *resolver)
{
	LIST_EACH_SAFE(node, &resolver->by_age) {
		struct name *name = CONTAINER(node, struct name, in_age);

		if (resolver->nnames < MAX_NAMES)
			return;
		if (!name->is_asked)
			name_destroy(name);
	}
}

static void patience_is_over(struct timer *timer);

static struct name *name_create(struct resolver *resolver, struct str text)
{
	struct name *name = mem_alloc(sizeof(*name) + text.len + 1);

	bound_names(resolver);
	*name = (struct name){.resolver = resolver, .len = text.len};
	str_copy(text, name->text, text.len + 1);
	list_init(&name->askers);
	timer_init(&name->patience, patience_is_over);
	list_push_back(bucket_of(resolver, text), &name->in_bucket);
	list_push_back(&resolver->by_age, &name->in_age);
	resolver->nnames++;
	return name;
}

/* Writes an answer into a query: addrs without their port, or why there are none. */
static void answer(struct resolver_query *query, const struct addr *addrs, unsigned naddrs,
                   const char *why)
{
	query->naddrs = naddrs;
	query->why = naddrs > 0 ? NULL : why;
	for (unsigned i = 0; i < naddrs; i++) {
		query->addrs[i] = addrs[i];
		addr_set_port(&query->addrs[i], query->port_);
	}
}

/* Answers all who wait for name; they hear of it from the task. */
static void answer_askers(struct name *name, const struct addr *addrs, unsigned naddrs,
                          const char *why)
{
	struct resolver *resolver = name->resolver;

	timer_cancel(&name->patience);
	if (list_is_empty(&name->askers))
		return;
	LIST_EACH(node, &name->askers)
		answer(CONTAINER(node, struct resolver_query, node_), addrs, naddrs, why);
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

/* The name stays with c-ares; its answer is kept when it comes after all. */
static void patience_is_over(struct timer *timer)
{
	answer_askers(CONTAINER(timer, struct name, patience), NULL, 0, no_answer_in_time);
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

static void keep_addrs(struct name *name, const struct ares_addrinfo *info)
{
	name->naddrs = 0;
	for (const struct ares_addrinfo_node *node = info->nodes;
	     node && name->naddrs < RESOLVER_MAX_ADDRS; node = node->ai_next) {
		struct addr addr = {0};

		if (node->ai_addrlen > sizeof(addr.as))
			continue;
		memcpy(&addr.as, node->ai_addr, node->ai_addrlen);
		name->addrs[name->naddrs++] = addr;
	}
}

/* How long the answer that name holds now is good. */
static int64_t time_to_keep_ms(const struct name *name, const struct ares_addrinfo *info)
{
	const struct resolver *resolver = name->resolver;
	int64_t ttl_ms;

	if (name->naddrs == 0)
		return resolver->negative_ttl_ms;
	ttl_ms = shortest_ttl_s(info) * 1000;
	if (ttl_ms < resolver->negative_ttl_ms)
		ttl_ms = resolver->negative_ttl_ms;
	return ttl_ms < resolver->positive_ttl_ms ? ttl_ms : resolver->positive_ttl_ms;
}

/* From c-ares, also within ares_getaddrinfo and ares_destroy. */
static void name_was_answered(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct name *name = arg;

	(void)timeouts;
	name->is_asked = false;
	name->resolver->nasked--;
	name->resolver->is_channel_suspect = status == ARES_ECONNREFUSED || status == ARES_ETIMEOUT;
	name->naddrs = 0;
	if (status == ARES_SUCCESS)
		keep_addrs(name, info);
	name->why = why_not(status == ARES_SUCCESS ? ARES_ENODATA : status);
	name->expires_ms = loop_now_ms(name->resolver->loop) + time_to_keep_ms(name, info);
	if (info)
		ares_freeaddrinfo(info);
	answer_askers(name, name->addrs, name->naddrs, name->why);
}

/* Asks the DNS. The answer may be there when this returns. */
static void ask(struct name *name)
{
	static const struct ares_addrinfo_hints hints = {.ai_socktype = SOCK_STREAM};
	struct resolver *resolver = name->resolver;

	list_remove(&name->in_age);
	list_push_back(&resolver->by_age, &name->in_age);
	/* A machine that boots without a network gets its name servers later. If this fails, the
	 * old ones are asked. */
	if (resolver->is_channel_suspect && resolver->nasked == 0)
		open_channel(resolver);
	name->is_asked = true;
	resolver->nasked++;
	ares_getaddrinfo(resolver->channel, name->text, NULL, &hints, name_was_answered, name);
	plan_retry(resolver);
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

bool resolver_ask(struct resolver *resolver, struct str text, uint16_t port,
                  struct resolver_query *query)
{
	char lower[MAX_NAME_BYTES + 1];
	struct str asked = STR_NONE;
	struct name *name;

	list_init(&query->node_);
	query->port_ = port;
	normalise(text, lower, &asked);
	if (answer_at_once(resolver, text, asked, query))
		return true;
	name = find_name(resolver, asked);
	if (!name)
		name = name_create(resolver, asked);
	if (!name->is_asked && name->expires_ms <= loop_now_ms(resolver->loop))
		ask(name);
	if (!name->is_asked) {
		answer(query, name->addrs, name->naddrs, name->why);
		return true;
	}
	if (list_is_empty(&name->askers))
		timer_set(resolver->loop, &name->patience,
		          loop_now_ms(resolver->loop) + resolver->timeout_ms);
	list_push_back(&name->askers, &query->node_);
	return false;
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
	resolver->positive_ttl_ms = options->positive_ttl_ms;
	resolver->negative_ttl_ms = options->negative_ttl_ms;
	resolver->seed = random_u64();
	for (size_t i = 0; i < NBUCKETS; i++)
		list_init(&resolver->buckets[i]);
	list_init(&resolver->by_age);
	list_init(&resolver->sockets);
	list_init(&resolver->answered);
	resolver->hand_out.run = hand_out_answers;
	timer_init(&resolver->retry, retry_is_due);
	resolver->hosts = load_hosts(options->hosts_file);
	resolver->nameservers = mem_strdup(options->nameservers);
	status = open_channel(resolver);
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
	LIST_EACH(node, &resolver->by_age) {
		forget(&CONTAINER(node, struct name, in_age)->askers);
	}
	forget(&resolver->answered);
	if (resolver->channel)
		ares_destroy(resolver->channel); /* calls back for each name that is being asked */
	LIST_EACH_SAFE(node, &resolver->by_age) {
		name_destroy(CONTAINER(node, struct name, in_age));
	}
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
