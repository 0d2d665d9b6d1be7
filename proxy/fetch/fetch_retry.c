/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of a request that was sent and has no answer, or none that is of use: it is sent to
 * the next destination where that is safe, or the failure is the answer. RFC 9110 §9.2.2. */
#include "proxy/fetch/fetch_internal.h"
#include "proxy/fetch/peer_table.h"
#include "squid-compat/peers.h"

enum { QUICK_US = 100000 };

bool fetch_may_resend(const struct fetch *fetch)
{
	const struct upload *upload = &fetch->upload;

	return (upload->is_kept || (!upload->is_started && !upload->is_done)) &&
	       http_method_is_idempotent(fetch_request(fetch)->method);
}

enum fetch_state fetch_try_next(struct fetch *fetch)
{
	origin_close(fetch->conn);
	fetch->conn = NULL;
	buf_fini(&fetch->input);
	if ((fetch->upload.is_started && !fetch->upload.is_kept) ||
	    loop_now_ms(fetch_loop(fetch)) >= fetch->deadline_ms)
		return fetch_fail(fetch);
	fetch_rewind_upload(fetch);
	return FETCH_SELECT;
}

bool fetch_has_candidate(struct fetch *fetch)
{
	return fetch->candidate < fetch->selection.n || peer_selection_next(&fetch->selection);
}

/* It has hardly been worked on: as if the connect had been refused. */
static bool has_failed_quickly(const struct fetch *fetch)
{
	return loop_mono_us(fetch_loop(fetch)) - fetch->report.began_us < QUICK_US;
}

bool fetch_take_retry(struct fetch *fetch)
{
	int64_t now_ms = loop_now_ms(fetch_loop(fetch));
	const struct peer_candidate *next = fetch_candidate(fetch);

	if (!fetch_may_resend(fetch) || now_ms >= fetch->deadline_ms)
		return false;
	if (fetch->addr + 1 >= fetch->naddrs) {
		if (!fetch_has_candidate(fetch))
			return false;
		next = &fetch->selection.at[fetch->candidate];
	}
	return !next->state || has_failed_quickly(fetch) ||
	       retry_budget_take(&next->state->budget, now_ms);
}

void fetch_note_unanswered(struct fetch *fetch, const char *why)
{
	const struct peer_candidate *candidate = fetch_candidate(fetch);

	if (candidate->state)
		peer_state_unanswered(candidate->state, candidate->peer->connect_fail_limit, why,
				      loop_now_ms(fetch_loop(fetch)));
}

/* A connection that idled may have been closed as we wrote: try again on a new one, to the same
 * peer. Nothing of the request can have been answered. */
enum fetch_state fetch_lost(struct fetch *fetch, struct fetch_failure failure)
{
	bool was_reused = fetch->conn->is_reused;

	fetch->failure = failure;
	fetch_note_tls_failure(fetch);
	if (was_reused && fetch_may_resend(fetch)) {
		origin_close(fetch->conn);
		fetch->conn = NULL;
		buf_fini(&fetch->input);
		fetch_rewind_upload(fetch);
		return FETCH_RESOLVE;
	}
	if (!was_reused)
		fetch_note_unanswered(fetch, "it closed the connection instead");
	if (!fetch_take_retry(fetch))
		return fetch_fail(fetch);
	fetch->addr++;
	return fetch_try_next(fetch);
}

enum fetch_state fetch_discard_answer(struct fetch *fetch, struct fetch_failure failure,
				      const char *why)
{
	fetch->failure = failure;
	if (why)
		fetch_note_unanswered(fetch, why);
	fetch->addr++;
	return fetch_try_next(fetch);
}
