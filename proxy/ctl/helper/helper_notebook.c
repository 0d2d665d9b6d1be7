/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/helper/helper_notebook.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/heap.h"
#include "proxy/ctl/ctl.h"
#include "proxy/ctl/helper/recording.h"

enum { LOW_PRIORITY = 10 };

struct notebook_page {
	struct notebook_page *next;
	int64_t at_ms, latency_us;
	size_t nquestion, nanswer;
	bool has_answer;
	char text[]; /* the question, then the answer */
};

/* ---- adding */

static struct notebook_page *make_page(const struct tap_pair *pair)
{
	struct notebook_page *page =
		mem_alloc(sizeof(*page) + pair->question.len + pair->answer.len);

	*page = (struct notebook_page){
		.at_ms = pair->asked_us / 1000,
		.latency_us = pair->latency_us,
		.nquestion = pair->question.len,
		.nanswer = pair->answer.len,
		.has_answer = pair->has_answer,
	};
	if (pair->question.len > 0)
		memcpy(page->text, pair->question.at, pair->question.len);
	if (pair->answer.len > 0)
		memcpy(page->text + pair->question.len, pair->answer.at, pair->answer.len);
	return page;
}

static size_t page_bytes(const struct notebook_page *page)
{
	return sizeof(*page) + page->nquestion + page->nanswer;
}

static void free_pages(struct notebook_page *page)
{
	while (page) {
		struct notebook_page *next = page->next;

		mem_free(page);
		page = next;
	}
}

void notebook_add(struct notebook *notebook, const struct tap_pair *pair)
{
	struct notebook_page *page = make_page(pair), *unwanted = NULL;

	pthread_mutex_lock(&notebook->shared.mutex);
	if (notebook->shared.is_closed ||
	    notebook->shared.nbytes + page_bytes(page) > NOTEBOOK_MAX_BYTES) {
		notebook->shared.ndropped += !notebook->shared.is_closed;
		unwanted = page;
	} else {
		*notebook->shared.last = page;
		notebook->shared.last = &page->next;
		notebook->shared.nbytes += page_bytes(page);
		pthread_cond_signal(&notebook->shared.cond);
	}
	pthread_mutex_unlock(&notebook->shared.mutex);
	mem_free(unwanted);
}

/* ---- writing */

static void complain(struct notebook *notebook, const char *what)
{
	if (!notebook->has_complained)
		ctl_fail("helper record: %s: %s; the helper goes on without",
		         notebook->options.path, what);
	notebook->has_complained = true;
}

/* Waits for a page, then lets some more come. *is_over: these are the last ones. */
static struct notebook_page *take_pages(struct notebook *notebook, bool *is_over,
                                        uint64_t *ndropped)
{
	struct notebook_page *pages;
	struct timespec until;

	pthread_mutex_lock(&notebook->shared.mutex);
	while (!notebook->shared.first && !notebook->shared.is_over)
		pthread_cond_wait(&notebook->shared.cond, &notebook->shared.mutex);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += NOTEBOOK_BATCH_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (!notebook->shared.is_over && notebook->shared.nbytes < NOTEBOOK_MAX_BYTES / 2 &&
	       pthread_cond_timedwait(&notebook->shared.cond, &notebook->shared.mutex, &until) == 0)
		;
	pages = notebook->shared.first;
	notebook->shared.first = NULL;
	notebook->shared.last = &notebook->shared.first;
	notebook->shared.nbytes = 0;
	*is_over = notebook->shared.is_over;
	*ndropped = notebook->shared.ndropped;
	pthread_mutex_unlock(&notebook->shared.mutex);
	return pages;
}

static bool write_page(struct recording *recording, struct secrets *secrets, const char *kind,
                       const struct notebook_page *page, struct err_text *why)
{
	struct recording_row row = {
		.kind = kind, .at_ms = page->at_ms, .latency_us = page->latency_us};
	struct buf question, answer;
	bool is_written;

	buf_init(&question, 2 * TAP_MAX_LINE_BYTES);
	buf_init(&answer, 2 * TAP_MAX_LINE_BYTES);
	row.nsecrets = secrets_hide_question(secrets, (struct str){page->text, page->nquestion},
	                                     &question);
	secrets_hide_answer(secrets, (struct str){page->text + page->nquestion, page->nanswer},
	                    &answer);
	row.question = buf_str(&question);
	if (page->has_answer)
		row.answer = answer.len > 0 ? buf_str(&answer) : STR("");
	is_written = question.is_full || answer.is_full || recording_add(recording, &row, why);
	buf_fini(&question);
	buf_fini(&answer);
	return is_written;
}

static bool write_pages(struct notebook *notebook, struct recording *recording,
                        struct secrets *secrets, const struct notebook_page *page)
{
	struct err_text why;

	if (!recording->db) {
		if (!recording_open(recording, notebook->options.path, true, &why)) {
			complain(notebook, why.at);
			return false;
		}
		memcpy(secrets->salt, recording->salt, sizeof(secrets->salt));
	}
	if (recording_begin(recording, &why)) {
		while (page && write_page(recording, secrets, notebook->options.kind, page, &why))
			page = page->next;
		if (!page && recording_commit(recording, &why))
			return true;
	}
	complain(notebook, why.at);
	return false;
}

static void end_recording(struct notebook *notebook)
{
	ctl_fail(
		"helper record: %s has %lld questions, which is enough; the helper goes on without",
		notebook->options.path, (long long)notebook->options.max_rows);
	pthread_mutex_lock(&notebook->shared.mutex);
	notebook->shared.is_closed = true;
	pthread_mutex_unlock(&notebook->shared.mutex);
}

static void *write_all(void *arg)
{
	struct notebook *notebook = arg;
	struct recording recording = {0};
	struct secrets secrets;
	bool is_over = false, has_room = true;
	uint64_t ndropped = 0;

	setpriority(PRIO_PROCESS, (id_t)gettid(), LOW_PRIORITY); /* of this thread alone */
	secrets_init(&secrets, notebook->options.kind, notebook->options.secret_words);
	while (!is_over) {
		struct notebook_page *pages = take_pages(notebook, &is_over, &ndropped);

		if (pages && has_room && write_pages(notebook, &recording, &secrets, pages) &&
		    recording_last(&recording) >= notebook->options.max_rows) {
			has_room = false;
			end_recording(notebook);
		}
		free_pages(pages);
	}
	if (ndropped > 0)
		ctl_fail("helper record: %llu answers came too fast to be kept",
		         (unsigned long long)ndropped);
	secrets_fini(&secrets);
	recording_close(&recording);
	return NULL;
}

/* ---- beginning and end */

bool notebook_start(struct notebook *notebook, const struct notebook_options *options)
{
	pthread_condattr_t monotonic;

	*notebook = (struct notebook){.options = *options};
	pthread_mutex_init(&notebook->shared.mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&notebook->shared.cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
	notebook->shared.last = &notebook->shared.first;
	return pthread_create(&notebook->thread, NULL, write_all, notebook) == 0;
}

void notebook_stop(struct notebook *notebook)
{
	pthread_mutex_lock(&notebook->shared.mutex);
	notebook->shared.is_over = true;
	pthread_cond_signal(&notebook->shared.cond);
	pthread_mutex_unlock(&notebook->shared.mutex);
	pthread_join(notebook->thread, NULL);
	pthread_cond_destroy(&notebook->shared.cond);
	pthread_mutex_destroy(&notebook->shared.mutex);
}
