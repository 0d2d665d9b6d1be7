/* SPDX-License-Identifier: BSD-2-Clause */
/* `warm`: fetches through the running instance what it has not stored yet. Politely: one request at
 * a time, so many a second and no more, and with pauses that double while the origin is in
 * trouble. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/http/h1.h"
#include "lib/net/addr.h"
#include "proxy/ctl/commands.h"
#include "proxy/ctl/progress.h"
#include "proxy/ctl/url_list.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

enum {
	TIMEOUT_S = 60, /* of a silent connection */
	HEAD_MAX_BYTES = 65536,
	RATE = 10, /* fetches a second, unless said otherwise */
	MAX_RATE = 10000,
	FIRST_PAUSE_MS = 1000,
	MAX_PAUSE_MS = 60000,
	MAX_FAILURES = 20, /* in a row */
};

enum option { OPTION_FROM, OPTION_SITE, OPTION_TO, OPTION_RATE, OPTION_HEADER };

const struct ctl_option ctl_warm_options[] = {
	[OPTION_FROM] = {"from", 'f', "FILE", "URLs, an access log or a sitemap; - is standard input"},
	[OPTION_SITE] = {"site", 's', "http://HOST", "what stands before a path in a log that has no hosts"},
	[OPTION_TO] = {"to", 't', "ADDRESS:PORT", "where to ask; the first http_port if not said"},
	[OPTION_RATE] = {"rate", 'r', "N", "fetches a second at most; 10 if not said"},
	[OPTION_HEADER] = {"header", 'H', "'NAME: VALUE'", "a header field of each request; may be repeated", true},
	{0},
};

struct warm {
	struct addr to;
	struct buf fields; /* of each request, with their line ends */
	int64_t spacing_ms, pause_ms;
	int64_t next_ms; /* the next fetch, not before */
	struct progress progress;
	unsigned nstored, nfetched, nfailed, nskipped, nfailures; /* nfailures: in a row */
	uint64_t bytes;
};

struct reply {
	int status;
	uint64_t body_bytes;
};

static void rest(int64_t ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	if (ms > 0)
		nanosleep(&time, NULL);
}

/* ---- one request */

static bool send_all(int fd, struct str bytes)
{
	while (bytes.len > 0) {
		ssize_t n = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		bytes = str_from(bytes, n > 0 ? (size_t)n : 0);
	}
	return true;
}

