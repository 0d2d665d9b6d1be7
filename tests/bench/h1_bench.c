/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast a request head is read: ns for a short one and a browser's, GB/s on one long value.
 * Times are the thread's CPU time, the best of ROUNDS. */
#include "lib/http/h1.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/check.h"

enum {
	ROUNDS = 7,
	ROUND_BYTES = 64 << 20, /* to read in one round, */
	MAX_READS = 500000,     /* but no more heads than these */
	VALUE_BYTES = 32 << 10,
};

static const char short_head[] = "GET /object HTTP/1.1\r\n"
				 "Host: 127.0.0.1:18080\r\n"
				 "\r\n";

static const char browser_head[] =
	"GET /articles/2024/a-page-with-a-name HTTP/1.1\r\n"
	"Host: www.example.com\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
	"Accept-Language: en-US,en;q=0.5\r\n"
	"Accept-Encoding: gzip, deflate\r\n"
	"Connection: keep-alive\r\n"
	"Cookie: session=0123456789abcdef; theme=dark\r\n"
	"Upgrade-Insecure-Requests: 1\r\n"
	"\r\n";

static int64_t cpu_ns(void)
{
	struct timespec now;

	check(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void read_head(const char *bytes, size_t len)
{
	static const struct h1_limits limits = {.head_bytes = 65536, .target_bytes = 8192};
	static struct http_request request;
	struct h1_parser parser = {0};

	check(h1_parse_request(&parser, bytes, len, &limits, &request) == H1_DONE);
	check(request.head.len == len);
}

/* ns for one head. */
static double measure(const char *bytes, size_t len)
{
	size_t nreads = ROUND_BYTES / len < MAX_READS ? ROUND_BYTES / len : MAX_READS;
	int64_t best_ns = INT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t began_ns = cpu_ns();

		for (size_t i = 0; i < nreads; i++)
			read_head(bytes, len);
		int64_t took_ns = cpu_ns() - began_ns;
		best_ns = took_ns < best_ns ? took_ns : best_ns;
	}
	return (double)best_ns / (double)nreads;
}

static size_t make_long_head(char *out, size_t size)
{
	int start = snprintf(out, size, "GET / HTTP/1.1\r\nHost: a\r\nCookie: ");

	memset(out + start, 'v', VALUE_BYTES);
	memcpy(out + start + VALUE_BYTES, "\r\n\r\n", 4);
	return (size_t)start + VALUE_BYTES + 4;
}

static void show(const char *what, size_t len, double ns)
{
	printf("%-32s %7zu bytes %9.0f ns %8.2f GB/s\n", what, len, ns, (double)len / ns);
}

int main(void)
{
	static char long_head[VALUE_BYTES + 128];
	size_t long_len = make_long_head(long_head, sizeof(long_head));

	show("a short request head", sizeof(short_head) - 1,
	     measure(short_head, sizeof(short_head) - 1));
	show("a browser's", sizeof(browser_head) - 1,
	     measure(browser_head, sizeof(browser_head) - 1));
	show("a value of 32 KiB", long_len, measure(long_head, long_len));
	return 0;
}
