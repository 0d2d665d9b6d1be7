/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver before a name server of our own, on the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/net/resolver.h"
#include "lib/net/socket.h"

enum { TYPE_A = 1, TYPE_PTR = 12, TYPE_AAAA = 28, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, RCODE_REFUSED = 5 };

/* What the server knows. */
struct zone_entry {
	const char *name;
	unsigned na, naaaa; /* how many addresses: 192.0.2.1…, 2001:db8::1… */
	unsigned ttl_s;
	int rcode;
	bool is_silent;
	bool wants_tcp; /* answers on UDP are cut short */
	const char *host; /* PTR */
	unsigned nlost;   /* so many questions get no answer at first */
};

static const struct zone_entry zone[] = {
	{.name = "one.test", .na = 1, .ttl_s = 60},
	{.name = "both.test", .na = 2, .naaaa = 1, .ttl_s = 60},
	{.name = "brief.test", .na = 1, .ttl_s = 0},
	{.name = "empty.test", .ttl_s = 60},
	{.name = "missing.test", .rcode = RCODE_NXDOMAIN},
	{.name = "broken.test", .rcode = RCODE_SERVFAIL},
	{.name = "silent.test", .is_silent = true},
	{.name = "many.test", .na = 40, .ttl_s = 60, .wants_tcp = true},
	{.name = "lossy.test", .na = 1, .ttl_s = 60, .nlost = 2},
	{.name = "short.search.test", .na = 1, .ttl_s = 60},
	{.name = "short", .rcode = RCODE_NXDOMAIN},
	{.name = "7.2.0.192.in-addr.arpa", .ttl_s = 60, .host = "Pc7.Client.Test"},
	{.name = "8.2.0.192.in-addr.arpa", .rcode = RCODE_NXDOMAIN},
	{.name = "9.2.0.192.in-addr.arpa", .ttl_s = 60, .host = "bad name"},
	{.name = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	 .ttl_s = 60, .host = "six.test"},
};

struct server {
	struct loop_fd udp, listener, tcp;
	struct addr addr;
	unsigned nasked; /* questions for an A or PTR record */
	unsigned nlost;  /* of them, those that got no answer */
	int rcode;       /* to all questions; 0: as the zone says */
	bool is_silent;
};

static struct server server;
static struct loop *loop;
static struct resolver *resolver;
static int64_t positive_ttl_ms, negative_ttl_ms, retransmit_ms;
static bool uses_search_list;

/* ---- the server */

static unsigned char *put16(unsigned char *at, unsigned value)
{
	*at++ = (unsigned char)(value >> 8);
	*at++ = (unsigned char)value;
	return at;
}

/* `LEN label LEN label … 0` as text; what lies behind it. */
static const unsigned char *read_name(const unsigned char *at, char text[256])
{
	size_t n = 0;

	for (; *at; at += 1 + *at) {
		memcpy(text + n, at + 1, *at);
		n += *at;
		text[n++] = '.';
	}
	text[n ? n - 1 : 0] = '\0';
	return at + 1;
}

static unsigned char *put_address(unsigned char *at, unsigned type, unsigned ttl_s, unsigned last)
{
	static const unsigned char v4[3] = {192, 0, 2};
	static const unsigned char v6[15] = {0x20, 0x01, 0x0d, 0xb8};

	at = put16(at, 0xc00c); /* the name that was asked for */
	at = put16(put16(at, type), 1);
	at = put16(put16(at, 0), ttl_s);
	at = put16(at, type == TYPE_A ? 4 : 16);
	memcpy(at, type == TYPE_A ? v4 : v6, type == TYPE_A ? 3 : 15);
	at += type == TYPE_A ? 3 : 15;
	*at++ = (unsigned char)last;
	return at;
}

static unsigned char *put_host(unsigned char *at, unsigned ttl_s, const char *host)
{
	struct str rest = str_of(host), label;

	at = put16(put16(put16(at, 0xc00c), TYPE_PTR), 1);
	at = put16(put16(at, 0), ttl_s);
	at = put16(at, (unsigned)strlen(host) + 2);
	while (str_split(&rest, '.', &label)) {
		*at++ = (unsigned char)label.len;
		memcpy(at, label.at, label.len);
		at += label.len;
	}
	*at++ = 0;
	return at;
}

