/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/session_h2_memory.h: the memory of a session of nghttp2. Two pieces of it are
 * large, and hold nothing while no stream is open and nothing waits to be sent: the table of
 * streams (4 KiB) and the buffer in which it packs frames (16 KiB). They lie on pages of their own,
 * which an idle connection gives back to the system.
 *
 * Threads: one worker's. */
#ifndef PROXY_SESSION_H2_MEMORY_H
#define PROXY_SESSION_H2_MEMORY_H
#include <nghttp2/nghttp2.h>
#include <stdbool.h>

struct page_pool; /* lib/base/page_pool.h */

struct h2_memory {
	nghttp2_mem calls; /* for nghttp2_session_server_new3 */
	struct page_pool *pool_;
	char *block_;
	bool has_table_, has_frames_; /* taken by nghttp2 */
};

/* A worker's, for all of its sessions. */
struct page_pool *h2_memory_make_pool(void);

/* It stays where it is until h2_memory_fini, behind nghttp2_session_del. */
void h2_memory_init(struct h2_memory *memory, struct page_pool *pool);
void h2_memory_fini(struct h2_memory *memory);

/* No stream is open, and nghttp2 has nothing to send. */
void h2_memory_rest(struct h2_memory *memory);

#endif
