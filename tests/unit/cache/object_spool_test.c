/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cache/object.h"
#include "cache/spool.h"
#include "lib/base/check.h"

enum {
	BODY_BYTES = 8 << 20,
	GAP_BYTES = 65536,
	/* What a shared body may take of memory: the window, how far ahead the producer is of who spools,
	 * a chunk and a loan for each reader. */
	MEMORY_BYTES = OBJECT_WINDOW_BYTES + 262144 + 4 * OBJECT_CHUNK_BYTES,
	ALONE_BYTES = OBJECT_HELD_BACK_BYTES + MEMORY_BYTES,
};

static const struct spool_place in_memory = {.directory = NULL, .max_bytes = 64 << 20};

static char byte_at(uint64_t offset)
{
	return (char)(offset * 2654435761u >> 13);
}

/* Without a loop, so that each test is the producer and all readers. */
struct scene {
	struct spools *spools;
	struct object *object;
	struct object_reader fast, slow;
};

static void nothing(void *owner)
{
	(void)owner;
}

/* One more body, shared by two, with the spools that there are. */
static void begin(struct scene *scene)
{
	const struct object_head head = {
		.status = 200, .head = {"HTTP/1.1 200 OK\r\n", 17}, .url = {"http://a/", 9}, .body_bytes = BODY_BYTES};

	scene->object = object_create(NULL, nothing, NULL, GAP_BYTES);
	object_offer_spool(scene->object, scene->spools);
	object_set_head(scene->object, &head);
	object_reader_open(&scene->fast, scene->object, 0, NULL, nothing, NULL);
	object_reader_open(&scene->slow, scene->object, 0, NULL, nothing, NULL);
}

static void set_up(struct scene *scene, const struct spool_place *places, unsigned n)
{
	alarm(60); /* something that never comes */
	*scene = (struct scene){.spools = spools_create(places, n, NULL)};
	assert_non_null(scene->spools);
	begin(scene);
}

static void end(struct scene *scene)
{
	object_reader_close(&scene->fast);
	object_reader_close(&scene->slow);
	object_unref(scene->object);
}

static void tear_down(struct scene *scene)
{
	struct spool_stats stats;

	end(scene);
	spools_stop(scene->spools);
	assert_int_equal(spools_used_bytes(scene->spools), 0);
	for (unsigned i = 0; spools_stats(scene->spools, i, &stats); i++)
		assert_int_equal(stats.objects, 0);
	spools_destroy(scene->spools);
	alarm(0);
}

/* False: it may not, for now, or all of it is there. */
static bool append_some(struct object *object)
{
	uint64_t length = object_length(object);
	size_t room;
	char *at;

	if (length == BODY_BYTES || !object_may_append(object))
		return false;
	at = object_reserve(object, &room);
	for (size_t i = 0; i < room; i++)
		at[i] = byte_at(length + i);
	object_commit(object, room);
	return true;
}

static enum object_read take(struct object_reader *reader, uint64_t max_bytes)
{
	struct iovec iov[4];
	int niov;
	enum object_read verdict = object_read(reader, iov, 4, max_bytes, &niov);
	uint64_t at = reader->offset, n = 0;

	for (int i = 0; i < niov; i++)
		for (size_t k = 0; k < iov[i].iov_len; k++, n++)
			check(((char *)iov[i].iov_base)[k] == byte_at(at + n));
	object_reader_advance(reader, n);
	return verdict;
}

/* The fast one reads all that comes, up to bytes. */
static void produce(struct scene *scene, uint64_t bytes)
{
	while (object_length(scene->object) < bytes) {
		if (!append_some(scene->object))
			usleep(100);
		while (take(&scene->fast, UINT64_MAX) == OBJECT_READ_DATA)
			continue;
		assert_true(object_memory_bytes(scene->object) <=
			    (scene->object->shared.is_joined ? MEMORY_BYTES : ALONE_BYTES));
	}
}

static void read_rest(struct object_reader *reader)
{
	enum object_read got = OBJECT_READ_DATA;

	while (got == OBJECT_READ_DATA)
		got = take(reader, 100000);
	assert_int_equal(got, OBJECT_READ_END);
	assert_int_equal(reader->offset, BODY_BYTES);
}

static void who_stands_still_holds_up_nobody(struct scene *scene)
{
	assert_true(object_join(scene->object));
	assert_int_equal(take(&scene->slow, 10), OBJECT_READ_WAIT);
	produce(scene, BODY_BYTES);
	object_finish(scene->object);
	assert_int_equal(take(&scene->fast, 1), OBJECT_READ_END);
	assert_true(object_has_beginning(scene->object));
	read_rest(&scene->slow);
}

static void in_memory_who_stands_still_holds_up_nobody(void **state)
{
	struct scene scene;

	(void)state;
	set_up(&scene, &in_memory, 1);
	who_stands_still_holds_up_nobody(&scene);
	tear_down(&scene);
}