static int connect_to(const struct addr *to)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	int fd = socket(to->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, &to->as.any, addr_len(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

static ssize_t receive(int fd, char *bytes, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, bytes, size, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

/* The head into *response, over head, which also gets the first bytes of the body. */
static bool read_head(int fd, enum http_method method, struct buf *head,
		      struct http_response *response)
{
	static const struct h1_limits limits = {.head_bytes = HEAD_MAX_BYTES};
	struct h1_parser parser = {0};
	char bytes[4096];
	ssize_t n;

	while ((n = receive(fd, bytes, sizeof(bytes))) > 0) {
		if (!buf_add(head, bytes, (size_t)n))
			return false;
		switch (h1_parse_response(&parser, head->at, head->len, &limits, method,
		                          response)) {
		case H1_DONE:
			return true;
		case H1_ERROR:
			return false;
		case H1_MORE:
			break;
		}
	}
	return false;
}

/* Reads on to the end of the connection. False: the body was cut short. */
static bool read_body(int fd, const struct http_response *response, struct str tail,
		      uint64_t *nbytes)
{
	static char bytes[65536];
	char last[5] = "";
	ssize_t n;

	*nbytes = 0;
	for (;; tail = (struct str){bytes, (size_t)n}) {
		size_t keep = tail.len < sizeof(last) ? tail.len : sizeof(last);

		memmove(last, last + keep, sizeof(last) - keep);
		memcpy(last + sizeof(last) - keep, tail.at + tail.len - keep, keep);
		*nbytes += tail.len;
		n = receive(fd, bytes, sizeof(bytes));
		if (n <= 0)
			break;
	}
	switch (response->body) {
	case HTTP_BODY_LENGTH:
		return *nbytes == response->content_length;
	case HTTP_BODY_CHUNKED:
		return memcmp(last, "0\r\n\r\n", sizeof(last)) == 0;
	default:
		return n == 0;
	}
}

/* url: "http://HOST/PATH". False: no whole reply came. */
static bool ask(const struct warm *warm, const char *method, enum http_method id, struct str url,
		const char *more_fields, struct reply *reply)
{
	struct str rest = str_from(url, str_find_char(url, ':') + 3);
	size_t slash = str_find_char(rest, '/');
	struct http_response response;
	struct buf bytes;
	bool is_whole;
	int fd = connect_to(&warm->to);

	if (fd < 0)
		return false;
	buf_init(&bytes, HEAD_MAX_BYTES + 2 * URL_LIST_MAX_URL_BYTES);
	buf_printf(&bytes, "%s %s%.*s HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n%s%.*s\r\n",
		   method, slash < rest.len ? "" : "/", STR_ARG(str_from(rest, slash)),
		   STR_ARG(str_first(rest, slash)), more_fields, STR_ARG(buf_str(&warm->fields)));
	is_whole = send_all(fd, buf_str(&bytes));
	buf_clear(&bytes);
	is_whole = is_whole && read_head(fd, id, &bytes, &response) &&
		   read_body(fd, &response, str_from(buf_str(&bytes), response.head.len),
			     &reply->body_bytes);
	reply->status = is_whole ? response.status : 0;
	buf_fini(&bytes);
	close(fd);
	return is_whole;
}

/* ---- one URL */

static void complain(struct warm *warm, const char *url, const char *format, int number)
{
	progress_clear(&warm->progress);
	fprintf(stderr, "%s: ", url);
	fprintf(stderr, format, number);
	fputc('\n', stderr);
}

/* The origin, or the proxy, is in trouble: longer and longer pauses. */
static void back_off(struct warm *warm)
{
	warm->pause_ms = warm->pause_ms > 0 ? warm->pause_ms * 2 : FIRST_PAUSE_MS;
	if (warm->pause_ms > MAX_PAUSE_MS)
		warm->pause_ms = MAX_PAUSE_MS;
	warm->next_ms = clock_mono_ms() + warm->pause_ms;
}

static bool is_stored(const struct warm *warm, struct str url)
{
	struct reply reply;

	return ask(warm, "HEAD", HTTP_HEAD, url, "Cache-Control: only-if-cached\r\n", &reply) &&
	       reply.status != 504;
}

static void fetch(struct warm *warm, const char *url)
{
	struct reply reply;
	int64_t now_ms = clock_mono_ms();

	rest(warm->next_ms - now_ms);
	warm->next_ms = clock_mono_ms() + warm->spacing_ms;
	if (!ask(warm, "GET", HTTP_GET, str_of(url), "", &reply)) {
		complain(warm, url, "no whole reply", 0);
	} else if (reply.status >= 400) {
		complain(warm, url, "status %d", reply.status);
	} else {
		warm->nfetched++;
		warm->bytes += reply.body_bytes;
		warm->nfailures = 0;
		warm->pause_ms = 0;
		return;
	}
	warm->nfailed++;
	if (reply.status >= 400 && reply.status < 500 && reply.status != 429)
		return;
	warm->nfailures++;
	back_off(warm);
}

/* False: it is of no use to go on. */
static bool warm_up(struct warm *warm, const struct url_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		progress_show(&warm->progress, i, list->n);
		if (!str_starts_with(str_of(list->urls[i]), STR("http://")))
			warm->nskipped++;
		else if (is_stored(warm, str_of(list->urls[i])))
			warm->nstored++;
		else
			fetch(warm, list->urls[i]);
		if (warm->nfailures == MAX_FAILURES)
			return false;
	}
	return true;
}

/* ---- what was asked for */

static bool read_file(const char *path, struct buf *text)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char bytes[65536];
	size_t n;
	bool is_read;

	if (!file)
		return false;
	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0 && buf_add(text, bytes, n))
		;
	is_read = !ferror(file) && !text->is_full;
	if (text->is_full)
		errno = EFBIG;
	if (file != stdin)
		fclose(file);
	return is_read;
}

