/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/disk_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"

/* ---- life */

static void open_disk(struct disk_fixture *fixture)
{
	struct err_text why = {""};

	if (disk_open(&fixture->config, &fixture->disk, &why) != ERR_OK) {
		fprintf(stderr, "%s\n", why.at);
		abort();
	}
}

void fixture_open(struct disk_fixture *fixture, uint64_t max_bytes)
{
	/* Tests wait for one commit after the other. */
	*fixture = (struct disk_fixture){.config = {.max_bytes = max_bytes, .batch_wait_ms = 5}};
	snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/disk-test-XXXXXX");
	check(mkdtemp(fixture->directory));
	fixture->config.directory = fixture->directory;
	fixture->loop = loop_create(4096, NULL);
	check(fixture->loop);
	open_disk(fixture);
}

static void remove_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *file = mem_printf("%s/%s", path, entry->d_name);

		unlink(file);
		mem_free(file);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

void fixture_close(struct disk_fixture *fixture)
{
	disk_close(fixture->disk);
	loop_stop(fixture->loop); /* answers that nobody waits for any more are still on their way */
	loop_run(fixture->loop);
	loop_destroy(fixture->loop);
	remove_directory(fixture->directory);
}

void fixture_reopen(struct disk_fixture *fixture)
{
	disk_close(fixture->disk);
	fixture->disk = NULL;
	open_disk(fixture);
}

char *fixture_path(const struct disk_fixture *fixture, const char *name)
{
	return mem_printf("%s/%s", fixture->directory, name);
}

/* ---- waiting */

struct nap {
	struct timer timer;
	struct loop *loop;
};

static void end_nap(struct timer *timer)
{
	loop_stop(CONTAINER(timer, struct nap, timer)->loop);
}

static void nap(struct disk_fixture *fixture)
{
	struct nap nap = {.loop = fixture->loop};

	timer_init(&nap.timer, end_nap);
	timer_set(fixture->loop, &nap.timer, clock_mono_ms() + 1);
	loop_run(fixture->loop);
}

bool fixture_wait(struct disk_fixture *fixture, bool (*is_so)(struct disk_fixture *fixture))
{
	int64_t end_ms = clock_mono_ms() + 5000;

	while (!is_so(fixture)) {
		if (clock_mono_ms() > end_ms)
			return false;
		nap(fixture);
	}
	return true;
}

static bool is_settled(struct disk_fixture *fixture)
{
	struct disk_stats stats;

	disk_stats(fixture->disk, &stats);
	return stats.queued_bytes == 0;
}

void fixture_settle(struct disk_fixture *fixture)
{
	fixture_wait(fixture, is_settled);
}

static bool is_loaded(struct disk_fixture *fixture)
{
	struct disk_stats stats;

	disk_stats(fixture->disk, &stats);
	return !stats.is_loading;
}

struct disk_stats fixture_stats(const struct disk_fixture *fixture)
{
	struct disk_stats stats;

	disk_stats(fixture->disk, &stats);
	return stats;
}

void fixture_wait_loaded(struct disk_fixture *fixture)
{
	check(fixture_wait(fixture, is_loaded));
}

/* ---- objects */

void pattern_fill(char *at, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (char)((offset + i) * 2654435761u >> 13);
}

bool pattern_is(const char *at, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] != (char)((offset + i) * 2654435761u >> 13))
			return false;
	return true;
}

struct object *fixture_object(const char *url, const char *vary, size_t size)
{
	char *body = mem_alloc(size + 1);
	int64_t now_s = clock_wall_s();
	struct object_head head = {
		.status = 200,
		.head = STR("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
			    "ETag: \"x\"\r\n"),
		.url = str_of(url),
		.vary = str_of(vary),
		.facts = {.date_s = now_s, .expires_s = now_s + 600, .arrived_s = now_s, .flags = 8},
	};
	struct object *object;

	pattern_fill(body, size, 0);
	object = object_create_whole(&head, (struct str){body, size});
	mem_free(body);
	return object;
}