static void in_a_folder_who_stands_still_holds_up_nobody(void **state)
{
	const struct spool_place places[] = {{.directory = ".", .max_bytes = 64 << 20}, in_memory};
	struct scene scene;

	(void)state;
	set_up(&scene, places, 2);
	who_stands_still_holds_up_nobody(&scene);
	tear_down(&scene);
}

static void a_folder_that_is_not_there_gives_way_to_the_next_place(void **state)
{
	const struct spool_place places[] = {{.directory = "/dev/null", .max_bytes = 64 << 20}, in_memory};
	struct scene scene;

	(void)state;
	set_up(&scene, places, 2);
	who_stands_still_holds_up_nobody(&scene);
	tear_down(&scene);
}

/* What a reader has in hand stays, though it is in the spool and memory has given it up. */
static void bytes_in_hand_stay_valid(void **state)
{
	struct scene scene;
	struct iovec iov[4];
	int niov;

	(void)state;
	set_up(&scene, &in_memory, 1);
	assert_true(object_join(scene.object));
	assert_true(append_some(scene.object));
	assert_int_equal(object_read(&scene.slow, iov, 4, UINT64_MAX, &niov), OBJECT_READ_DATA);
	produce(&scene, BODY_BYTES);
	for (size_t i = 0; i < iov[0].iov_len; i++)
		assert_int_equal(((char *)iov[0].iov_base)[i], byte_at(i));
	object_finish(scene.object);
	read_rest(&scene.slow);
	tear_down(&scene);
}

static void who_comes_late_reads_from_the_beginning(void **state)
{
	struct scene scene;
	struct object_reader late;

	(void)state;
	set_up(&scene, &in_memory, 1);
	assert_true(object_join(scene.object));
	object_reader_close(&scene.slow);
	produce(&scene, BODY_BYTES / 2);
	object_reader_open(&late, scene.object, 0, NULL, nothing, NULL);
	assert_true(object_join(scene.object));
	produce(&scene, BODY_BYTES);
	object_finish(scene.object);
	read_rest(&late);
	object_reader_close(&late);
	tear_down(&scene);
}

/* Nobody knew that a second one would come. */
static void who_comes_early_finds_the_beginning_in_memory(void **state)
{
	struct scene scene;
	struct object_reader early;

	(void)state;
	set_up(&scene, &in_memory, 1);
	object_reader_close(&scene.slow);
	produce(&scene, OBJECT_HELD_BACK_BYTES / 2);
	assert_true(spools_used_bytes(scene.spools) > 0);
	object_reader_open(&early, scene.object, 0, NULL, nothing, NULL);
	assert_true(object_join(scene.object));
	while (object_length(scene.object) < BODY_BYTES) {
		append_some(scene.object);
		while (take(&scene.fast, UINT64_MAX) == OBJECT_READ_DATA)
			continue;
	}
	object_finish(scene.object);
	read_rest(&early);
	object_reader_close(&early);
	tear_down(&scene);
}

static void there_is_room_for_few_beginnings(void **state)
{
	const struct spool_place small = {.directory = NULL, .max_bytes = 1 << 20};
	struct scene scene;

	(void)state;
	set_up(&scene, &small, 1);
	object_reader_close(&scene.slow);
	produce(&scene, 1 << 19);
	assert_true(object_has_beginning(scene.object));
	produce(&scene, 1 << 21);
	assert_false(object_has_beginning(scene.object));
	assert_true(object_memory_bytes(scene.object) <= MEMORY_BYTES);
	assert_int_equal(spools_used_bytes(scene.spools), 0);
	tear_down(&scene);
}

/* A body that one alone reads is nowhere but on its way, once nobody else has come for a while. */
static void nothing_is_spooled_for_one(void **state)
{
	struct scene scene;

	(void)state;
	set_up(&scene, &in_memory, 1);
	object_reader_close(&scene.slow);
	produce(&scene, OBJECT_HELD_BACK_BYTES + OBJECT_HELD_BACK_BYTES / 2);
	assert_int_equal(spools_used_bytes(scene.spools), 0);
	assert_true(object_memory_bytes(scene.object) <= MEMORY_BYTES);
	assert_false(object_has_beginning(scene.object));
	assert_false(object_join(scene.object));
	produce(&scene, BODY_BYTES);
	object_finish(scene.object);
	tear_down(&scene);
}