/* Returns how long the reply is; 0 for none. */
static size_t reply_to(const unsigned char *query, unsigned char *reply, bool is_udp)
{
	const struct zone_entry *entry = NULL;
	const unsigned char *behind_name;
	unsigned char *end = reply;
	unsigned type, n;
	char name[256];
	bool is_cut;

	behind_name = read_name(query + 12, name);
	type = (unsigned)behind_name[0] << 8 | behind_name[1];
	for (size_t i = 0; i < COUNT(zone) && !entry; i++)
		if (strcmp(zone[i].name, name) == 0)
			entry = &zone[i];
	server.nasked += type != TYPE_AAAA;
	if (!entry || entry->is_silent || server.is_silent)
		return 0;
	if (server.nlost < entry->nlost) {
		server.nlost++;
		return 0;
	}
	is_cut = is_udp && entry->wants_tcp;
	n = is_cut || server.rcode ? 0 : type == TYPE_A ? entry->na : entry->naaaa;
	if (type == TYPE_PTR)
		n = entry->host != NULL;
	memcpy(end, query, (size_t)(behind_name + 4 - query));
	put16(reply + 2, 0x8180u | (is_cut ? 0x0200u : 0) | (unsigned)(server.rcode ? server.rcode : entry->rcode));
	put16(put16(put16(put16(reply + 4, 1), n), 0), 0);
	end += behind_name + 4 - query;
	for (unsigned i = 1; i <= n && type == TYPE_PTR; i++)
		end = put_host(end, entry->ttl_s, entry->host);
	for (unsigned i = 1; i <= n && type != TYPE_PTR; i++)
		end = put_address(end, type, entry->ttl_s, i);
	return (size_t)(end - reply);
}

static void udp_ready(struct loop_fd *watch, uint32_t events)
{
	unsigned char query[512], reply[2048];
	struct addr from;
	socklen_t len = sizeof(from.as);
	size_t size;

	(void)events;
	if (recvfrom(watch->fd, query, sizeof(query), 0, &from.as.any, &len) < 17)
		return;
	size = reply_to(query, reply, true);
	if (size > 0)
		sendto(watch->fd, reply, size, 0, &from.as.any, len);
}

/* Sends the length and the bytes apart, so that the client has to read several times. */
static void tcp_ready(struct loop_fd *watch, uint32_t events)
{
	unsigned char query[514], reply[2048], length[2];
	ssize_t got = recv(watch->fd, query, 2, MSG_WAITALL);
	size_t size;

	(void)events;
	if (got == 2)
		got = recv(watch->fd, query + 2, (size_t)query[0] << 8 | query[1], MSG_WAITALL);
	if (got < 17) {
		loop_unwatch(loop, watch);
		close(watch->fd);
		watch->fd = -1;
		return;
	}
	size = reply_to(query + 2, reply, false);
	put16(length, (unsigned)size);
	assert_int_equal(send(watch->fd, length, 2, 0), 2);
	assert_int_equal(send(watch->fd, reply, size, 0), size);
}

static void listener_ready(struct loop_fd *watch, uint32_t events)
{
	(void)events;
	server.tcp.fd = accept4(watch->fd, NULL, NULL, 0);
	server.tcp.ready = tcp_ready;
	assert_true(loop_watch_level(loop, &server.tcp, EPOLLIN));
}

static void start_server(void)
{
	static const struct socket_options options = {0};
	socklen_t len = sizeof(server.addr.as);

	server = (struct server){.tcp.fd = -1};
	server.udp.ready = udp_ready;
	server.listener.ready = listener_ready;
	assert_true(addr_parse(STR("127.0.0.1"), 0, &server.addr));
	assert_int_equal(socket_listen(&server.addr, &options, &server.listener.fd, NULL), ERR_OK);
	assert_int_equal(getsockname(server.listener.fd, &server.addr.as.any, &len), 0);
	server.udp.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(server.udp.fd, &server.addr.as.any, len), 0);
	assert_true(loop_watch_level(loop, &server.udp, EPOLLIN));
	assert_true(loop_watch_level(loop, &server.listener, EPOLLIN));
}