uint64_t fixture_key(const struct disk_fixture *fixture, const char *url)
{
	return hash_str(str_of(url), disk_seed(fixture->disk));
}

bool fixture_put(struct disk_fixture *fixture, const char *url, const char *vary, size_t size)
{
	struct object *object = fixture_object(url, vary, size);
	bool stored = disk_store(fixture->disk, object, fixture_key(fixture, url));

	object_unref(object);
	return stored;
}

bool fixture_store(struct disk_fixture *fixture, const char *url, const char *vary, size_t size)
{
	bool stored = fixture_put(fixture, url, vary, size);

	fixture_settle(fixture);
	return stored;
}

/* ---- questions */

struct question {
	struct disk_query query;
	struct loop *loop;
	struct object *object;
	bool is_done;
};

static void on_done(struct disk_query *query, struct object *object)
{
	struct question *question = CONTAINER(query, struct question, query);

	question->object = object;
	question->is_done = true;
	loop_stop(question->loop);
}

static void make_head(struct http_head *head, char *bytes, size_t size, const char *language)
{
	static const char name[] = "Accept-Language";
	int len = snprintf(bytes, size, "%s: %s\r\n", name, language ? language : "");

	*head = (struct http_head){.base = bytes, .len = (size_t)len};
	if (!language)
		return;
	head->nfields = 1;
	head->fields[0] = (struct http_field){
		.name_len = sizeof(name) - 1,
		.value_at = sizeof(name) + 1,
		.value_len = (uint32_t)strlen(language),
		.id = FIELD_ACCEPT_LANGUAGE,
	};
	head->present_[FIELD_ACCEPT_LANGUAGE / 64] |= UINT64_C(1) << FIELD_ACCEPT_LANGUAGE % 64;
}

/* What can be answered at once is what the reader thread answered. */
static void check_answer_at_once(struct disk_fixture *fixture, struct disk_query *query,
				 const struct object *answer)
{
	struct object *object = NULL;

	switch (disk_lookup_now(fixture->disk, query, &object)) {
	case DISK_NOW_ASK:
		return;
	case DISK_NOW_MISS:
		check(!answer);
		return;
	case DISK_NOW_FOUND:
		check(answer && object_is_whole(object));
		check(str_eq(object->head, answer->head) && str_eq(object->url, answer->url) &&
		      str_eq(object->vary, answer->vary) && object->status == answer->status &&
		      object->disk_id == answer->disk_id &&
		      memcmp(&object->facts, &answer->facts, sizeof(object->facts)) == 0);
		check(fixture_read(fixture, object) == answer->body_bytes);
		return;
	}
}

static struct object *find(struct disk_fixture *fixture, const char *url,
			   const char *accept_language, bool is_lazy)
{
	struct http_head head;
	char bytes[256];
	struct question question = {
		.query = {.key = fixture_key(fixture, url), .url = str_of(url), .head = &head,
			  .is_lazy = is_lazy, .loop = fixture->loop, .done = on_done},
		.loop = fixture->loop,
	};

	make_head(&head, bytes, sizeof(bytes), accept_language);
	if (!disk_may_have(fixture->disk, question.query.key))
		return NULL;
	disk_lookup(fixture->disk, &question.query);
	while (!question.is_done)
		loop_run(fixture->loop);
	check_answer_at_once(fixture, &question.query, question.object);
	return question.object;
}

struct object *fixture_find(struct disk_fixture *fixture, const char *url,
			    const char *accept_language)
{
	return find(fixture, url, accept_language, false);
}

struct object *fixture_find_lazily(struct disk_fixture *fixture, const char *url)
{
	return find(fixture, url, NULL, true);
}

static void on_wake(void *owner)
{
	loop_stop(owner);
}

static int64_t read_on(struct disk_fixture *fixture, struct object_reader *reader)
{
	for (;;) {
		struct iovec iov[4];
		uint64_t at = reader->offset;
		int niov = 0;

		switch (object_read(reader, iov, 4, UINT64_MAX, &niov)) {
		case OBJECT_READ_DATA:
			break;
		case OBJECT_READ_WAIT:
			loop_run(fixture->loop);
			continue;
		case OBJECT_READ_END:
			return (int64_t)reader->offset;
		default:
			return -1;
		}
		for (int i = 0; i < niov; i++) {
			if (!pattern_is(iov[i].iov_base, iov[i].iov_len, at))
				return -1;
			at += iov[i].iov_len;
		}
		object_reader_advance(reader, at - reader->offset);
	}
}

