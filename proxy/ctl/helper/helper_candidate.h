/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/helper_candidate.h: a helper program on trial: a process with a socketpair as
 * stdin and stdout, as the proxy gives it one, and its stderr collected. Every wait has an end.
 * Threads: one. */
#ifndef PROXY_CTL_HELPER_CANDIDATE_H
#define PROXY_CTL_HELPER_CANDIDATE_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
	CANDIDATE_MAX_LINE_BYTES = 1 << 20, /* as the pool has it */
	CANDIDATE_NOTES_BYTES = 4096,       /* of stderr that are kept: the last ones */
};

struct candidate {
	pid_t pid;
	int io, notes_fd;          /* -1: closed */
	struct buf in, line;       /* what it printed and nobody took; the line last taken */
	size_t searched;           /* of in, without LF */
	struct buf notes;          /* the end of its stderr */
	uint64_t nnote_bytes;      /* all of it */
	bool has_ended;            /* no more output */
	bool is_reaped;
	int status;                /* of waitpid, then */
};

/* Starts argv, NULL-terminated; a name without '/' is looked for in PATH. False: why has the
 * reason, and there is nothing to stop. */
bool candidate_start(struct candidate *candidate, const char *const *argv, struct err_text *why);
/* Ends it by SIGKILL if it still runs, its process group too; frees. */
void candidate_stop(struct candidate *candidate);

/* Writes all bytes within that time; what it prints meanwhile is kept. False: it does not read. */
bool candidate_send(struct candidate *candidate, struct str bytes, int64_t ms);

enum candidate_verdict {
	CANDIDATE_LINE,   /* without LF; one CR at its end is still there */
	CANDIDATE_SILENT, /* nothing, or half a line, in that time */
	CANDIDATE_ENDED,  /* it closed its output; *line is half a line then, or empty */
	CANDIDATE_FLOODS, /* a line of more than CANDIDATE_MAX_LINE_BYTES */
};
/* The next line it prints; *line is valid until the next call with this candidate. */
enum candidate_verdict candidate_line(struct candidate *candidate, int64_t ms, struct str *line);

/* EOF on its stdin. */
void candidate_close_input(struct candidate *candidate);
/* Waits for its end, passing over its output. False: it still runs. */
bool candidate_wait(struct candidate *candidate, int64_t ms);
/* "exited with status 1", "was killed by signal 11"; of one that is_reaped. */
void candidate_describe_end(const struct candidate *candidate, struct err_text *out);

#endif
