/* SPDX-License-Identifier: BSD-2-Clause */
/* The verb mgr ACTION: a page of the cache manager, without a password: who may open the socket may
 * do all that it can. */
#include "lib/base/heap.h"
#include "lib/base/str.h"
#include "proxy/control/control_verbs.h"
#include "proxy/manager/manager_page.h"
#include "proxy/serve.h"

struct page {
	struct manager_run *run;
	struct buf out;
};

static void free_page(void *state)
{
	struct page *page = state;

	manager_run_destroy(page->run);
	buf_fini(&page->out);
	mem_free(page);
}

static void say_lines(struct control_call *call, struct buf *out)
{
	struct str rest = buf_str(out), line;

	if (rest.len == 0)
		return;
	if (rest.at[rest.len - 1] == '\n')
		rest.len--;
	while (str_split(&rest, '\n', &line))
		control_say_str(call, line);
	buf_clear(out);
}

/* A step ends with whole lines. */
static void step(struct control_call *call)
{
	struct page *page = control_state(call);
	enum manager_verdict verdict = manager_run_step(page->run, &page->out);

	say_lines(call, &page->out);
	if (verdict == MANAGER_CUT)
		control_fail(call, "stopping");
	else if (verdict == MANAGER_END)
		control_end(call);
	else if (verdict == MANAGER_WAIT)
		control_pause(call);
}

static void ready(void *owner)
{
	control_continue(owner, step);
}

void control_run_manager(struct control_call *call)
{
	struct serve *serve = control_serve(call);
	const struct manager_action *action =
		manager_action_find(serve_config(serve), control_word(call, 0));
	struct page *page;

	if (!action) {
		control_fail(call, "there is no such action; mgr menu shows them");
		return;
	}
	page = mem_zalloc(sizeof(*page));
	buf_init(&page->out, MANAGER_STEP_BYTES);
	control_set_state(call, page, free_page);
	page->run = manager_run_create(action, serve, NULL, control_loop(call), ready, call);
}
