/* SPDX-License-Identifier: BSD-2-Clause */
/* The administrator's tool: one line to the control socket of the instance that a configuration
 * names, and its answer on stdout. Exit status: 0 done, 1 refused or not running, 2 wrong use. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/heap.h"
#include "proxy/control_path.h"
#include "proxy/version.h"
#include "squid-compat/config.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
	"Usage: bobtailctl [-f squid.conf | -s SOCKET] COMMAND\n"
	"       bobtailctl -h | --help | -v | --version\n"
	"    info           who is running, and what is in the cache\n"
	"    counters       requests, bytes and hits since the start\n"
	"    reconfigure    read the configuration anew; fails if it cannot be used\n"
	"    rotate         new log files, new helpers\n"
	"    shutdown       stop, as SIGTERM does\n"
	"    purge URL      forget all variants of URL\n";

static void show_line(void *user, const char *line)
{
	(void)user;
	fprintf(stderr, "%s\n", line);
}

/* Where the configuration has it; NULL: it cannot be read. */
static char *find_socket(const char *config_path)
{
	const struct config_options options = {.is_parse_only = true};
	struct report *report = report_create();
	struct config *config = config_read(config_path, &options, report);
	char *path = config ? control_path(config) : NULL;

	if (!config)
		report_print(report, show_line, NULL);
	config_unref(config);
	report_destroy(report);
	return path;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool is_one_line(const char *text)
{
	return !strpbrk(text, "\r\n");
}

static bool send_line(int fd, const char *command, const char *argument)
{
	char *line = mem_printf("%s%s%s\n", command, argument ? " " : "", argument ? argument : "");
	size_t len = strlen(line), sent = 0;

	while (sent < len) {
		ssize_t n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	mem_free(line);
	return sent == len;
}

/* "OK", then what goes to stdout; or one line that says why not. */
static int show_answer(int fd)
{
	FILE *answer = fdopen(fd, "r");
	char line[4096];
	bool is_ok;

	if (!answer || !fgets(line, sizeof(line), answer)) {
		fputs("bobtailctl: no answer\n", stderr);
		return EXIT_FAILURE;
	}
	is_ok = strcmp(line, "OK\n") == 0;
	if (!is_ok)
		fprintf(stderr, "bobtailctl: %s", line);
	while (is_ok && fgets(line, sizeof(line), answer))
		fputs(line, stdout);
	fclose(answer);
	return is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int ask(const char *path, const char *command, const char *argument)
{
	int fd = connect_to(path);

	if (fd >= 0 && send_line(fd, command, argument))
		return show_answer(fd);
	fprintf(stderr, "bobtailctl: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return EXIT_FAILURE;
}

static const struct option long_options[] = {
	{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'v'}, {0}};

static int show(const char *text)
{
	fputs(text, stdout);
	return EXIT_SUCCESS;
}

static bool is_command(int nwords, char **words)
{
	return (nwords == 1 || nwords == 2) && is_one_line(words[0]) &&
	       (nwords == 1 || is_one_line(words[1]));
}

static int show_usage(void)
{
	fputs(usage, stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *config_path = config_default_path, *socket_path = NULL;
	char *path;
	int option, status;

	while ((option = getopt_long(argc, argv, "f:s:hv", long_options, NULL)) >= 0)
		switch (option) {
		case 'f':
			config_path = optarg;
			break;
		case 's':
			socket_path = optarg;
			break;
		case 'h':
			return show(usage);
		case 'v':
			return show("bobtailctl " VERSION_TEXT "\n");
		default:
			return show_usage();
		}
	if (!is_command(argc - optind, argv + optind))
		return show_usage();
	path = socket_path ? mem_strdup(socket_path) : find_socket(config_path);
	status = path ? ask(path, argv[optind], argc - optind == 2 ? argv[optind + 1] : NULL)
	              : EXIT_FAILURE;
	mem_free(path);
	return status;
}
