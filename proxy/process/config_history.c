/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/config_history.h"

#include <stddef.h>
#include <string.h>

#include "proxy/process/transcript.h"

static struct transcript *from_end(const struct config_history *history, unsigned i)
{
	return history->n_ >= i ? history->at_[history->n_ - i] : NULL;
}

struct transcript *config_history_current(const struct config_history *history)
{
	return from_end(history, 1);
}

struct transcript *config_history_previous(const struct config_history *history)
{
	return from_end(history, 2);
}

void config_history_pop(struct config_history *history)
{
	if (history->n_ > 0)
		transcript_destroy(history->at_[--history->n_]);
}

void config_history_fini(struct config_history *history)
{
	while (history->n_ > 0)
		config_history_pop(history);
}

void config_history_push(struct config_history *history, struct transcript *transcript)
{
	struct transcript *current = config_history_current(history);

	if (!transcript || (current && transcript_is_same(current, transcript))) {
		transcript_destroy(transcript);
		return;
	}
	if (history->n_ == CONFIG_HISTORY_DEPTH) {
		transcript_destroy(history->at_[0]);
		memmove(history->at_, history->at_ + 1,
		        (CONFIG_HISTORY_DEPTH - 1) * sizeof(history->at_[0]));
		history->n_--;
	}
	history->at_[history->n_++] = transcript;
}
