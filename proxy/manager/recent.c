/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/recent.h"

/* Samples after which what is counted counts half. */
enum { HALF_LIFE = 4096 };

void recent_add_error(struct recent *recent, const struct recent_line *line)
{
	recent->errors[recent->nerrors++ % RECENT_ERRORS] = *line;
}

static void fade(struct recent *recent)
{
	for (unsigned i = 0; i < recent->nhot; i++)
		recent->hot[i].number /= 2;
	recent->nsamples = 0;
}

/* The line of that URL, or the one that it gets. */
static struct recent_line *line_of(struct recent *recent, const char *url)
{
	struct recent_line *rarest = &recent->hot[0];

	for (unsigned i = 0; i < recent->nhot; i++) {
		if (strcmp(recent->hot[i].url, url) == 0)
			return &recent->hot[i];
		if (recent->hot[i].number < rarest->number)
			rarest = &recent->hot[i];
	}
	if (recent->nhot < RECENT_HOT)
		rarest = &recent->hot[recent->nhot++];
	str_copy(str_of(url), rarest->url, sizeof(rarest->url));
	return rarest;
}

void recent_sample(struct recent *recent, struct str url)
{
	char text[RECENT_URL_BYTES];

	recent->countdown = RECENT_SAMPLE - 1;
	if (++recent->nsamples == HALF_LIFE)
		fade(recent);
	line_of(recent, str_copy(url, text, sizeof(text)))->number++;
}
