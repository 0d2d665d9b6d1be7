/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proxy/process/notify.h"
#include "tests/support/scratch.h"

struct rig {
	int fd; /* the service manager's */
	struct notify notify;
	char text[256];
};

/* name: as the environment has it. */
static void init(struct rig *rig, const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	memcpy(at.sun_path, name, strlen(name));
	if (*name == '@')
		at.sun_path[0] = '\0';
	rig->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(rig->fd, (struct sockaddr *)&at,
	                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
	                 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	notify_init(&rig->notify);
}

/* The next datagram; NULL: none. */
static const char *heard(struct rig *rig)
{
	ssize_t n = recv(rig->fd, rig->text, sizeof(rig->text) - 1, 0);

	if (n < 0)
		return NULL;
	rig->text[n] = '\0';
	return rig->text;
}

static void tell_all(struct rig *rig)
{
	long long usec;

	notify_ready(&rig->notify, 4321);
	assert_string_equal(heard(rig), "READY=1\nMAINPID=4321\nSTATUS=serving\n");
	notify_reloading(&rig->notify);
	assert_non_null(heard(rig));
	assert_int_equal(sscanf(rig->text, "RELOADING=1\nMONOTONIC_USEC=%lld\n", &usec), 1);
	assert_true(usec > 0);
	notify_stopping(&rig->notify);
	assert_string_equal(heard(rig), "STOPPING=1\nSTATUS=finishing what has begun\n");
	assert_null(heard(rig));
	close(rig->fd);
}

static void the_manager_hears_what_we_do(void **state)
{
	struct scratch scratch;
	struct rig rig;

	(void)state;
	scratch_init(&scratch);
	init(&rig, scratch_path(&scratch, "manager"));
	tell_all(&rig);
	scratch_fini(&scratch);
}

static void its_socket_may_be_abstract(void **state)
{
	struct rig rig;
	char *name = mem_printf("@bobtail-test-%d", (int)getpid());

	(void)state;
	init(&rig, name);
	tell_all(&rig);
	mem_free(name);
}

static void no_child_gets_its_name(void **state)
{
	struct notify notify;

	(void)state;
	assert_int_equal(setenv("NOTIFY_SOCKET", "/nowhere", 1), 0);
	notify_init(&notify);
	assert_null(getenv("NOTIFY_SOCKET"));
}

static void without_a_usable_name_nothing_is_said(void **state)
{
	static const char *const names[] = {NULL, "", "/", "@", "relative", "vsock:2:1234"};
	struct notify notify;
	char *longest = mem_zalloc(200);

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		unsetenv("NOTIFY_SOCKET");
		if (names[i])
			setenv("NOTIFY_SOCKET", names[i], 1);
		notify_init(&notify);
		assert_int_equal(notify.to_len, 0);
		notify_ready(&notify, 1);
	}
	memset(longest, 'x', 199);
	longest[0] = '/';
	setenv("NOTIFY_SOCKET", longest, 1);
	notify_init(&notify);
	assert_int_equal(notify.to_len, 0);
	mem_free(longest);
}

static void a_manager_that_does_not_listen_holds_nobody_up(void **state)
{
	struct scratch scratch;
	struct rig rig;

	(void)state;
	scratch_init(&scratch);
	init(&rig, scratch_path(&scratch, "manager"));
	for (int i = 0; i < 2000; i++) /* more than a socket holds */
		notify_ready(&rig.notify, i);
	close(rig.fd);
	notify_ready(&rig.notify, 1);
	scratch_fini(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manager_hears_what_we_do),
		cmocka_unit_test(its_socket_may_be_abstract),
		cmocka_unit_test(no_child_gets_its_name),
		cmocka_unit_test(without_a_usable_name_nothing_is_said),
		cmocka_unit_test(a_manager_that_does_not_listen_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