/* The slowest sets the pace then, and who comes later finds no beginning. */
static void a_small_budget_is_used_again_and_again(void **state)
{
	const struct spool_place small = {.directory = NULL, .max_bytes = 1 << 20};
	struct spool_stats stats;
	struct scene scene;

	(void)state;
	set_up(&scene, &small, 1);
	assert_true(object_join(scene.object));
	while (object_length(scene.object) < BODY_BYTES) {
		if (!append_some(scene.object)) {
			take(&scene.slow, 100000);
			usleep(100);
		}
		while (take(&scene.fast, UINT64_MAX) == OBJECT_READ_DATA)
			continue;
		assert_true(scene.slow.offset + small.max_bytes + MEMORY_BYTES >= scene.fast.offset);
		assert_true(spools_used_bytes(scene.spools) <= small.max_bytes);
	}
	assert_false(object_has_beginning(scene.object));
	assert_true(spools_stats(scene.spools, 0, &stats));
	assert_true(stats.objects == 1 && stats.refused > 0 && stats.used_bytes <= stats.max_bytes);
	object_finish(scene.object);
	read_rest(&scene.slow);
	tear_down(&scene);
}

/* A body whose readers keep up with it needs no room. */
static void a_budget_that_another_body_uses_up_holds_up_nobody(void **state)
{
	const struct spool_place small = {.directory = NULL, .max_bytes = 1 << 20};
	struct scene scene, other;

	(void)state;
	set_up(&scene, &small, 1);
	assert_true(object_join(scene.object));
	while (spools_used_bytes(scene.spools) < small.max_bytes - 65536) {
		append_some(scene.object);
		take(&scene.fast, UINT64_MAX);
	}
	other.spools = scene.spools;
	begin(&other);
	assert_true(object_join(other.object));
	while (object_length(other.object) < BODY_BYTES) {
		if (!append_some(other.object))
			usleep(100);
		while (take(&other.slow, UINT64_MAX) == OBJECT_READ_DATA)
			continue;
		while (take(&other.fast, UINT64_MAX) == OBJECT_READ_DATA)
			continue;
	}
	object_finish(other.object);
	end(&other);
	tear_down(&scene);
}

static void an_abort_comes_after_what_is_spooled(void **state)
{
	struct scene scene;
	enum object_read got = OBJECT_READ_DATA;

	(void)state;
	set_up(&scene, &in_memory, 1);
	assert_true(object_join(scene.object));
	produce(&scene, BODY_BYTES / 2);
	object_abort(scene.object, ECONNRESET);
	while (got == OBJECT_READ_DATA)
		got = take(&scene.slow, 50000);
	assert_int_equal(got, OBJECT_READ_ABORTED);
	assert_true(scene.slow.offset >= BODY_BYTES / 2);
	tear_down(&scene);
}

