/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/helper_notebook.h: writes pairs of questions and answers into a recording, from
 * a thread of its own and in batches, so that who brings them never waits. What comes faster than
 * it can be written is dropped and counted; a file that does not take them is complained of once,
 * on stderr. Threads: notebook_add by any. */
#ifndef PROXY_CTL_HELPER_NOTEBOOK_H
#define PROXY_CTL_HELPER_NOTEBOOK_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/ctl/helper/helper_tap.h"

enum {
	NOTEBOOK_MAX_BYTES = 16 << 20, /* that wait to be written */
	NOTEBOOK_BATCH_MS = 300,       /* between two batches */
};

struct notebook_options {
	const char *path, *kind;
	uint32_t secret_words; /* besides those of the kind (helper_secrets.h) */
	int64_t max_rows;      /* when the file has that many, recording ends */
};

struct notebook {
	struct notebook_options options; /* immutable */
	pthread_t thread;
	bool has_complained; /* the thread's own */
	struct {
		pthread_mutex_t mutex;
		pthread_cond_t cond;
		struct notebook_page *first, **last; /* in order */
		size_t nbytes;
		uint64_t ndropped;
		bool is_over, is_closed; /* no more comes; no more is wanted */
	} shared;
};

/* False: no thread can be had. Strings of options must outlive the notebook. */
bool notebook_start(struct notebook *notebook, const struct notebook_options *options);
/* Copies pair. */
void notebook_add(struct notebook *notebook, const struct tap_pair *pair);
/* Writes what is left, then ends. */
void notebook_stop(struct notebook *notebook);

#endif
