/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/log/key_log.h: tls_key_log: the secrets of the TLS connections that its ACLs match,
 * accepted ones and ours to origins, so that captures of them can be read. Squid: cf.data.pre,
 * tls_key_log. Threads: immutable after key_log_create; following is for workers. */
#ifndef PROXY_KEY_LOG_H
#define PROXY_KEY_LOG_H

struct acl_facts;
struct config;
struct key_log; /* opaque */
struct log_writer;
struct stream;

/* NULL: config has no such line, or its place cannot be opened, which is logged. batch: the log
 * writer's for everybody. */
struct key_log *key_log_create(const struct config *config, struct log_writer *writer,
			       unsigned batch);
void key_log_destroy(struct key_log *log); /* accepts NULL */

/* The stream's handshake is about to begin; log (NULL: none) stays until it is over. facts: what is
 * known about the connection, and perhaps a request. */
void key_log_follow(struct key_log *log, struct stream *stream, const struct acl_facts *facts);

#endif
