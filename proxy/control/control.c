/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/control/control.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/net/loop.h"
#include "proxy/control/control_verbs.h"
#include "proxy/control/control_words.h"
#include "proxy/manager/tally.h"
#include "proxy/serve.h"
#include "squid-compat/config.h"

struct control {
	struct control_options options;
	struct loop_fd listener;
	struct list calls;
	unsigned ncalls;
};

enum { ROOM_BYTES = 64 << 10 }; /* of an answer that may wait while more is made */

static const char LEAVING[] = "this process is leaving; ask again";

/* Whatever is in its way, it ends, and the call is told how. Bits. */
enum awaited { AWAITS_NOTHING, AWAITS_RELOAD = 1, AWAITS_ROLLBACK = 2, AWAITS_UPGRADE = 4 };

struct control_call {
	struct list node;
	struct control *control;
	struct loop_fd watch;
	struct timer timer;
	struct loop_task task;
	struct buf in, out;
	size_t sent;
	char *text; /* of the words */
	struct str words[CONTROL_MAX_WORDS];
	unsigned nwords;
	bool is_asked;   /* the line is there: what follows is of no interest */
	bool is_ended;   /* all is said */
	bool is_blocked; /* the socket takes no more now */
	enum awaited awaits;
	int64_t asked_us;    /* for what it awaits */
	const char *failure; /* said where what it awaits fails without a reason */
	void (*step)(struct control_call *call);
	void *state;
	void (*free_state)(void *state);
	struct tally_request *tally; /* under way; then write says what is asked */
	void (*write)(struct control_call *call, const struct tally *tally);
};

/* ---- the socket */

/* Is somebody there? Only then it stays. */
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive =
		fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	                    errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return alive;
}

static bool bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	bool is_bound = bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
	int error = errno;

	umask(mask);
	errno = error;
	return is_bound;
}

static bool give_to_user(const char *path, const struct config *config)
{
	return geteuid() != 0 || lchown(path, config->effective_uid, config->effective_gid) == 0;
}

enum err control_listen(const char *path, const struct config *config, int *fd,
                        struct err_text *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int opened;

	if (strlen(path) >= sizeof(address.sun_path)) {
		err_say(why, "control socket %s: the name is too long", path);
		return ERR_LIMIT;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (is_alive(&address)) {
		err_say(why, "control socket %s: another instance listens there", path);
		return ERR_IO;
	}
	unlink(path);
	opened = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (opened >= 0 && bind_private(opened, &address) && give_to_user(path, config) &&
	    listen(opened, CONTROL_MAX_CONNECTIONS) == 0) {
		*fd = opened;
		return ERR_OK;
	}
	err_say(why, "control socket %s: (%d) %s", path, errno, strerror(errno));
	if (opened >= 0)
		close(opened);
	return ERR_IO;
}

/* ---- a call */

static struct loop *loop_of(const struct control_call *call)
{
	return call->control->options.loop;
}

static void destroy_call(struct control_call *call)
{
	struct control *control = call->control;

	if (call->free_state)
		call->free_state(call->state);
	loop_unwatch(control->options.loop, &call->watch);
	close(call->watch.fd);
	timer_cancel(&call->timer);
	loop_task_cancel(&call->task);
	tally_cancel(call->tally);
	list_remove(&call->node);
	buf_fini(&call->in);
	buf_fini(&call->out);
	mem_free(call->text);
	mem_free(call);
	control->ncalls--;
}

static void set_timer(struct control_call *call)
{
	timer_set(loop_of(call), &call->timer, loop_now_ms(loop_of(call)) + CONTROL_WAIT_MS);
}

/* Sends what the socket takes; false: the client has gone. */
static bool send_some(struct control_call *call)
{
	struct str rest = str_from(buf_str(&call->out), call->sent);

	call->is_blocked = false;
	while (rest.len > 0) {
		ssize_t n = send(call->watch.fd, rest.at, rest.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			call->is_blocked = true;
			return loop_watch_level(loop_of(call), &call->watch, EPOLLOUT);
		}
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			call->sent += (size_t)n;
			rest = str_from(rest, (size_t)n);
			set_timer(call);
		}
	}
	buf_clear(&call->out);
	call->sent = 0;
	return loop_watch_level(loop_of(call), &call->watch, 0);
}

