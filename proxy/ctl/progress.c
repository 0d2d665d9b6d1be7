/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { WIDTH = 40, SPACING_MS = 100 };

void progress_init(struct progress *progress)
{
	*progress = (struct progress){.is_terminal = isatty(STDERR_FILENO) == 1};
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total)
{
	static const char marks[] = "########################################";
	int64_t now_ms = clock_mono_ms();
	double part;

	if (!progress->is_terminal ||
	    (progress->is_drawn && now_ms - progress->drawn_ms < SPACING_MS))
		return;
	progress->is_drawn = true;
	progress->drawn_ms = now_ms;
	if (total == 0) {
		fprintf(stderr, "\r%" PRIu64 " ", done);
		return;
	}
	part = done < total ? (double)done / (double)total : 1;
	fprintf(stderr, "\r[%-*.*s] %3d%% %" PRIu64 "/%" PRIu64 " ", WIDTH, (int)(part * WIDTH),
		marks, (int)(part * 100), done, total);
}

void progress_clear(struct progress *progress)
{
	if (progress->is_drawn)
		fputs("\r\033[K", stderr);
	progress->is_drawn = false;
}
