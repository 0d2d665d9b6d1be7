/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/transcript.h: what one process saw while it read a configuration: files, names,
 * rights. Another one that may see less (the kid) reads the same from it, byte for byte, though the
 * files may have changed since.
 *
 * One thread's; one reading at a time in a process. */
#ifndef PROXY_TRANSCRIPT_H
#define PROXY_TRANSCRIPT_H
#include <stdbool.h>

struct config_options; /* squid-compat/config.h */
struct transcript;     /* opaque */

enum { TRANSCRIPT_MAX_BYTES = 64 << 20 };

struct transcript *transcript_create(void);
void transcript_destroy(struct transcript *transcript); /* accepts NULL */

/* The reading with these options sees the system, and transcript keeps what it saw. */
void transcript_record(struct transcript *transcript, struct config_options *options);

/* The reading with these options sees what transcript kept; what that does not have is not there.
 */
void transcript_replay(struct transcript *transcript, struct config_options *options);

/* Did both see the same? */
bool transcript_is_same(const struct transcript *a, const struct transcript *b);

/* A descriptor (close-on-exec, the caller's) that another process makes it from; -1: it could not
 * be made, or was too large. */
int transcript_send(const struct transcript *transcript);
/* NULL: it cannot be read. fd stays the caller's. */
struct transcript *transcript_receive(int fd);

#endif
