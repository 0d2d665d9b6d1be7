/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/progress.h: a bar on stderr while something takes its time; nothing at all when stderr
 * is not a terminal. Drawn ten times a second at most. */
#ifndef PROXY_CTL_PROGRESS_H
#define PROXY_CTL_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_terminal, is_drawn;
	int64_t drawn_ms;
};

void progress_init(struct progress *progress);
/* total 0: not known. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total);
/* Takes the bar away, before a line or at the end. */
void progress_clear(struct progress *progress);

#endif
