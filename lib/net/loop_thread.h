/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/loop_thread.h: a thread that runs a loop and nothing else. */
#ifndef NET_LOOP_THREAD_H
#define NET_LOOP_THREAD_H
#include <pthread.h>
#include <stdbool.h>

#include "lib/base/err.h"

struct loop; /* lib/net/loop.h */

/* With a small stack and no signals; it ends with loop_stop, and is joined by the caller. name: up
 * to 15 bytes, as the system shows it. False, and why: there is none to be had. */
bool loop_thread_start(pthread_t *thread, const char *name, struct loop *loop,
                       struct err_text *why);

#endif