static void stop_server(void)
{
	struct loop_fd *all[] = {&server.udp, &server.listener, &server.tcp};

	for (size_t i = 0; i < COUNT(all); i++) {
		loop_unwatch(loop, all[i]);
		if (all[i]->fd >= 0)
			close(all[i]->fd);
	}
}

/* ---- the asker */

struct asker {
	struct resolver_query query;
	unsigned ndone;
	struct asker *cancels; /* in its done */
};

static unsigned nawaited;

static void done(struct resolver_query *query)
{
	struct asker *asker = CONTAINER(query, struct asker, query);

	asker->ndone++;
	if (asker->cancels)
		resolver_cancel(&asker->cancels->query);
	if (--nawaited == 0)
		loop_stop(loop);
}

static void init_asker(struct asker *asker)
{
	memset(asker, 0x5a, sizeof(*asker));
	asker->query.done = done;
	asker->ndone = 0;
	asker->cancels = NULL;
}

static bool ask(struct asker *asker, const char *name)
{
	init_asker(asker);
	return resolver_ask(resolver, str_of(name), 8080, &asker->query);
}

static void run_until_done(unsigned n)
{
	nawaited = n;
	loop_run(loop);
}

static void ask_and_wait(struct asker *asker, const char *name)
{
	if (!ask(asker, name))
		run_until_done(1);
}

/* For the name of an address. */
static bool ask_host(struct asker *asker, const char *ip)
{
	struct addr addr;

	init_asker(asker);
	assert_true(addr_parse(str_of(ip), 80, &addr));
	return resolver_ask_host(resolver, &addr, &asker->query);
}

static void stop_by_timer(struct timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

static void run_for(int64_t ms)
{
	struct timer timer;

	timer_init(&timer, stop_by_timer);
	timer_set(loop, &timer, loop_now_ms(loop) + ms);
	loop_run(loop);
}

static void start_resolver(const char *hosts_file)
{
	char nameserver[ADDR_TEXT_BYTES];
	const struct resolver_options options = {
		.nameservers = addr_text(&server.addr, nameserver),
		.hosts_file = hosts_file,
		.uses_search_list = uses_search_list,
		.timeout_ms = retransmit_ms > 0 ? 20000 : 150,
		.retransmit_ms = retransmit_ms,
		.positive_ttl_ms = positive_ttl_ms,
		.negative_ttl_ms = negative_ttl_ms,
	};

	resolver = resolver_create(loop, &options, NULL);
	assert_non_null(resolver);
}

static int set_up(void **state)
{
	(void)state;
	loop = loop_create(0, NULL);
	assert_non_null(loop);
	positive_ttl_ms = 3600000;
	negative_ttl_ms = 0;
	retransmit_ms = 0;
	uses_search_list = false;
	start_server();
	start_resolver("none");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	resolver_destroy(resolver);
	resolver_destroy(NULL);
	stop_server();
	loop_destroy(loop);
	return 0;
}

static void restart_resolver(const char *hosts_file)
{
	resolver_destroy(resolver);
	start_resolver(hosts_file);
}

static void assert_first(const struct asker *asker, const char *expected)
{
	char text[ADDR_TEXT_BYTES];

	assert_true(asker->query.naddrs > 0);
	assert_null(asker->query.why);
	assert_string_equal(addr_text(&asker->query.addrs[0], text), expected);
}

/* ---- what it promises */

static void an_address_answers_itself(void **state)
{
	struct asker asker;

	(void)state;
	assert_true(ask(&asker, "192.0.2.9"));
	assert_first(&asker, "192.0.2.9:8080");
	assert_true(ask(&asker, "[2001:db8::9]"));
	assert_first(&asker, "[2001:db8::9]:8080");
	assert_int_equal(asker.ndone, 0);
}

static void what_is_no_name_is_refused_at_once(void **state)
{
	static const char *const names[] = {"", ".", "a b", "a\nb", "a\tb"};
	char too_long[300];
	struct asker asker;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_true(ask(&asker, names[i]));
		assert_int_equal(asker.query.naddrs, 0);
		assert_non_null(asker.query.why);
	}
	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	assert_true(ask(&asker, too_long));
	assert_int_equal(asker.query.naddrs, 0);
}

