/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/log/log_file_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/log/log_target.h"
#include "proxy/log/log_writer.h"

enum {
	REOPEN_MS = 1000,
	SAY_MS = 60000, /* between two lines about the same trouble */
	HOLD_BYTES = 64 << 10,
};

int log_file_open(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

void log_file_tell_unopened(struct log_file *file, int error)
{
	char *what = mem_printf("access_log %s", file->path);

	health_bad(&file->health, what, "%s; its records are lost", strerror(error));
	mem_free(what);
}

static void reopen_if_due(struct log_file *file)
{
	int64_t now_ms = clock_mono_ms();

	if (file->fd >= 0 || now_ms - file->tried_ms < REOPEN_MS)
		return;
	file->tried_ms = now_ms;
	file->fd = log_file_open(file->path);
	if (file->fd < 0)
		log_file_tell_unopened(file, errno);
	else
		health_good(&file->health);
}

bool log_file_may_say(int64_t *said_ms)
{
	int64_t now_ms = clock_mono_ms();

	if (*said_ms != 0 && now_ms - *said_ms < SAY_MS)
		return false;
	*said_ms = now_ms;
	return true;
}

static void count_lost(struct log_file *file, struct str records)
{
	for (size_t i = 0; i < records.len; i++)
		file->nlost += records.at[i] == '\n';
}

/* A full disk, mostly; cache.log may lie on the same one. */
static void lose(struct log_file *file, struct str rest, int error)
{
	file->is_torn = file->is_torn || rest.at != file->out.at;
	count_lost(file, rest);
	if (log_file_may_say(&file->said_ms))
		fprintf(stderr, "ERROR: cannot write to %s: %s; %llu records are lost so far\n",
			file->path, strerror(error), (unsigned long long)file->nlost);
}

void log_file_write(struct log_file *file)
{
	struct str rest = buf_str(&file->out);

	if (file->target) {
		log_target_flush(file->target);
		return;
	}
	if (rest.len > 0)
		reopen_if_due(file);
	if (rest.len > 0 && file->fd >= 0 && file->is_torn)
		file->is_torn = write(file->fd, "\n", 1) != 1;
	while (rest.len > 0 && file->fd >= 0) {
		ssize_t n = write(file->fd, rest.at, rest.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			lose(file, rest, errno);
			break;
		}
		rest = str_from(rest, (size_t)n);
	}
	if (file->fd < 0)
		count_lost(file, rest);
	buf_clear(&file->out);
}

void log_file_add(struct log_file *file, struct str text)
{
	if (file->out.len == 0)
		file->held_ms = clock_mono_ms();
	if (file->target) {
		log_target_add(file->target, text);
	} else if (!buf_add_str(&file->out, text)) {
		log_file_write(file);
		buf_add_str(&file->out, text);
	}
}

bool log_file_may_wait(const struct log_file *file)
{
	return atomic_load_explicit(&file->may_hold, memory_order_relaxed) && !file->target &&
	       file->out.len < HOLD_BYTES && clock_mono_ms() - file->held_ms < LOG_WRITER_HOLD_MS;
}

void log_file_destroy(struct log_file *file)
{
	log_target_destroy(file->target);
	if (file->fd >= 0)
		close(file->fd);
	health_good(&file->health);
	buf_fini(&file->out);
	mem_free(file->path);
	mem_free(file);
}

void log_file_rotate(struct log_file *file)
{
	if (file->target) {
		log_target_rotate(file->target);
		return;
	}
	for (int i = atomic_load_explicit(&file->keep, memory_order_relaxed) - 1; i >= 0; i--) {
		char *to = mem_printf("%s.%d", file->path, i);
		char *from = i > 0 ? mem_printf("%s.%d", file->path, i - 1)
				   : mem_strdup(file->path);

		rename(from, to);
		mem_free(from);
		mem_free(to);
	}
	if (file->fd >= 0)
		close(file->fd);
	file->fd = log_file_open(file->path);
	if (file->fd < 0)
		fprintf(stderr, "ERROR: cannot open %s: %s\n", file->path, strerror(errno));
	if (file->fd < 0)
		log_file_tell_unopened(file, errno);
	else
		health_good(&file->health);
}
