/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/addr.h"
#include "proxy/log/log_target.h"
#include "tests/support/scratch.h"

enum { PATIENCE_MS = 10000 };

static void sleep_a_little(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

static struct log_target *make(enum log_target_kind kind, const char *place, bool is_buffered)
{
	struct log_target *target = NULL;
	struct err_text why;

	assert_int_equal(log_target_create(&(struct log_target_options){
						   .kind = kind,
						   .name = "test",
						   .place = place,
						   .priority = LOG_DAEMON | LOG_INFO,
						   .is_buffered = is_buffered,
					   },
					   &target, &why),
			 ERR_OK);
	return target;
}

static int listen_on(int type, char place[64])
{
	struct addr addr = {.as.v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}};
	socklen_t len = sizeof(addr.as);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, &addr.as.any, addr_len(&addr)), 0);
	assert_int_equal(getsockname(fd, &addr.as.any, &len), 0);
	addr_text(&addr, place);
	return fd;
}

static size_t receive(int fd, char *out, size_t size)
{
	ssize_t n = recv(fd, out, size - 1, 0);

	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

static void a_datagram_holds_one_record_or_as_many_as_fit(void **state)
{
	char place[64], got[2048];
	int fd = listen_on(SOCK_DGRAM, place);
	struct log_target *target = make(LOG_TARGET_UDP, place, false);

	(void)state;
	log_target_add(target, STR("one\n"));
	log_target_add(target, STR("two\n"));
	log_target_flush(target);
	receive(fd, got, sizeof(got));
	assert_string_equal(got, "one\n");
	receive(fd, got, sizeof(got));
	assert_string_equal(got, "two\n");
	log_target_destroy(target);
	target = make(LOG_TARGET_UDP, place, true);
	for (int i = 0; i < 300; i++)
		log_target_add(target, STR("nine byt\n"));
	log_target_flush(target);
	assert_int_equal(receive(fd, got, sizeof(got)), 1400 / 9 * 9);
	assert_int_equal(receive(fd, got, sizeof(got)), (300 - 1400 / 9) * 9);
	log_target_destroy(target);
	close(fd);
}

static void syslog_messages_have_a_head_and_no_newline(void **state)
{
	struct scratch scratch;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct log_target *target;
	char got[512], tail[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	scratch_init(&scratch);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", scratch_path(&scratch, "log"));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	target = make(LOG_TARGET_SYSLOG, at.sun_path, false);
	log_target_add(target, STR("a record\n"));
	log_target_flush(target);
	receive(fd, got, sizeof(got));
	snprintf(tail, sizeof(tail), " squid[%d]: a record", (int)getpid());
	assert_memory_equal(got, "<30>", 4);
	assert_string_equal(got + strlen("<30>Nov 22 03:45:56"), tail);
	log_target_destroy(target);
	close(fd);
	scratch_fini(&scratch);
}

/* Until it is there again, records wait, and a line that was cut goes out whole. */
static void a_collector_may_come_late_and_go_away(void **state)
{
	char place[64], got[512] = "";
	int fd = listen_on(SOCK_STREAM, place), peer;
	struct log_target *target = make(LOG_TARGET_TCP, place, false);
	int64_t until_ms = clock_mono_ms() + PATIENCE_MS;
	struct pollfd pending;

	(void)state;
	log_target_add(target, STR("early\n"));
	log_target_flush(target); /* refused: nobody listens yet */
	sleep_a_little();
	log_target_flush(target);
	assert_true(log_target_is_pending(target, &pending));
	assert_int_equal(listen(fd, 4), 0);
	while (log_target_is_pending(target, &pending) && clock_mono_ms() < until_ms) {
		log_target_flush(target);
		sleep_a_little();
	}
	peer = accept(fd, NULL, NULL);
	receive(peer, got, sizeof(got));
	assert_string_equal(got, "early\n");
	close(peer);
	sleep_a_little();
	log_target_add(target, STR("later\n"));
	do {
		log_target_flush(target);
		sleep_a_little();
	} while (log_target_is_pending(target, &pending) && clock_mono_ms() < until_ms);
	peer = accept(fd, NULL, NULL);
	receive(peer, got, sizeof(got));
	assert_string_equal(got, "later\n");
	log_target_destroy(target);
	close(peer);
	close(fd);
}

static void what_nobody_takes_is_bounded(void **state)
{
	char place[64], line[1000];
	int fd = listen_on(SOCK_STREAM, place);
	struct log_target *target;
	struct pollfd pending;

	(void)state;
	assert_int_equal(listen(fd, 4), 0); /* and never read */
	target = make(LOG_TARGET_TCP, place, false);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 20000; i++) {
		log_target_add(target, (struct str){line, sizeof(line)});
		if (i % 100 == 0)
			log_target_flush(target);
	}
	assert_true(log_target_is_pending(target, &pending));
	log_target_destroy(target); /* does not wait for ever */
	close(fd);
}

static void a_place_without_an_address_is_told(void **state)
{
	static const char *const places[] = {"nowhere.invalid:1", "127.0.0.1:0", "127.0.0.1", ":1"};
	struct log_target *target = NULL;
	struct err_text why;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct log_target_options options = {
			.kind = LOG_TARGET_TCP, .name = "test", .place = places[i]};

		assert_int_equal(log_target_create(&options, &target, &why), ERR_IO);
		assert_non_null(strstr(why.at, places[i]));
	}
	assert_null(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_holds_one_record_or_as_many_as_fit),
		cmocka_unit_test(syslog_messages_have_a_head_and_no_newline),
		cmocka_unit_test(a_collector_may_come_late_and_go_away),
		cmocka_unit_test(what_nobody_takes_is_bounded),
		cmocka_unit_test(a_place_without_an_address_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