static void a_name_is_asked_once_while_its_answer_is_fresh(void **state)
{
	struct asker asker;

	(void)state;
	assert_false(ask(&asker, "one.test"));
	run_until_done(1);
	assert_int_equal(asker.ndone, 1);
	assert_first(&asker, "192.0.2.1:8080");
	assert_true(ask(&asker, "ONE.test."));
	assert_first(&asker, "192.0.2.1:8080");
	assert_int_equal(server.nasked, 1);
}

static void addresses_of_both_families_are_given(void **state)
{
	struct asker asker;
	unsigned nv6 = 0;

	(void)state;
	ask_and_wait(&asker, "both.test");
	assert_int_equal(asker.query.naddrs, 3);
	for (unsigned i = 0; i < 3; i++)
		nv6 += asker.query.addrs[i].as.any.sa_family == AF_INET6;
	assert_int_equal(nv6, 1);
}

/* Who balances by DNS gets each address in turn; the families alternate. */
static void each_asker_begins_with_another_address(void **state)
{
	struct asker asker;
	unsigned counts[3] = {0};

	(void)state;
	ask_and_wait(&asker, "many.test");
	for (unsigned i = 0; i < 120; i++) { /* thrice for each of 40 */
		char text[ADDR_TEXT_BYTES];

		assert_true(ask(&asker, "many.test"));
		addr_ip_text(&asker.query.addrs[0], text);
		if (strlen(text) == strlen("192.0.2.1") && text[8] <= '3')
			counts[text[8] - '1']++;
	}
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(counts[i], 3);
	ask_and_wait(&asker, "both.test");
	assert_true((asker.query.addrs[1].as.any.sa_family == AF_INET6) ^
		    (asker.query.addrs[0].as.any.sa_family == AF_INET6));
}

/* Of 40, of which an asker gets 10; all but one refuse. */
static void addresses_that_fail_come_last(void **state)
{
	struct asker asker;
	struct addr good;

	(void)state;
	ask_and_wait(&asker, "many.test");
	assert_true(addr_parse(STR("192.0.2.33"), 8080, &good));
	for (unsigned i = 0; i < 60; i++) {
		bool is_there = false;

		assert_true(ask(&asker, "Many.test"));
		for (unsigned k = 0; k < asker.query.naddrs && !is_there; k++) {
			is_there = addr_eq_ip(&asker.query.addrs[k], &good);
			resolver_mark(resolver, STR("many.test."), &asker.query.addrs[k], is_there);
		}
		assert_true(asker.query.nmore == 30 || i > 0);
		if (i > 50)
			assert_true(addr_eq_ip(&asker.query.addrs[0], &good));
	}
	resolver_mark(resolver, STR("many.test"), &good, false);
	assert_true(ask(&asker, "many.test")); /* all are bad: as good as any */
	assert_int_equal(asker.query.naddrs, RESOLVER_MAX_ADDRS);
	assert_int_equal(asker.query.nmore, 0);
	resolver_mark(resolver, STR("other.test"), &good, false);
}

static void good_addresses_outlive_the_name_server(void **state)
{
	struct asker asker;

	(void)state;
	ask_and_wait(&asker, "brief.test");
	server.rcode = RCODE_SERVFAIL;
	ask_and_wait(&asker, "brief.test");
	assert_first(&asker, "192.0.2.1:8080");
	server.rcode = RCODE_NXDOMAIN;
	ask_and_wait(&asker, "brief.test");
	assert_first(&asker, "192.0.2.1:8080");
	server.rcode = 0;
	server.is_silent = true;
	ask_and_wait(&asker, "brief.test");
	assert_first(&asker, "192.0.2.1:8080");
	server.is_silent = false;
}

static void equal_questions_are_asked_together(void **state)
{
	struct asker askers[3];

	(void)state;
	for (size_t i = 0; i < COUNT(askers); i++)
		assert_false(ask(&askers[i], "one.test"));
	run_until_done(COUNT(askers));
	for (size_t i = 0; i < COUNT(askers); i++)
		assert_first(&askers[i], "192.0.2.1:8080");
	assert_int_equal(server.nasked, 1);
}

