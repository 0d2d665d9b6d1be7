/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks a window of questions at a time. When the program fails with several open, each of those is
 * asked once more alone, in a process of its own if need be, so that one that kills it is told from
 * its neighbours. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/line.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/ctl/helper/helper.h"
#include "proxy/ctl/helper/helper_candidate.h"
#include "proxy/ctl/helper/helper_exam.h"
#include "proxy/ctl/helper/known_secrets.h"
#include "proxy/ctl/helper/recorded.h"

enum {
	FROM,
	KIND,
	CONCURRENCY,
	SECRETS,
	SHOW,
	TIMEOUT,
	DEFAULT_SHOW = 20,
	DEFAULT_TIMEOUT_S = 5,
	MAX_TIMEOUT_S = 600,
	MAX_CONCURRENCY = 10000,
	MAX_FAILURES = 20, /* of the program; then nothing more is asked */
	MAX_QUESTION_BYTES = 2 << 20,
};

const struct ctl_option ctl_helper_replay_options[] = {
	[FROM] = {"from", 'f', "FILE", "the recording"},
	[KIND] = {"kind", 'k', "KIND", "which questions, where FILE has several kinds"},
	[CONCURRENCY] = {"concurrency", 'c', "N",
                         "channel ids, and N questions at a time; without it: none, one"},
	[SECRETS] = {"secrets", 's', "FILE",
                     "secrets that may be asked about, a line each, as questions have them"},
	[SHOW] = {"show", 'n', "N", "show so many differences; without it: 20"},
	[TIMEOUT] = {"timeout", 't', "SECONDS", "for an answer; without it: 5"},
	{0},
};

const char ctl_helper_replay_help[] =
	"Asks PROGRAM each question of a recording (of `helper record`) once, and shows where\n"
	"its answer is none of those that were recorded. Answers are the same when they say\n"
	"the same to the proxy: quotes, blanks and the order of pairs do not count. Questions\n"
	"with hashed secrets are left out and counted, unless --secrets has the secrets: of\n"
	"basic the passwords with their %XX, of bearer the tokens.\n"
	"The exit status is 0 when all that was asked is answered as it was.\n";

/* A question that has been sent. */
struct flight {
	uint64_t id; /* 0: free */
	int64_t began_us;
	struct buf question, asked; /* as recorded; with its secrets */
};

struct replay {
	const char *const *argv;
	struct recorded recorded;
	struct known_secrets known;
	bool has_ids;
	unsigned window, nopen;
	struct flight *flights; /* window of them */
	int64_t timeout_ms;
	uint64_t max_shown;

	struct candidate candidate;
	bool is_running;
	uint64_t last_id;
	struct err_text failure; /* why there is no answer */

	uint64_t nsame, ndifferent, nleft_out, nfailures;
	int64_t *latencies;
	size_t nlatencies, room;
};

/* ---- what is found */

static void note_latency(struct replay *replay, int64_t us)
{
	if (replay->nlatencies == replay->room) {
		replay->room = replay->room > 0 ? 2 * replay->room : 1024;
		replay->latencies = mem_realloc(replay->latencies, replay->room * sizeof(int64_t));
	}
	replay->latencies[replay->nlatencies++] = us;
}

/* now: NULL, there was no answer. */
static void print_difference(const struct replay *replay, struct str question, struct str was,
                             const struct str *now)
{
	printf("different %s\n", exam_shown(question));
	printf("    was   %s\n", exam_shown(was));
	if (now)
		printf("    is    %s\n", exam_shown(*now));
	else
		printf("    is    no answer: it %s\n", replay->failure.at);
}

/* answer: NULL, there is none. */
static void judge(struct replay *replay, struct flight *flight, const struct str *answer)
{
	struct str question = buf_str(&flight->question), hidden = STR("");
	const struct str *now = answer ? &hidden : NULL;
	struct buf was, is;

	buf_init(&was, MAX_QUESTION_BYTES);
	buf_init(&is, MAX_QUESTION_BYTES);
	if (answer) {
		note_latency(replay, clock_mono_us() - flight->began_us);
		recorded_hide(&replay->recorded, *answer, &is);
		hidden = buf_str(&is);
	}
	if (recorded_knows(&replay->recorded, question, now, &was))
		replay->nsame++;
	else if (replay->ndifferent++ < replay->max_shown)
		print_difference(replay, question, buf_str(&was), now);
	buf_fini(&was);
	buf_fini(&is);
	flight->id = 0;
	replay->nopen--;
}

/* ---- the program */

static bool begin(struct replay *replay)
{
	struct err_text why;

	if (replay->is_running)
		return true;
	if (!candidate_start(&replay->candidate, replay->argv, &why)) {
		ctl_fail("%s", why.at);
		replay->nfailures = MAX_FAILURES;
		return false;
	}
	replay->is_running = true;
	replay->last_id = 0;
	return true;
}

