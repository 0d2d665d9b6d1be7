/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/tls/ocsp_fetcher.h: tls_ocsp_fetch on (ours): the responders that the ports' certificates
 * name are asked about them, in the background; what they say is verified and stapled. An answer is
 * renewed when half of its time has gone by; what fails is tried again, after longer and longer
 * waits, and the last good answer is shown while it holds.
 *
 * Threads: the main one's, whose loop does all of it. */
#ifndef PROXY_OCSP_FETCHER_H
#define PROXY_OCSP_FETCHER_H
#include <stdint.h>

struct loop;
struct ocsp_fetcher; /* opaque */
struct server;

/* It looks at server->current from time to time: what its ports show now, and whether it is on. */
struct ocsp_fetcher *ocsp_fetcher_create(struct server *server, struct loop *loop);
void ocsp_fetcher_destroy(struct ocsp_fetcher *fetcher); /* accepts NULL */

/* How long an answer that holds from from_s to until_s is good enough at now_s, in seconds; at
 * least 1. */
int64_t ocsp_fetcher_fresh_s(int64_t from_s, int64_t until_s, int64_t now_s);
/* How long to wait behind the nth failure in a row, from 1 on. */
int64_t ocsp_fetcher_retry_s(unsigned n);

#endif