static void a_short_ttl_is_lengthened_and_a_long_one_shortened(void **state)
{
	struct asker asker;

	(void)state;
	ask_and_wait(&asker, "brief.test");
	ask_and_wait(&asker, "brief.test");
	assert_int_equal(server.nasked, 2);

	negative_ttl_ms = 60000;
	restart_resolver("none");
	ask_and_wait(&asker, "brief.test");
	assert_true(ask(&asker, "brief.test"));
	assert_int_equal(server.nasked, 3);

	positive_ttl_ms = 0;
	restart_resolver("none");
	ask_and_wait(&asker, "one.test");
	ask_and_wait(&asker, "one.test");
	assert_int_equal(server.nasked, 5);
}

/* positive_dns_ttl: a record may say 60 s, it is asked for again after a tenth of one. */
static void an_answer_is_kept_for_positive_ttl_at_most(void **state)
{
	struct asker asker;

	(void)state;
	positive_ttl_ms = 100;
	restart_resolver("none");
	ask_and_wait(&asker, "one.test");
	assert_true(ask(&asker, "one.test"));
	run_for(positive_ttl_ms + 1);
	assert_false(ask(&asker, "one.test"));
	run_until_done(1);
	assert_first(&asker, "192.0.2.1:8080");
	assert_int_equal(server.nasked, 2);
}