static void end(struct replay *replay)
{
	if (replay->is_running)
		candidate_stop(&replay->candidate);
	replay->is_running = false;
}

static bool fail(struct replay *replay, const char *what)
{
	struct candidate *candidate = &replay->candidate;
	struct str notes, line, last = STR("");

	err_say(&replay->failure, "%s", what);
	if (candidate->has_ended && candidate_wait(candidate, replay->timeout_ms))
		candidate_describe_end(candidate, &replay->failure);
	notes = buf_str(&candidate->notes);
	while (str_split(&notes, '\n', &line))
		if (line.len > 0)
			last = line;
	if (last.len > 0) {
		size_t len = strlen(replay->failure.at);

		snprintf(replay->failure.at + len, sizeof(replay->failure.at) - len,
		         "; its last words: %s", exam_shown(last));
	}
	end(replay);
	replay->nfailures++;
	return false;
}

/* ---- asking */

static bool send_flight(struct replay *replay, struct flight *flight)
{
	struct buf line;
	bool is_sent;

	buf_init(&line, MAX_QUESTION_BYTES);
	flight->id = ++replay->last_id;
	flight->began_us = clock_mono_us();
	if (replay->has_ids)
		buf_printf(&line, "%llu ", (unsigned long long)flight->id);
	buf_add_str(&line, buf_str(&flight->asked));
	buf_add_char(&line, '\n');
	is_sent = candidate_send(&replay->candidate, buf_str(&line), replay->timeout_ms);
	buf_fini(&line);
	return is_sent || fail(replay, "does not read what it is asked");
}

static struct flight *find_flight(struct replay *replay, uint64_t id)
{
	for (unsigned i = 0; i < replay->window; i++)
		if (replay->flights[i].id == id)
			return &replay->flights[i];
	return NULL;
}

static struct str without_cr(struct str line)
{
	return line.len > 0 && line.at[line.len - 1] == '\r' ? str_first(line, line.len - 1) : line;
}

/* Takes an answer; false: the program has failed. */
static bool take_answer(struct replay *replay)
{
	struct str line;
	struct flight *flight;
	uint64_t id = replay->last_id;

	switch (candidate_line(&replay->candidate, replay->timeout_ms, &line)) {
	case CANDIDATE_LINE:
		break;
	case CANDIDATE_SILENT:
		return fail(replay, "is silent");
	case CANDIDATE_ENDED:
		return fail(replay, "closed its output");
	case CANDIDATE_FLOODS:
		return fail(replay, "floods");
	}
	line = without_cr(line);
	if (replay->has_ids && !helper_line_take_id(&line, &id))
		return fail(replay, "answers without the channel id");
	flight = id > 0 ? find_flight(replay, id) : NULL;
	if (!flight)
		return fail(replay, "answers what it was not asked");
	judge(replay, flight, &line);
	return true;
}

static void ask_alone(struct replay *replay, struct flight *flight)
{
	if (replay->nfailures >= MAX_FAILURES || !begin(replay) || !send_flight(replay, flight) ||
	    !take_answer(replay))
		judge(replay, flight, NULL);
}

/* The program has failed: each open question once more, by itself. */
static void ask_open_ones(struct replay *replay)
{
	bool was_alone = replay->nopen == 1;

	for (unsigned i = 0; i < replay->window; i++) {
		struct flight *flight = &replay->flights[i];

		if (flight->id > 0 && was_alone)
			judge(replay, flight, NULL);
		else if (flight->id > 0)
			flight->id = UINT64_MAX; /* not of this process */
	}
	for (unsigned i = 0; i < replay->window; i++)
		if (replay->flights[i].id == UINT64_MAX)
			ask_alone(replay, &replay->flights[i]);
}

/* The next question that can be asked, into a free flight; false: there is none. */
static bool load(struct replay *replay, struct flight *flight)
{
	struct str question;
	unsigned nsecrets;

	while (recorded_next(&replay->recorded, &question, &nsecrets)) {
		buf_clear(&flight->question);
		buf_clear(&flight->asked);
		buf_add_str(&flight->question, question);
		if (nsecrets == 0 ? buf_add_str(&flight->asked, question)
		                  : known_secrets_restore(&replay->known, question, &flight->asked))
			return true;
		replay->nleft_out++;
	}
	return false;
}

static void ask_all(struct replay *replay)
{
	bool has_more = true;

	while ((has_more || replay->nopen > 0) && replay->nfailures < MAX_FAILURES) {
		struct flight *free = has_more ? find_flight(replay, 0) : NULL;
		bool is_well;

		if (free) {
			has_more = load(replay, free);
			if (!has_more || !begin(replay))
				continue;
			replay->nopen++;
			is_well = send_flight(replay, free);
		} else {
			is_well = take_answer(replay);
		}
		if (!is_well)
			ask_open_ones(replay);
	}
	if (replay->nfailures >= MAX_FAILURES)
		puts("It fails too often: the rest was not asked.");
}