int64_t fixture_read(struct disk_fixture *fixture, struct object *object)
{
	struct object_reader reader;
	int64_t n;

	if (!object)
		return -2;
	object_reader_open(&reader, object, 0, fixture->loop, on_wake, fixture->loop);
	object_unref(object);
	n = read_on(fixture, &reader);
	object_reader_close(&reader);
	return n;
}

int64_t fixture_read_from(struct disk_fixture *fixture, struct object *object, uint64_t offset)
{
	struct object_reader reader;
	int64_t end;

	object_reader_open(&reader, object, offset, fixture->loop, on_wake, fixture->loop);
	end = read_on(fixture, &reader);
	object_reader_close(&reader);
	return end < 0 ? end : end - (int64_t)offset;
}

int64_t fixture_get(struct disk_fixture *fixture, const char *url)
{
	return fixture_read(fixture, fixture_find(fixture, url, NULL));
}

/* ---- other programs */

/* No fork: in the child of several threads only little may be done, and with ASan not even memory
 * freed. out: its standard output; -1: as it is here. Returns its pid; -1: it could not be run. */
static pid_t spawn(const char *program, const char *const *argv, int out)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	error = posix_spawnp(&pid, program, &actions, NULL, (char *const *)(uintptr_t)argv,
	                     environ);
	posix_spawn_file_actions_destroy(&actions);
	return error == 0 ? pid : -1;
}

static int exit_status(pid_t pid)
{
	int status = 0;

	if (pid < 0)
		return -1;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -1;
}

int fixture_shell(const struct disk_fixture *fixture, const char *sql)
{
	char *path = fixture_path(fixture, "cache.db");
	const char *const argv[] = {"sqlite3", "-cmd", ".timeout 2000", path, sql, NULL};
	int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int status = exit_status(spawn("sqlite3", argv, nothing));

	close(nothing);
	mem_free(path);
	return status;
}

static const char sql_program[] = "disk-fixture-sql";

/* This program, begun anew by what follows: SQLite's locks are a process's. PATH SQL [MICROSECONDS]:
 * says when SQL was run, and stays for so long. */
static void __attribute__((constructor)) be_another_process(int argc, char **argv)
{
	sqlite3 *db = NULL;
	int rc;

	if (argc < 3 || strcmp(argv[0], sql_program) != 0)
		return;
	rc = sqlite3_open(argv[1], &db);
	sqlite3_busy_timeout(db, 3000);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, argv[2], NULL, NULL, NULL);
	if (argc == 4 && write(STDOUT_FILENO, "r", 1) == 1)
		usleep((useconds_t)strtoul(argv[3], NULL, 10));
	sqlite3_close(db);
	_exit(rc);
}

int fixture_sql(const struct disk_fixture *fixture, const char *sql)
{
	char *path = fixture_path(fixture, "cache.db");
	const char *const argv[] = {sql_program, path, sql, NULL};
	int status = exit_status(spawn("/proc/self/exe", argv, -1));

	mem_free(path);
	return status;
}

pid_t fixture_hold_lock(const struct disk_fixture *fixture, unsigned for_us)
{
	char *path = fixture_path(fixture, "cache.db"), *time = mem_printf("%u", for_us);
	const char *const argv[] = {sql_program, path, "BEGIN EXCLUSIVE", time, NULL};
	int ends[2];
	char ready;
	pid_t pid;

	check(pipe2(ends, O_CLOEXEC) == 0);
	pid = spawn("/proc/self/exe", argv, ends[1]);
	check(pid > 0 && read(ends[0], &ready, 1) == 1);
	close(ends[0]);
	close(ends[1]);
	mem_free(path);
	mem_free(time);
	return pid;
}
