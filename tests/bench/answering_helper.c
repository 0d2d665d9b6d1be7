/* SPDX-License-Identifier: BSD-2-Clause */
/* answering_helper [US]: a helper that answers "ID OK" to each question as soon as it can, or after US
 * microseconds of work for each: for measuring what the proxy does about it. It reads and writes many
 * lines at a time, as helpers with concurrency= may. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 16, MAX_ANSWER_BYTES = 32 };

static long long now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void work(long us)
{
	long long until = now_ns() + us * 1000LL;

	while (us > 0 && now_ns() < until)
		;
}

/* The id and "OK" behind out; returns how much that is. */
static size_t answer(const char *line, size_t len, char *out)
{
	size_t n = strcspn(line, " \n");

	if (n > len || n > MAX_ANSWER_BYTES - 4)
		n = 0;
	memcpy(out, line, n);
	memcpy(out + n, " OK\n", 4);
	return n + 4;
}

static void write_all(const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, at, len);

		if (n <= 0)
			exit(1);
		at += n;
		len -= (size_t)n;
	}
}

/* Answers the whole lines; returns how many bytes those were. */
static size_t answer_lines(const char *in, size_t len, long us)
{
	static char out[BUFFER_BYTES * MAX_ANSWER_BYTES / 2];
	size_t used = 0, nout = 0;
	const char *end;

	while ((end = memchr(in + used, '\n', len - used)) != NULL) {
		work(us);
		nout += answer(in + used, (size_t)(end - in) - used, out + nout);
		used = (size_t)(end - in) + 1;
		if (us > 0) {
			write_all(out, nout);
			nout = 0;
		}
	}
	write_all(out, nout);
	return used;
}

int main(int argc, char **argv)
{
	static char in[BUFFER_BYTES + 1];
	long us = argc > 1 ? atol(argv[1]) : 0;
	size_t len = 0, used;
	ssize_t n;

	while ((n = read(STDIN_FILENO, in + len, BUFFER_BYTES - len)) > 0) {
		len += (size_t)n;
		used = answer_lines(in, len, us);
		memmove(in, in + used, len - used);
		len -= used;
	}
	return 0;
}