/* From the loop, never from within what a verb calls: the answer goes on, or is over. */
static void run_call(struct loop_task *task)
{
	struct control_call *call = CONTAINER(task, struct control_call, task);

	if (call->step && !call->is_ended && call->out.len - call->sent < ROOM_BYTES) {
		set_timer(call);
		call->step(call);
	}
	if (!send_some(call) || call->out.is_full || (call->is_ended && !call->is_blocked)) {
		destroy_call(call);
		return;
	}
	if (call->step && !call->is_ended && !call->is_blocked)
		loop_defer(loop_of(call), &call->task);
}

/* ---- what a verb sees (control_call.h) */

struct str control_word(const struct control_call *call, unsigned i)
{
	return i + 1 < call->nwords ? call->words[i + 1] : STR_NONE;
}

static uid_t uid_of(const struct control_call *call)
{
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t len = sizeof(who);

	getsockopt(call->watch.fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
	return who.uid;
}

char *control_who(const struct control_call *call)
{
	uid_t uid = uid_of(call);
	struct passwd entry, *found = NULL;
	char texts[4096];

	getpwuid_r(uid, &entry, texts, sizeof(texts), &found);
	return found ? mem_printf("bobtailctl %s", found->pw_name)
		     : mem_printf("bobtailctl uid %u", (unsigned)uid);
}

struct serve *control_serve(const struct control_call *call)
{
	return call->control->options.serve;
}

struct server *control_server(const struct control_call *call)
{
	return serve_server(call->control->options.serve);
}

struct loop *control_loop(const struct control_call *call)
{
	return loop_of(call);
}

/* One line, whatever is in text. */
static void add_line(struct control_call *call, char how, struct str text)
{
	size_t from;

	buf_add_char(&call->out, how);
	from = call->out.len;
	buf_add_str(&call->out, text);
	for (size_t i = from; i < call->out.len; i++)
		if (((unsigned char)call->out.at[i] < ' ' && call->out.at[i] != '\t') ||
		    call->out.at[i] == 0x7f)
			call->out.at[i] = '?';
	buf_add_char(&call->out, '\n');
	loop_defer(loop_of(call), &call->task);
}

void control_say_str(struct control_call *call, struct str text)
{
	add_line(call, CONTROL_TEXT, text);
}

static void format_line(struct control_call *call, const char *format, va_list args,
			void (*take)(struct control_call *call, struct str line))
{
	char *line = NULL;
	int len = vasprintf(&line, format, args);

	check(len >= 0);
	take(call, (struct str){line, (size_t)len});
	mem_free(line);
}

void control_say(struct control_call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	format_line(call, format, args, control_say_str);
	va_end(args);
}

void control_progress(struct control_call *call, uint64_t done, uint64_t total)
{
	buf_printf(&call->out, "%c%" PRIu64 " %" PRIu64 "\n", CONTROL_PROGRESS, done, total);
	loop_defer(loop_of(call), &call->task);
}

static void end(struct control_call *call, char how, struct str reason)
{
	check(!call->is_ended);
	call->is_ended = true;
	add_line(call, how, reason);
}

void control_end(struct control_call *call)
{
	end(call, CONTROL_END, STR(""));
}

static void fail(struct control_call *call, struct str reason)
{
	end(call, CONTROL_ERROR, reason);
}

void control_fail(struct control_call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	format_line(call, format, args, fail);
	va_end(args);
}

static void ask_again(struct control_call *call)
{
	end(call, CONTROL_AGAIN, str_of(LEAVING));
}

void control_set_state(struct control_call *call, void *state, void (*free)(void *state))
{
	call->state = state;
	call->free_state = free;
}

void *control_state(const struct control_call *call)
{
	return call->state;
}

void control_continue(struct control_call *call, void (*step)(struct control_call *call))
{
	call->step = step;
	loop_defer(loop_of(call), &call->task);
}

void control_pause(struct control_call *call)
{
	call->step = NULL;
}

static void tally_done(void *owner, const struct tally *tally)
{
	struct control_call *call = owner;

	call->tally = NULL;
	call->write(call, tally);
	control_end(call);
}

void control_ask_workers(struct control_call *call,
			 void (*write)(struct control_call *call, const struct tally *tally))
{
	struct control_options *options = &call->control->options;

	if (serve_is_stopping(options->serve)) {
		control_fail(call, "stopping");
		return;
	}
	call->write = write;
	call->tally = tally_ask(serve_server(options->serve), options->loop, tally_done, call);
}

static void await(struct control_call *call, enum awaited what, const char *failure)
{
	call->awaits = what;
	call->asked_us = clock_mono_us();
	call->failure = failure;
	timer_cancel(&call->timer);
}

/* Who has asked until then. why may be NULL. */
static void tell(struct control *control, unsigned what, int64_t until_us, bool is_ok,
		 const char *why)
{
	if (!control)
		return;
	LIST_EACH(node, &control->calls) {
		struct control_call *call = CONTAINER(node, struct control_call, node);

		if (!(call->awaits & what) || call->asked_us > until_us)
			continue;
		call->awaits = AWAITS_NOTHING;
		set_timer(call);
		if (is_ok)
			control_end(call);
		else if (why == LEAVING)
			ask_again(call);
		else
			control_fail(call, "%s", why ? why : call->failure);
	}
}

void control_reload(struct control_call *call)
{
	struct control_options *options = &call->control->options;

	await(call, AWAITS_RELOAD, "the configuration cannot be used; cache.log says why");
	options->reload(options->owner);
}

void control_shutdown(struct control_call *call)
{
	struct control_options *options = &call->control->options;

	control_end(call);
	options->shutdown(options->owner);
}

void control_reload_done(struct control *control, bool is_ok, int64_t read_us)
{
	tell(control, AWAITS_RELOAD, read_us, is_ok, NULL);
}

void control_rollback_done(struct control *control, bool is_ok, const char *why)
{
	tell(control, AWAITS_ROLLBACK, INT64_MAX, is_ok, why);
}

void control_rollback(struct control_call *call)
{
	struct control_options *options = &call->control->options;

	await(call, AWAITS_ROLLBACK,
	      "the earlier configuration cannot be used; cache.log says why");
	options->rollback(options->owner);
}

void control_upgrade(struct control_call *call)
{
	struct control_options *options = &call->control->options;

	if (!options->upgrade) {
		control_fail(call, "a single process (-N) cannot be replaced while it serves");
		return;
	}
	await(call, AWAITS_UPGRADE, "the upgrade failed; cache.log says why");
	options->upgrade(options->owner);
}

void control_upgrade_done(struct control *control, bool is_ok, const char *why)
{
	tell(control, AWAITS_UPGRADE, INT64_MAX, is_ok, why);
}

/* ---- the question */

static bool read_words(struct control_call *call, struct str line)
{
	size_t used = 0;

	call->text = mem_alloc(line.len + 1);
	for (; call->nwords < CONTROL_MAX_WORDS; call->nwords++) {
		struct str *word = &call->words[call->nwords];

		line = str_trim(line);
		if (line.len == 0)
			return call->nwords > 0;
		if (!control_words_next(&line, call->text + used, word))
			return false;
		used += word->len;
	}
	return str_trim(line).len == 0;
}

static void run_line(struct control_call *call, struct str line)
{
	const struct control_verb *verb;

	call->is_asked = true;
	set_timer(call);
	/* Nothing more is read: an unread byte would wake the loop for ever. */
	loop_watch_level(loop_of(call), &call->watch, 0);
	if (call->control->listener.fd < 0) {
		ask_again(call);
		return;
	}
	if (!read_words(call, line)) {
		control_fail(call, "a line that is not understood");
		return;
	}
	verb = control_verb_find(call->words[0]);
	if (!verb)
		control_fail(call, "unknown command");
	else if (call->nwords - 1 < verb->min_words || call->nwords - 1 > verb->max_words)
		control_fail(call, "%s takes another number of words", verb->name);
	else
		verb->run(call);
}

static bool read_more(struct control_call *call)
{
	char piece[4096];
	ssize_t n = recv(call->watch.fd, piece, sizeof(piece), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	return n > 0 && buf_add(&call->in, piece, (size_t)n);
}

static void on_ready(struct loop_fd *watch, uint32_t events)
{
	struct control_call *call = CONTAINER(watch, struct control_call, watch);
	struct str line;

	if (call->is_asked) {
		if (events & EPOLLOUT)
			loop_defer(loop_of(call), &call->task);
		else
			destroy_call(call);
		return;
	}
	if (!read_more(call)) {
		destroy_call(call);
		return;
	}
	line = buf_str(&call->in);
	line.len = str_find_char(line, '\n');
	if (line.len < call->in.len)
		run_line(call, line);
}

static void on_timer(struct timer *timer)
{
	destroy_call(CONTAINER(timer, struct control_call, timer));
}

static void on_accept(struct loop_fd *watch, uint32_t events)
{
	struct control *control = CONTAINER(watch, struct control, listener);
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_call *call;

	(void)events;
	if (fd < 0)
		return;
	if (control->ncalls == CONTROL_MAX_CONNECTIONS) {
		close(fd);
		return;
	}
	call = mem_zalloc(sizeof(*call));
	call->control = control;
	call->watch = (struct loop_fd){.fd = fd, .ready = on_ready};
	call->task.run = run_call;
	buf_init(&call->in, CONTROL_MAX_LINE_BYTES);
	buf_init(&call->out, CONTROL_MAX_ANSWER_BYTES);
	timer_init(&call->timer, on_timer);
	list_push_back(&control->calls, &call->node);
	control->ncalls++;
	set_timer(call);
	if (!loop_watch_level(control->options.loop, &call->watch, EPOLLIN))
		destroy_call(call);
}

struct control *control_create(const struct control_options *options)
{
	struct control *control = mem_zalloc(sizeof(*control));

	control->options = *options;
	control->listener = (struct loop_fd){.fd = options->fd, .ready = on_accept};
	list_init(&control->calls);
	if (!loop_watch_level(options->loop, &control->listener, EPOLLIN))
		log_say(0, "ERROR: cannot watch the control socket: %s; bobtailctl will not work",
		        strerror(errno));
	return control;
}

void control_close_door(struct control *control)
{
	if (!control || control->listener.fd < 0)
		return;
	loop_unwatch(control->options.loop, &control->listener);
	close(control->listener.fd);
	control->listener.fd = -1;
	tell(control, AWAITS_RELOAD | AWAITS_ROLLBACK, INT64_MAX, false, LEAVING);
}

/* What was said and not sent yet goes first: the process may end sooner than its loop comes
 * round. */
static void finish_call(struct control_call *call)
{
	if (!call->is_ended && call->is_asked)
		control_fail(call, "the process has ended");
	else if (!call->is_ended)
		ask_again(call);
	(void)!send_some(call);
	destroy_call(call);
}

void control_destroy(struct control *control)
{
	if (!control)
		return;
	LIST_EACH_SAFE(node, &control->calls)
		finish_call(CONTAINER(node, struct control_call, node));
	control_close_door(control);
	mem_free(control);
}
