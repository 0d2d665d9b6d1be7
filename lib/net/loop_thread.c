/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/loop_thread.h"

#include <signal.h>
#include <string.h>

#include "lib/net/loop.h"

enum { STACK_BYTES = 256 << 10 };

static void *run_loop(void *loop)
{
	loop_run(loop);
	return NULL;
}

bool loop_thread_start(pthread_t *thread, const char *name, struct loop *loop, struct err_text *why)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	error = pthread_create(thread, &attr, run_loop, loop);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error != 0) {
		err_say(why, "cannot start thread %s: %s", name, strerror(error));
		return false;
	}
	pthread_setname_np(*thread, name);
	return true;
}