/* Its budget is free again, though nothing of the body ever was there. */
static void a_file_that_takes_nothing_goes_at_once(void **state)
{
	struct rlimit before, none;
	struct scene scene;

	(void)state;
	set_up(&scene, &in_memory, 1);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = (struct rlimit){0, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_true(object_join(scene.object));
	assert_true(append_some(scene.object));
	while (object_has_beginning(scene.object))
		usleep(100);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	tear_down(&scene);
}

/* Asked for often, it goes with its last user all the same. */
static void nobody_holds_a_spool_in_advance(void **state)
{
	struct scene scene;

	(void)state;
	set_up(&scene, &in_memory, 1);
	object_unref(object_ref_often(scene.object));
	assert_true(object_join(scene.object));
	produce(&scene, BODY_BYTES);
	object_finish(scene.object);
	read_rest(&scene.slow);
	tear_down(&scene);
}

/* Both have read what there is of the first bytes; then the slow one stands still. */
static void let_stand(struct scene *scene)
{
	while (!append_some(scene->object))
		usleep(100); /* that there is no spool shows on its thread */
	while (take(&scene->slow, UINT64_MAX) == OBJECT_READ_DATA)
		continue;
	do {
		while (take(&scene->fast, UINT64_MAX) == OBJECT_READ_DATA)
			continue;
	} while (append_some(scene->object));
}

static void without_a_spool_who_stands_still_while_others_wait_reads_no_more(void **state)
{
	struct scene scene;
	enum object_read got = OBJECT_READ_DATA;
	int i;

	(void)state;
	set_up(&scene, NULL, 0);
	object_join(scene.object);
	let_stand(&scene);
	for (i = 0; !object_may_append(scene.object); i++) {
		assert_true(i < 20);
		object_shed(scene.object);
	}
	assert_true(i > 7);
	produce(&scene, BODY_BYTES);
	while (got == OBJECT_READ_DATA)
		got = take(&scene.slow, 100000);
	assert_int_equal(got, OBJECT_READ_ABORTED);
	object_finish(scene.object);
	tear_down(&scene);
}

static void who_gets_on_sets_the_pace(void **state)
{
	struct scene scene;

	(void)state;
	set_up(&scene, NULL, 0);
	object_join(scene.object);
	while (object_length(scene.object) < BODY_BYTES) {
		let_stand(&scene);
		object_shed(scene.object);
		while (take(&scene.slow, UINT64_MAX) == OBJECT_READ_DATA)
			continue;
	}
	assert_int_equal(scene.slow.offset, BODY_BYTES);
	object_finish(scene.object);
	tear_down(&scene);
}

static void who_stands_still_alone_is_left_alone(void **state)
{
	struct scene scene;

	(void)state;
	set_up(&scene, NULL, 0);
	object_reader_close(&scene.fast);
	object_reader_open_aside(&scene.fast, scene.object, 0, NULL, nothing, NULL);
	assert_int_equal(object_nreaders(scene.object), 1);
	let_stand(&scene);
	for (int i = 0; i < 20; i++) {
		assert_false(object_may_append(scene.object));
		object_shed(scene.object);
	}
	tear_down(&scene);
}

static void count_let_go(void *owner, struct object *object)
{
	check(object_length(object) == BODY_BYTES);
	++*(int *)owner;
}

/* All of it has come, and it is on its way to a disk. */
static void set_up_lingering(struct scene *scene, int *nlet_go)
{
	set_up(scene, &in_memory, 1);
	assert_true(object_join(scene->object));
	object_begin_store(scene->object);
	produce(scene, BODY_BYTES);
	object_finish(scene->object);
	assert_true(object_linger(scene->object, count_let_go, nlet_go));
}

static void what_ended_is_of_use_while_it_is_read_and_stored(void **state)
{
	struct scene scene;
	int nlet_go = 0;

	(void)state;
	set_up_lingering(&scene, &nlet_go);
	object_reader_close(&scene.fast);
	object_reader_close(&scene.slow);
	assert_int_equal(nlet_go, 0);
	/* Whoever comes now has all of it. */
	assert_true(object_join(scene.object));
	object_reader_open(&scene.slow, scene.object, 0, NULL, nothing, NULL);
	object_end_store(scene.object); /* in vain */
	assert_int_equal(nlet_go, 0);
	read_rest(&scene.slow);
	object_reader_close(&scene.slow);
	assert_int_equal(nlet_go, 1);
	tear_down(&scene);
}

static void what_a_disk_has_is_let_go_at_once(void **state)
{
	struct scene scene;
	int nlet_go = 0;

	(void)state;
	set_up_lingering(&scene, &nlet_go);
	atomic_store(&scene.object->disk_id, 1);
	object_end_store(scene.object);
	assert_int_equal(nlet_go, 1);
	assert_false(object_linger(scene.object, count_let_go, &nlet_go));
	read_rest(&scene.slow);
	tear_down(&scene);
	assert_int_equal(nlet_go, 1);
}

/* One that its only reader has passed serves nobody else: only the disk is worth waiting for. */
static void without_its_beginning_it_is_of_use_to_the_disk_alone(void **state)
{
	struct scene scene;
	int nlet_go = 0;

	(void)state;
	set_up(&scene, &in_memory, 1);
	object_reader_close(&scene.slow);
	object_begin_store(scene.object);
	produce(&scene, BODY_BYTES);
	object_finish(scene.object);
	assert_false(object_has_beginning(scene.object));
	assert_true(object_linger(scene.object, count_let_go, &nlet_go));
	object_end_store(scene.object);
	assert_int_equal(nlet_go, 1);
	tear_down(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_memory_who_stands_still_holds_up_nobody),
		cmocka_unit_test(in_a_folder_who_stands_still_holds_up_nobody),
		cmocka_unit_test(a_folder_that_is_not_there_gives_way_to_the_next_place),
		cmocka_unit_test(bytes_in_hand_stay_valid),
		cmocka_unit_test(who_comes_late_reads_from_the_beginning),
		cmocka_unit_test(who_comes_early_finds_the_beginning_in_memory),
		cmocka_unit_test(there_is_room_for_few_beginnings),
		cmocka_unit_test(nothing_is_spooled_for_one),
		cmocka_unit_test(a_small_budget_is_used_again_and_again),
		cmocka_unit_test(a_budget_that_another_body_uses_up_holds_up_nobody),
		cmocka_unit_test(a_file_that_takes_nothing_goes_at_once),
		cmocka_unit_test(nobody_holds_a_spool_in_advance),
		cmocka_unit_test(an_abort_comes_after_what_is_spooled),
		cmocka_unit_test(without_a_spool_who_stands_still_while_others_wait_reads_no_more),
		cmocka_unit_test(who_gets_on_sets_the_pace),
		cmocka_unit_test(who_stands_still_alone_is_left_alone),
		cmocka_unit_test(what_ended_is_of_use_while_it_is_read_and_stored),
		cmocka_unit_test(what_a_disk_has_is_let_go_at_once),
		cmocka_unit_test(without_its_beginning_it_is_of_use_to_the_disk_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