/* ---- the report */

static int compare(const void *one, const void *other)
{
	int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;

	return (a > b) - (a < b);
}

/* sorted, in ascending order. */
static void print_latencies(const char *name, const int64_t *sorted, size_t n)
{
	static const unsigned permille[] = {500, 900, 990, 1000};

	printf("    %-8s", name);
	for (size_t i = 0; i < sizeof(permille) / sizeof(permille[0]) && n > 0; i++) {
		size_t at = (n - 1) * permille[i] / 1000;

		printf(" %10.3f", (double)sorted[at] / 1000);
	}
	putchar('\n');
}

static int report(struct replay *replay)
{
	uint64_t nasked = replay->nsame + replay->ndifferent;
	int64_t *recorded;
	size_t nrecorded = recorded_latencies(&replay->recorded, &recorded);

	if (replay->ndifferent > replay->max_shown)
		printf("... and %llu more\n",
		       (unsigned long long)(replay->ndifferent - replay->max_shown));
	printf("%s: %llu questions asked: %llu answered as recorded, %llu differently; %llu left "
	       "out "
	       "(secrets)\n",
	       replay->recorded.kind, (unsigned long long)nasked, (unsigned long long)replay->nsame,
	       (unsigned long long)replay->ndifferent, (unsigned long long)replay->nleft_out);
	if (replay->nlatencies > 0) {
		qsort(replay->latencies, replay->nlatencies, sizeof(int64_t), compare);
		puts("ms                 p50        p90        p99        max");
		print_latencies("recorded", recorded, nrecorded);
		print_latencies("now", replay->latencies, replay->nlatencies);
	}
	mem_free(recorded);
	if (nasked == 0)
		return ctl_fail("nothing could be asked");
	return replay->ndifferent == 0 && replay->nfailures == 0 ? CTL_OK : CTL_FAILED;
}

/* ---- what was asked for */

/* At most max; otherwise when it is not given. */
static bool read_number(const struct ctl_args *args, unsigned option, uint64_t otherwise,
                        uint64_t max, uint64_t *out)
{
	const char *text = ctl_given(args, option);

	*out = otherwise;
	if (!text || (str_to_u64(str_of(text), out) && *out <= max))
		return true;
	ctl_fail("--%s wants a number, %llu at most: %s", ctl_helper_replay_options[option].name,
	         (unsigned long long)max, text);
	return false;
}

static bool read_options(const struct ctl_args *args, struct replay *replay)
{
	const char *path = ctl_given(args, FROM), *secrets = ctl_given(args, SECRETS);
	struct err_text why;
	uint64_t concurrency, seconds;

	if (!path) {
		ctl_fail("from where? --from FILE is missing");
		return false;
	}
	if (!read_number(args, CONCURRENCY, 0, MAX_CONCURRENCY, &concurrency) ||
	    !read_number(args, SHOW, DEFAULT_SHOW, INT64_MAX, &replay->max_shown) ||
	    !read_number(args, TIMEOUT, DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S, &seconds))
		return false;
	replay->has_ids = concurrency > 0;
	replay->window = concurrency > 0 ? (unsigned)concurrency : 1;
	replay->timeout_ms = (int64_t)seconds * 1000;
	if (!recorded_open(&replay->recorded, path, ctl_given(args, KIND), &why)) {
		ctl_fail("%s: %s", path, why.at);
		return false;
	}
	return !secrets || known_secrets_read(&replay->known, secrets, &replay->recorded.secrets);
}

static int run(struct replay *replay)
{
	int status;

	replay->flights = mem_array(replay->window, sizeof(*replay->flights));
	for (unsigned i = 0; i < replay->window; i++) {
		buf_init(&replay->flights[i].question, MAX_QUESTION_BYTES);
		buf_init(&replay->flights[i].asked, MAX_QUESTION_BYTES);
	}
	ask_all(replay);
	status = report(replay);
	for (unsigned i = 0; i < replay->window; i++) {
		buf_fini(&replay->flights[i].question);
		buf_fini(&replay->flights[i].asked);
	}
	mem_free(replay->flights);
	mem_free(replay->latencies);
	return status;
}

int ctl_run_helper_replay(struct ctl *ctl, const struct ctl_args *args)
{
	const char **argv = mem_array((size_t)args->nwords + 1, sizeof(*argv));
	struct replay replay = {.argv = argv};
	int status = CTL_FAILED;

	(void)ctl;
	for (int i = 0; i < args->nwords; i++)
		argv[i] = args->words[i];
	if (read_options(args, &replay))
		status = run(&replay);
	end(&replay);
	recorded_close(&replay.recorded);
	known_secrets_fini(&replay.known);
	mem_free(argv);
	return status;
}
