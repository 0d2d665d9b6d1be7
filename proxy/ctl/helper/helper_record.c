/* SPDX-License-Identifier: BSD-2-Clause */
/* The helper takes the place of this process, so that its id, signals and exit status are its own.
 * Another process, which nobody waits for, carries the bytes between the proxy and the helper's
 * socketpair: a thread for each direction, that reads and writes and nothing else, and a third one
 * that writes the recording. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/ctl/helper/helper.h"
#include "proxy/ctl/helper/helper_kind.h"
#include "proxy/ctl/helper/helper_notebook.h"
#include "proxy/ctl/helper/helper_secrets.h"

enum {
	KIND,
	TO,
	CONCURRENCY,
	SECRET,
	LIMIT,
	CARRY_BYTES = 65536,
	DEFAULT_LIMIT = 1000000,
	NOT_STARTED = 127, /* as a shell says it */
};

const struct ctl_option ctl_helper_record_options[] = {
	[KIND] = {"kind", 'k', "KIND", "what it is for; without it: url_rewrite"},
	[TO] = {"to", 't', "FILE", "the recording, an SQLite file; it is made, or goes on"},
	[CONCURRENCY] = {"concurrency", 'c', "N",
                         "as the directive has it: questions have channel ids"},
	[SECRET] = {"secret", 's', "N",
                    "the N-th word of a question is a secret, too (may be repeated)", true},
	[LIMIT] = {"limit", 'l', "N",
                   "record no more when FILE has N questions; without it: 1000000"},
	{0},
};

const char ctl_helper_record_help[] =
	"Stands in squid.conf in the place of a helper, and keeps what it is asked and\n"
	"answers:\n"
	"  url_rewrite_program /usr/bin/bobtailctl helper record --to /var/tmp/urls.db -- PROGRAM\n"
	"PROGRAM runs as it would without: its process id, signals, stderr and exit status\n"
	"are its own, and what goes back and forth is carried unchanged. A file that cannot\n"
	"be written is complained of once, on stderr, and the helper goes on; the file and\n"
	"its folder have to be writable for cache_effective_user. KIND is url_rewrite,\n"
	"store_id, external, basic, digest, bearer, ntlm or negotiate.\n"
	"Passwords (basic), tokens (bearer, ntlm, negotiate), hashes of passwords (digest)\n"
	"and the values of password=, token= and ha1= are kept as salted hashes. What else is\n"
	"a secret, a word of an external ACL's question for example, has to be named by\n"
	"--secret.\n"
	"FILE has the table answer(id, kind, at, latency_us, secrets, question, answer).\n"
	"`helper replay` asks another version the same.\n";

struct relay {
	int helper; /* our end of its socketpair */
	struct tap tap;
	struct notebook notebook;
};

/* ---- carrying */

static bool write_bytes(int fd, struct str bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.at, bytes.len);

		if (n >= 0)
			bytes = str_from(bytes, (size_t)n);
		else if (errno == EAGAIN)
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
		else if (errno != EINTR)
			return false;
	}
	return true;
}

/* 0: the end. */
static size_t read_bytes(int fd, char *at)
{
	for (;;) {
		ssize_t n = read(fd, at, CARRY_BYTES);

		if (n >= 0)
			return (size_t)n;
		if (errno == EAGAIN)
			poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
		else if (errno != EINTR)
			return 0;
	}
}

static void *carry_questions(void *arg)
{
	struct relay *relay = arg;
	char at[CARRY_BYTES];
	size_t n;

	while ((n = read_bytes(STDIN_FILENO, at)) > 0) {
		tap_questions(&relay->tap, (struct str){at, n}, clock_mono_us());
		if (!write_bytes(relay->helper, (struct str){at, n})) {
			shutdown(STDIN_FILENO, SHUT_RD);
			break;
		}
	}
	shutdown(relay->helper, SHUT_WR);
	return NULL;
}

static void carry_answers(struct relay *relay)
{
	char at[CARRY_BYTES];
	size_t n;

	while ((n = read_bytes(relay->helper, at)) > 0) {
		int64_t now_us = clock_mono_us();

		if (!write_bytes(STDOUT_FILENO, (struct str){at, n}))
			shutdown(relay->helper, SHUT_RD);
		tap_answers(&relay->tap, (struct str){at, n}, now_us);
	}
	shutdown(STDOUT_FILENO,
	         SHUT_RDWR); /* which wakes the other thread, too, where both are one socket */
	close(STDOUT_FILENO);
	tap_end(&relay->tap);
}

