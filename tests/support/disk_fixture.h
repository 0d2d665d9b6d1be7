/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/disk_fixture.h: a disk tier in a directory of its own, and calls that wait for it.
 * Threads: the test's one thread, which runs the fixture's loop while it waits. */
#ifndef TESTS_DISK_FIXTURE_H
#define TESTS_DISK_FIXTURE_H
#include <sys/types.h>

#include "cache/disk/disk.h"
#include "cache/object.h"
#include "lib/http/message.h"

struct disk_fixture {
	struct disk *disk;
	struct loop *loop;
	struct disk_config config;
	char directory[64];
};

/* A fresh directory and a disk of max_bytes in it. */
void fixture_open(struct disk_fixture *fixture, uint64_t max_bytes);
/* Closes and removes the directory. */
void fixture_close(struct disk_fixture *fixture);
/* As a restart would. */
void fixture_reopen(struct disk_fixture *fixture);
/* The path of a file in the directory; the caller frees it. */
char *fixture_path(const struct disk_fixture *fixture, const char *name);

/* A body whose bytes tell where they belong. */
void pattern_fill(char *at, size_t len, uint64_t offset);
bool pattern_is(const char *at, size_t len, uint64_t offset);

/* A complete object with a pattern of size bytes; vary may be "". */
struct object *fixture_object(const char *url, const char *vary, size_t size);
uint64_t fixture_key(const struct disk_fixture *fixture, const char *url);
/* Stores such an object; false: refused. fixture_store also waits for the commit. */
bool fixture_put(struct disk_fixture *fixture, const char *url, const char *vary, size_t size);
bool fixture_store(struct disk_fixture *fixture, const char *url, const char *vary, size_t size);
/* Waits until what is queued was committed or dropped. */
void fixture_settle(struct disk_fixture *fixture);
struct disk_stats fixture_stats(const struct disk_fixture *fixture);
/* Waits until the index is read. */
void fixture_wait_loaded(struct disk_fixture *fixture);

/* The answer, with a reference; NULL: a miss. One at once (disk_lookup_now) has to be the same.
 * accept_language may be NULL. */
struct object *fixture_find(struct disk_fixture *fixture, const char *url,
			    const char *accept_language);
/* The same, but nothing of a large body is read before somebody wants it. */
struct object *fixture_find_lazily(struct disk_fixture *fixture, const char *url);
/* Reads an object's body from offset on to its end; the length of that if it is whole and the pattern,
 * else -1. Does not drop the reference. */
int64_t fixture_read_from(struct disk_fixture *fixture, struct object *object, uint64_t offset);
/* Reads all of an object's body: its length if it is whole and the pattern, else -1. Drops the
 * reference. NULL gives -2. */
int64_t fixture_read(struct disk_fixture *fixture, struct object *object);
/* The two in one. */
int64_t fixture_get(struct disk_fixture *fixture, const char *url);

/* Runs the sqlite3 program on the database; its exit status, -1 when it is not installed. */
int fixture_shell(const struct disk_fixture *fixture, const char *sql);
/* Runs SQL on a connection of its own (as another program would); an SQLite code. */
int fixture_sql(const struct disk_fixture *fixture, const char *sql);
/* Another process holds the file's lock, from now on and for so long. Its pid, to be waited for. */
pid_t fixture_hold_lock(const struct disk_fixture *fixture, unsigned for_us);
/* Until it is true, for five seconds at most. */
bool fixture_wait(struct disk_fixture *fixture, bool (*is_so)(struct disk_fixture *fixture));

#endif
