/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/schema.h: the tables of cache.db, and how a connection to it is opened.
 *
 * Threads: schema_setup_once by any; the rest by the thread that uses the connection. */
#ifndef CACHE_SCHEMA_H
#define CACHE_SCHEMA_H
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

enum {
	SCHEMA_VERSION = 2, /* an older file is migrated when it is opened, in one transaction */
	SCHEMA_APPLICATION_ID = 0x48434143, /* "HCAC" */
	SCHEMA_PAGE_BYTES = 8192,
	SCHEMA_PIECE_BITS = 20, /* chunk.id = object.id << 20 | piece */
	SCHEMA_ID_BITS = 40,
};

/* How SQLite is to behave in this process; before the first connection. */
void schema_setup_once(void);

enum schema_state {
	SCHEMA_EMPTY,      /* no file yet, or nothing in it */
	SCHEMA_OURS,
	SCHEMA_NEWER,      /* a later version's: leave it alone */
	SCHEMA_FOREIGN,    /* another program's: leave it alone */
	SCHEMA_DAMAGED,    /* no database, or a broken one */
	SCHEMA_UNREADABLE, /* the system does not let us (rights, read-only, I/O) */
};

/* Opens a database of one thread, which knows extended result codes. The file itself is not
 * followed if it is a symbolic link, while its directory may be reached by some; what is no regular
 * file is refused. flags are SQLite's, for reading, writing and making; vfs NULL: the usual one. An
 * SQLite code; on failure *db is NULL, and why (may be NULL) has the reason. */
int schema_open(const char *path, int flags, const char *vfs, sqlite3 **db, struct err_text *why);

/* The writing connection, and what lies in the file. *db is open for EMPTY and OURS only; else
 * NULL, and why (may be NULL) says why. max_bytes bounds the file. */
enum schema_state schema_open_writer(const char *path, uint64_t max_bytes, sqlite3 **db,
				     struct err_text *why);
/* Do -wal and -shm stay, empty, when the last connection closes? A writing connection's do, since
 * who may only read cannot make them. */
void schema_keep_log(sqlite3 *db, bool keep);
/* Makes the tables in an empty file, in one transaction. An SQLite code. */
int schema_create(sqlite3 *db, uint64_t seed);

/* A connection that only reads; all else as above. */
int schema_open_reader(const char *path, sqlite3 **db, struct err_text *why);

/* Runs statements without results. An SQLite code. */
int schema_run(sqlite3 *db, const char *sql);
/* The one number that sql gives. An SQLite code (SQLITE_NOTFOUND: no row). */
int schema_number(sqlite3 *db, const char *sql, int64_t *out);

#endif