static void note_pair(void *user, const struct tap_pair *pair)
{
	notebook_add(user, pair);
}

/* The process beside the helper. */
static void run_relay(int helper, bool has_ids, const struct notebook_options *options)
{
	static const int not_meant[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	struct relay *relay = mem_zalloc(sizeof(*relay));
	pthread_t thread;

	setsid(); /* what ends the helper's process group does not end the recording */
	for (size_t i = 0; i < COUNT(not_meant); i++)
		signal(not_meant[i], SIG_IGN); /* it ends with the helper */
	umask(S_IRWXG | S_IRWXO);
	relay->helper = helper;
	tap_init(&relay->tap, has_ids, note_pair, &relay->notebook);
	if (!notebook_start(&relay->notebook, options) ||
	    pthread_create(&thread, NULL, carry_questions, relay) != 0) {
		ctl_fail("helper record: no thread can be had");
		_exit(CTL_FAILED);
	}
	carry_answers(relay);
	notebook_stop(&relay->notebook);
	_exit(CTL_OK); /* the other thread may still wait for questions */
}

/* ---- starting */

/* A process that is nobody's child by the time the helper begins; false: there is none. */
static bool start_relay(int ends[2], bool has_ids, const struct notebook_options *options)
{
	pid_t between = fork();
	int status = 0;

	if (between == 0) {
		pid_t pid = fork();

		close(ends[1]);
		if (pid == 0)
			run_relay(ends[0], has_ids, options);
		_exit(pid > 0 ? CTL_OK : CTL_FAILED);
	}
	if (between < 0)
		return false;
	while (waitpid(between, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

/* Becomes the helper, named as the proxy would name it. */
static int become_helper(const struct ctl_args *args, int io)
{
	const char *program = args->words[0], *slash = strrchr(program, '/');

	args->words[0] = mem_printf("(%s)", slash ? slash + 1 : program);
	if (dup2(io, STDIN_FILENO) < 0 || dup2(io, STDOUT_FILENO) < 0)
		return ctl_fail("helper record: %s", strerror(errno));
	execvp(program, args->words);
	ctl_fail("%s cannot be started: %s", program, strerror(errno));
	return NOT_STARTED;
}

static int record(const struct ctl_args *args, bool has_ids, const struct notebook_options *options)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return ctl_fail("helper record: %s", strerror(errno));
	if (!start_relay(ends, has_ids, options))
		return ctl_fail("helper record: no process can be had");
	close(ends[0]);
	return become_helper(args, ends[1]);
}

/* ---- what was asked for */

static bool read_secrets(const struct ctl_args *args, uint32_t *words)
{
	for (unsigned i = 0; i < args->ngiven; i++) {
		uint64_t n;

		if (args->given[i].option != SECRET)
			continue;
		if (!str_to_u64(str_of(args->given[i].value), &n) || n < 1 || n > SECRETS_MAX_WORD)
			return false;
		*words |= UINT32_C(1) << n;
	}
	return true;
}

int ctl_run_helper_record(struct ctl *ctl, const struct ctl_args *args)
{
	const char *kind = ctl_given(args, KIND), *limit = ctl_given(args, LIMIT);
	const char *concurrency = ctl_given(args, CONCURRENCY);
	struct notebook_options options = {.path = ctl_given(args, TO),
	                                   .kind = kind ? kind : "url_rewrite"};
	const struct helper_kind *found = helper_kind_find(options.kind);
	uint64_t nids = 0, max_rows = DEFAULT_LIMIT;

	(void)ctl;
	if (!found || found->talk == HELPER_LISTENS)
		return ctl_fail("%s is no kind of helper that answers", options.kind);
	if (!options.path)
		return ctl_fail("where to? --to FILE is missing");
	if (concurrency && !str_to_u64(str_of(concurrency), &nids))
		return ctl_fail("--concurrency wants a number");
	if (limit && (!str_to_u64(str_of(limit), &max_rows) || max_rows > INT64_MAX))
		return ctl_fail("--limit wants a number");
	if (!read_secrets(args, &options.secret_words))
		return ctl_fail("--secret wants the number of a word, from 1 to %d",
		                SECRETS_MAX_WORD);
	options.max_rows = (int64_t)max_rows;
	return record(args, nids > 0 && found->talk == HELPER_ANSWERS, &options);
}
