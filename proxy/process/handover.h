/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/handover.h: what a parent hands to the program that takes its place in the same
 * process: a file in memory, named in the environment, and the descriptors that it lists. Another
 * version of the program reads it: lines are only ever added, and those that are not known are
 * passed over.
 *
 * The parent's one thread. */
#ifndef PROXY_HANDOVER_H
#define PROXY_HANDOVER_H
#include <stdbool.h>
#include <sys/types.h>

enum { HANDOVER_MAX_LEAVING = 32, HANDOVER_MAX_FDS = 4096 };

struct handover_kid {
	pid_t pid; /* 0: none */
	int channel;
};

/* -1, NULL: there is none. Descriptors are close-on-exec. */
struct handover {
	bool is_rehearsal; /* say whether you could, and exit */
	bool is_back;      /* the new program failed: go on with the kid as before */
	struct handover_kid kid; /* that serves now */
	struct handover_kid leaving[HANDOVER_MAX_LEAVING];
	unsigned nleaving;
	int control_fd;
	char *control_path, *pid_path;
	char *wishes;      /* what the operator said of peers, lines of proxy/fetch/peer_wishes.h */
	int program_fd;    /* the one before, to go back to */
	int transcript_fd; /* of the configuration in use */
	int *fds;          /* listening sockets; their addresses tell which is which */
	unsigned nfds;
};

void handover_init(struct handover *handover);
void handover_fini(struct handover *handover); /* frees; the descriptors stay open */

/* What is in the environment, which is cleared. False: this is a start like any other. */
bool handover_take(struct handover *handover);

/* Becomes the program: of that path, or (NULL) the one of handover->program_fd. Returns only when
 * that is not possible: errno. */
void handover_exec(struct handover *handover, const char *path);

enum { HANDOVER_NOT_RUN = 127 }; /* its exit status then, as a shell's */

/* The same in a child, which then only rehearses. Its pid, or -1: errno. */
pid_t handover_rehearse(struct handover *handover, const char *path);

#endif