/* The first http_port that speaks plain HTTP; an address of any becomes the loopback one. */
static bool find_port(struct ctl *ctl, struct addr *to)
{
	const struct config *config = ctl_config(ctl);
	const struct port *port = config ? config->ports->first : NULL;

	while (port && port->is_tls)
		port = port->next;
	if (!port)
		return false;
	*to = port->addr;
	if (port->is_any)
		addr_parse(STR("127.0.0.1"), addr_port(&port->addr), to);
	return true;
}

static bool read_address(const char *text, struct addr *to)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;

	return colon && str_to_u64(str_of(colon + 1), &port) && port > 0 && port <= UINT16_MAX &&
	       addr_parse((struct str){text, (size_t)(colon - text)}, (uint16_t)port, to);
}

static bool read_rate(const char *text, int64_t *spacing_ms)
{
	uint64_t rate = RATE;

	if (text && (!str_to_u64(str_of(text), &rate) || rate == 0 || rate > MAX_RATE))
		return false;
	*spacing_ms = (int64_t)(1000 / rate);
	return true;
}

static void add_fields(struct warm *warm, const struct ctl_args *args)
{
	for (unsigned i = 0; i < args->ngiven; i++) {
		if (args->given[i].option != OPTION_HEADER)
			continue;
		buf_add_str(&warm->fields, str_of(args->given[i].value));
		buf_add_str(&warm->fields, STR("\r\n"));
	}
}

static int warm_list(struct warm *warm, const struct url_list *list)
{
	bool is_done;

	progress_init(&warm->progress);
	is_done = warm_up(warm, list);
	progress_clear(&warm->progress);
	printf("urls = %zu\n", list->n);
	printf("stored already = %u\n", warm->nstored);
	printf("fetched = %u\n", warm->nfetched);
	printf("fetched bytes = %" PRIu64 "\n", warm->bytes);
	printf("failed = %u\n", warm->nfailed);
	if (warm->nskipped > 0)
		printf("skipped (https) = %u\n", warm->nskipped);
	if (!is_done)
		return ctl_fail("given up: %d failures in a row", MAX_FAILURES);
	return warm->nfailed > 0 ? CTL_FAILED : CTL_OK;
}

static int read_and_warm(struct warm *warm, const char *path, const char *site)
{
	struct url_list list;
	struct buf text;
	int status;

	buf_init(&text, URL_LIST_MAX_BYTES);
	url_list_init(&list);
	if (!read_file(path, &text)) {
		status = ctl_fail("%s: (%d) %s", path, errno, strerror(errno));
	} else {
		url_list_read(&list, buf_str(&text), str_of(site));
		status = list.n > 0 ? warm_list(warm, &list) : ctl_fail("%s: no URL in it", path);
	}
	url_list_fini(&list);
	buf_fini(&text);
	return status;
}

int ctl_run_warm(struct ctl *ctl, const struct ctl_args *args)
{
	const char *path = ctl_given(args, OPTION_FROM), *to = ctl_given(args, OPTION_TO);
	const char *site = ctl_given(args, OPTION_SITE);
	struct warm warm = {0};
	int status;

	if (!path || !read_rate(ctl_given(args, OPTION_RATE), &warm.spacing_ms))
		return CTL_USAGE;
	if (to ? !read_address(to, &warm.to) : !find_port(ctl, &warm.to))
		return ctl_fail("where to ask is not known: --to ADDRESS:PORT");
	buf_init(&warm.fields, HEAD_MAX_BYTES);
	add_fields(&warm, args);
	status = read_and_warm(&warm, path, site ? site : "");
	buf_fini(&warm.fields);
	return status;
}