static void a_name_without_addresses_says_why(void **state)
{
	static const struct {
		const char *name, *why;
	} cases[] = {
		{"missing.test", "there is no such name"},
		{"empty.test", "the name has no address"},
		{"broken.test", "the name servers failed"}, /* older c-ares: or cannot be reached */
		{"a..b", "that is no host name"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct asker asker;

		ask_and_wait(&asker, cases[i].name);
		assert_int_equal(asker.query.naddrs, 0);
		assert_memory_equal(asker.query.why, cases[i].why, strlen(cases[i].why));
	}
}

static void that_there_is_none_is_remembered_for_negative_ttl(void **state)
{
	struct asker asker;

	(void)state;
	negative_ttl_ms = 100;
	restart_resolver("none");
	assert_false(ask(&asker, "missing.test"));
	run_until_done(1);
	assert_true(ask(&asker, "missing.test"));
	assert_string_equal(asker.query.why, "there is no such name");
	assert_int_equal(server.nasked, 1);
	run_for(negative_ttl_ms + 1);
	assert_false(ask(&asker, "missing.test"));
	run_until_done(1);
	assert_int_equal(server.nasked, 2);
}

static void that_there_is_none_may_be_doubted(void **state)
{
	struct asker asker;

	(void)state;
	negative_ttl_ms = 60000;
	restart_resolver("none");
	resolver_doubt(resolver, STR("missing.test"), 0);
	assert_false(ask(&asker, "missing.test"));
	run_until_done(1);
	resolver_doubt(resolver, STR("missing.test"), 30000);
	assert_true(ask(&asker, "missing.test"));
	resolver_doubt(resolver, STR("Missing.test."), 0);
	assert_false(ask(&asker, "missing.test"));
	run_until_done(1);
	ask_and_wait(&asker, "one.test");
	resolver_doubt(resolver, STR("one.test"), 0);
	assert_true(ask(&asker, "one.test"));
	resolver_doubt(resolver, STR("192.0.2.1"), 0);
}

static void a_silent_server_ends_in_a_timeout(void **state)
{
	int64_t start_ms = clock_mono_ms();
	struct asker asker;

	(void)state;
	assert_false(ask(&asker, "silent.test"));
	run_until_done(1);
	assert_string_equal(asker.query.why, "no name server answered in time");
	assert_in_range(clock_mono_ms() - start_ms, 140, 2000);
	/* Its question is still with c-ares, so this one joins it. */
	assert_false(ask(&asker, "silent.test"));
	run_until_done(1);
	assert_int_equal(asker.ndone, 1);
}

/* The name servers are looked up anew then; see a machine that boots before its network. */
static void a_failure_is_got_over(void **state)
{
	struct asker asker;

	(void)state;
	ask_and_wait(&asker, "broken.test");
	ask_and_wait(&asker, "one.test");
	assert_first(&asker, "192.0.2.1:8080");
}

/* RFC 7766: what does not fit a datagram comes over TCP. */
static void a_long_answer_comes_over_tcp(void **state)
{
	struct asker asker;

	(void)state;
	ask_and_wait(&asker, "many.test");
	assert_int_equal(asker.query.naddrs, RESOLVER_MAX_ADDRS);
}

static void a_cancelled_question_is_not_answered(void **state)
{
	struct asker first, second, third;

	(void)state;
	assert_false(ask(&first, "one.test"));
	assert_false(ask(&second, "one.test"));
	assert_false(ask(&third, "one.test"));
	resolver_cancel(&first.query);
	resolver_cancel(&first.query);
	memset(&first, 0xff, sizeof(first));
	second.cancels = &third; /* answered already, but not told yet */
	run_until_done(1);
	run_for(1);
	assert_int_equal(second.ndone, 1);
	assert_int_equal(third.ndone, 0);
	resolver_cancel(&second.query);
}

static void a_resolver_may_go_while_it_is_asked(void **state)
{
	struct asker first, second;

	(void)state;
	assert_false(ask(&first, "silent.test"));
	assert_false(ask(&second, "one.test"));
	resolver_destroy(resolver);
	resolver = NULL;
	run_for(1);
	assert_int_equal(first.ndone + second.ndone, 0);
}

static void the_hosts_file_comes_first(void **state)
{
	char path[] = "/tmp/resolver_test.XXXXXX";
	static const char text[] = "198.51.100.7 one.test\n";
	struct asker asker;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	restart_resolver(path);
	unlink(path);
	assert_true(ask(&asker, "One.Test"));
	assert_first(&asker, "198.51.100.7:8080");
	assert_int_equal(server.nasked, 0);
}

static void an_address_has_the_name_that_the_dns_gives(void **state)
{
	static const struct {
		const char *ip, *host;
	} cases[] = {
		{"192.0.2.7", "pc7.client.test"},
		{"::ffff:192.0.2.7", "pc7.client.test"},
		{"2001:db8::1", "six.test"},
		{"192.0.2.8", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct asker asker;

		if (!ask_host(&asker, cases[i].ip))
			run_until_done(1);
		assert_string_equal(asker.query.host, cases[i].host);
		assert_int_equal(asker.query.host_len, strlen(cases[i].host));
		assert_true((asker.query.why == NULL) == (asker.query.host_len > 0));
	}
}

static void the_name_of_an_address_is_asked_for_once(void **state)
{
	struct asker first, second;

	(void)state;
	negative_ttl_ms = 60000;
	restart_resolver("none");
	assert_false(ask_host(&first, "192.0.2.7"));
	assert_false(ask_host(&second, "192.0.2.7"));
	run_until_done(2);
	assert_string_equal(second.query.host, "pc7.client.test");
	assert_true(ask_host(&first, "192.0.2.7"));
	assert_string_equal(first.query.host, "pc7.client.test");
	assert_false(ask_host(&first, "192.0.2.8"));
	run_until_done(1);
	assert_true(ask_host(&first, "192.0.2.8"));
	assert_int_equal(first.query.host_len, 0);
	assert_int_equal(server.nasked, 2);
}

/* Clients choose what they are called: no blank gets into a log by that. */
static void a_name_that_no_host_has_is_none(void **state)
{
	struct asker asker;

	(void)state;
	if (!ask_host(&asker, "192.0.2.9"))
		run_until_done(1);
	assert_null(strchr(asker.query.host, ' '));
}

static void strangers_push_out_no_names(void **state)
{
	struct asker asker;
	char ip[32];

	(void)state;
	negative_ttl_ms = 60000;
	restart_resolver("none");
	ask_and_wait(&asker, "one.test");
	for (unsigned i = 0; i < 1100; i++) {
		snprintf(ip, sizeof(ip), "203.%u.%u.1", i / 256, i % 256);
		if (!ask_host(&asker, ip))
			resolver_cancel(&asker.query);
	}
	assert_true(ask(&asker, "one.test"));
	assert_first(&asker, "192.0.2.1:8080");
}

static void a_lost_question_is_repeated_after_the_interval(void **state)
{
	int64_t start_ms = clock_mono_ms();
	struct asker asker;

	(void)state;
	retransmit_ms = 200;
	restart_resolver("none");
	ask_and_wait(&asker, "lossy.test");
	assert_first(&asker, "192.0.2.1:8080");
	assert_int_equal(server.nlost, 2);
	assert_in_range(clock_mono_ms() - start_ms, 190, 8000);
}

static void a_short_name_is_searched_for_where_that_is_wanted(void **state)
{
	struct asker asker;

	(void)state;
	setenv("LOCALDOMAIN", "search.test", 1);
	ask_and_wait(&asker, "short");
	assert_int_equal(asker.query.naddrs, 0);
	uses_search_list = true;
	restart_resolver("none");
	unsetenv("LOCALDOMAIN");
	ask_and_wait(&asker, "short");
	assert_first(&asker, "192.0.2.1:8080");
}

static void old_answers_make_room(void **state)
{
	char name[32];
	struct asker asker;

	(void)state;
	negative_ttl_ms = 60000;
	restart_resolver("none");
	ask_and_wait(&asker, "one.test");
	for (int i = 0; i < 1100; i++) {
		snprintf(name, sizeof(name), "a..%d", i); /* refused without a question */
		assert_true(ask(&asker, name));
	}
	ask_and_wait(&asker, "one.test");
	assert_int_equal(server.nasked, 2);
}

static void nameservers_that_are_none_are_refused(void **state)
{
	const struct resolver_options options = {.nameservers = "ns.example", .timeout_ms = 1000};
	struct err_text why;

	(void)state;
	assert_null(resolver_create(loop, &options, &why));
	assert_non_null(strstr(why.at, "ns.example"));
}

static void the_blocking_way_knows_addresses_and_hosts(void **state)
{
	struct addr addrs[4];

	(void)state;
	assert_int_equal(resolver_blocking("192.0.2.1", 80, addrs, 4), 1);
	assert_int_equal(addr_port(&addrs[0]), 80);
	assert_true(resolver_blocking("localhost", 81, addrs, 4) >= 1);
	assert_int_equal(addr_port(&addrs[0]), 81);
	assert_int_equal(resolver_blocking("192.0.2.1", 80, addrs, 0), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_address_answers_itself),
		TEST(what_is_no_name_is_refused_at_once),
		TEST(a_name_is_asked_once_while_its_answer_is_fresh),
		TEST(addresses_of_both_families_are_given),
		TEST(each_asker_begins_with_another_address),
		TEST(addresses_that_fail_come_last),
		TEST(good_addresses_outlive_the_name_server),
		TEST(equal_questions_are_asked_together),
		TEST(a_short_ttl_is_lengthened_and_a_long_one_shortened),
		TEST(an_answer_is_kept_for_positive_ttl_at_most),
		TEST(a_name_without_addresses_says_why),
		TEST(that_there_is_none_is_remembered_for_negative_ttl),
		TEST(that_there_is_none_may_be_doubted),
		TEST(a_silent_server_ends_in_a_timeout),
		TEST(a_failure_is_got_over),
		TEST(a_long_answer_comes_over_tcp),
		TEST(a_cancelled_question_is_not_answered),
		TEST(a_resolver_may_go_while_it_is_asked),
		TEST(the_hosts_file_comes_first),
		TEST(an_address_has_the_name_that_the_dns_gives),
		TEST(the_name_of_an_address_is_asked_for_once),
		TEST(a_name_that_no_host_has_is_none),
		TEST(strangers_push_out_no_names),
		TEST(a_lost_question_is_repeated_after_the_interval),
		TEST(a_short_name_is_searched_for_where_that_is_wanted),
		TEST(old_answers_make_room),
		TEST(nameservers_that_are_none_are_refused),
		TEST(the_blocking_way_knows_addresses_and_hosts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
