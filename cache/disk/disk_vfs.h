/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_vfs.h: an SQLite VFS above the system's that makes few large writes of many small
 * ones.
 *
 * SQLite writes each page of a transaction to its log (WAL) in two pieces. Here what is appended is
 * gathered, and written with the frame that ends the transaction, before SQLite says in shared
 * memory that it is there, so that whoever reads finds it, in whatever process; and before the log
 * is read, measured, cut or synced by the same connection. What a transaction that came to nothing
 * left is dropped before its lock is let go of: the same place may be another's next. An error
 * comes from a later call than the write that it is of, and then from all until that moment, so
 * that the transaction cannot be committed. (Writes to the database, of a checkpoint, are left as
 * they are: SQLite would not hear of an error in the last ones.)
 *
 * Threads: disk_vfs_setup_once by any, once; a connection's files are its thread's. */
#ifndef CACHE_DISK_VFS_H
#define CACHE_DISK_VFS_H

/* For sqlite3_open_v2, of connections that write. */
#define DISK_VFS_NAME "bobtail-gather"

/* Registers it, not as the default; what is the default when a file is opened does the work. */
void disk_vfs_setup_once(void);

#endif
