/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/recording.h: the SQLite file of `bobtailctl helper record`: what helpers were
 * asked, and what they answered. Several processes may write to one file at a time.
 *
 *     answer(id, kind, at, latency_us, secrets, question, answer)
 *
 * at: milliseconds since 1970; secrets: how many of the question are hashed; answer: NULL when
 * there was none. recording(salt) has a row, what secrets are hashed with.
 * Threads: one for each struct. */
#ifndef PROXY_CTL_RECORDING_H
#define PROXY_CTL_RECORDING_H
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "proxy/ctl/helper/helper_secrets.h"

enum {
	RECORDING_APPLICATION_ID = 0x48524543, /* "HREC" */
	RECORDING_VERSION = 1,
	RECORDING_BUSY_MS = 5000, /* patience with who else writes */
};

struct recording {
	sqlite3 *db;
	sqlite3_stmt *insert; /* NULL: open for reading only */
	unsigned char salt[SECRETS_SALT_BYTES];
};

struct recording_row {
	const char *kind;
	struct str question, answer; /* their secrets are hashed; answer.at NULL: there was none */
	int64_t at_ms, latency_us;   /* -1: there was no answer */
	unsigned nsecrets;
};

/* Opens the file, to write makes it (for its owner alone), and not another user's. False: why has
 * the reason, and there is nothing to close. */
bool recording_open(struct recording *recording, const char *path, bool may_write,
                    struct err_text *why);
void recording_close(struct recording *recording);

/* Rows are added between these; false: the file does not take them, why has the reason, and none of
 * them since begin is kept. */
bool recording_begin(struct recording *recording, struct err_text *why);
bool recording_add(struct recording *recording, const struct recording_row *row,
                   struct err_text *why);
bool recording_commit(struct recording *recording, struct err_text *why);

/* The number of the last row: how many were ever written. */
int64_t recording_last(struct recording *recording);

#endif
