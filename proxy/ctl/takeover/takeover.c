/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommand takeover: from a running Squid to Bobtail on its ports, and back. Bobtail serves
 * before Squid is told to end, from the same sockets, so that there is no moment without a
 * listener. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/commands.h"
#include "proxy/ctl/takeover/takeover_beside.h"
#include "proxy/ctl/takeover/takeover_run.h"
#include "proxy/ctl/takeover/takeover_services.h"
#include "proxy/ctl/takeover/takeover_sockets.h"
#include "proxy/ctl/takeover/takeover_units.h"
#include "proxy/process/pid_file.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

enum {
	OPTION_DRY_RUN,
	OPTION_BACK,
	OPTION_BESIDE,
	OPTION_FROM,
	OPTION_PROGRAM,
	OPTION_STATE,
	OPTION_TO,
	OPTIONS,
	START_MS = 60000,  /* for a program to come up */
	SETTLE_MS = 1000,  /* for Squid to read what it has accepted */
	BEYOND_MS = 20000, /* than shutdown_lifetime */
	LOOK_US = 2000,
	EXPLAIN_REFUSED_STATUS = 6,
	MAX_CMDLINE_BYTES = 16384,
};

/* Where Squid's messages go when no line says it; nobody would read ours on stderr. */
#define SQUIDS_CACHE_LOG "cache_log /var/log/squid/cache.log\n"

const struct ctl_option ctl_takeover_options[] = {
	[OPTION_DRY_RUN] = {"dry-run", 'n', NULL, "say what would be done, and do nothing"},
	[OPTION_BACK] = {"back", 'b', NULL, "end Bobtail, and start Squid as it was started before"},
	[OPTION_BESIDE] = {"beside", 0, "PID", "for systemd: become the program that follows, as --back has it"},
	[OPTION_FROM] = {"from", 0, "FILE", "Squid's configuration (/etc/squid/squid.conf)"},
	[OPTION_PROGRAM] = {"program", 0, "PATH", "bobtail itself, if not the one that was installed with this tool"},
	[OPTION_STATE] = {"state", 0, "DIR", "what --back needs is kept there (/var/lib/bobtail)"},
	[OPTION_TO] = {"to", 0, "FILE", "with systemd: what Bobtail's service reads (/etc/bobtail/bobtail.conf)"},
	[OPTIONS] = {0},
};

const char ctl_takeover_help[] =
	"Reads Squid's configuration and tells what becomes of its lines, as `bobtailctl explain` does; one\n"
	"with a line that is refused is not taken over. Then, for root on Linux 5.6 or later, it\n"
	"  - shares the listening sockets of the running Squid, found by its pid file,\n"
	"  - starts Bobtail on them, by DIR/takeover.conf, which includes FILE and names another pid file,\n"
	"  - and, when that serves, lets Squid accept no more, and tells it to finish and end.\n"
	"New connections are neither refused nor lost. Squid closes idle connections as it ends: a client that\n"
	"sends a request on one in that moment has to repeat it, as always when a server closes. If Bobtail\n"
	"does not come up, Squid goes on as if nothing had been.\n"
	"--back starts Squid with its old command line, and traces it (ptrace) until it listens beside Bobtail;\n"
	"then new connections go to Squid, and Bobtail finishes and ends. Where tracing is forbidden, Bobtail\n"
	"ends first: until Squid has the ports (mostly some 100 ms; it is said) connections are refused.\n"
	"Where systemd runs, and Squid is its service, Bobtail's service is enabled and started beside Squid\n"
	"instead, and Squid's stopped and disabled once new connections are Bobtail's. Its configuration has to\n"
	"say \"include FILE\", and behind that a pid_filename of its own. On the way back systemd starts the\n"
	"tool in Squid's place (--beside), which becomes Squid, traced as above.\n"
	"What is in Squid's cache is not taken over; Squid's files are left as they are.\n";

struct takeover {
	struct ctl squid; /* its configuration */
	const struct config *config;
	const char *from, *program, *state, *to;
	char *conf, *cmdline, *pid_path; /* files in state */
	bool is_dry;
};

/* ---- small things */

static void wait_a_little(void)
{
	usleep(LOOK_US);
}

static bool write_file(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool is_written = fd >= 0 && write(fd, bytes, len) == (ssize_t)len;

	if (fd >= 0)
		close(fd);
	if (!is_written)
		ctl_fail("%s: %s", path, strerror(errno));
	return is_written;
}

static void init(struct takeover *takeover, const struct ctl_args *args)
{
	const char *from = ctl_given(args, OPTION_FROM);
	const char *program = ctl_given(args, OPTION_PROGRAM);
	const char *state = ctl_given(args, OPTION_STATE);
	const char *to = ctl_given(args, OPTION_TO);

	*takeover = (struct takeover){
		.from = from ? from : "/etc/squid/squid.conf",
		.program = program ? program : BOBTAIL_SBINDIR "/bobtail",
		.state = state ? state : "/var/lib/bobtail",
		.to = to ? to : "/etc/bobtail/bobtail.conf",
		.is_dry = ctl_given(args, OPTION_DRY_RUN) != NULL,
	};
	takeover->conf = mem_printf("%s/takeover.conf", takeover->state);
	takeover->cmdline = mem_printf("%s/takeover.squid", takeover->state);
	takeover->pid_path = mem_printf("%s/bobtail.pid", takeover->state);
}

static void fini(struct takeover *takeover)
{
	config_unref(takeover->squid.config);
	mem_free(takeover->conf);
	mem_free(takeover->cmdline);
	mem_free(takeover->pid_path);
}

/* ---- what becomes of the configuration */

static int explain(struct takeover *takeover)
{
	char *words[] = {(char *)takeover->from, NULL};
	struct ctl_args args = {.given = {{0, ""}}, .ngiven = 1, .words = words, .nwords = 1};
	int status = ctl_run_explain(&takeover->squid, &args);

	fflush(stdout);
	if (status == EXPLAIN_REFUSED_STATUS)
		return ctl_fail("a line is refused: Squid goes on");
	if (status == CTL_FAILED || status == CTL_USAGE)
		return CTL_FAILED;
	takeover->config = ctl_config(&takeover->squid);
	return takeover->config ? CTL_OK : CTL_FAILED;
}

/* ---- Bobtail */

static void become_bobtail(const struct takeover *takeover, const struct takeover_sockets *sockets)
{
	int null = open("/dev/null", O_RDWR);
	char number[16];

	setsid();
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	for (unsigned i = 0; i < sockets->n; i++)
		dup2(sockets->at[i].fd, STDERR_FILENO + 1 + (int)i);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%u", sockets->n);
	setenv("LISTEN_FDS", number, 1);
	execl(takeover->program, takeover->program, "--foreground", "-f", takeover->conf, NULL);
	_exit(127);
}

static void drop_line(void *user, const char *line)
{
	(void)user;
	(void)line;
}

/* It answers questions once it serves. False: it does not, and has ended. */
static bool wait_for_bobtail(const struct takeover *takeover, pid_t pid)
{
	char *socket_path = mem_printf("%s.ctl", takeover->pid_path);
	struct ctl ctl = {.config_path = takeover->conf, .socket_path = socket_path};
	const struct client_sink sink = {.line = drop_line};
	const char *info = "info";
	int64_t end_ms = clock_mono_ms() + START_MS;
	bool is_up = false;

	while (!is_up && clock_mono_ms() < end_ms && waitpid(pid, NULL, WNOHANG) == 0) {
		is_up = client_is_running(&ctl) && client_ask(&ctl, &info, 1, &sink) == CTL_OK;
		if (!is_up)
			wait_a_little();
	}
	mem_free(socket_path);
	if (!is_up)
		kill(pid, SIGKILL);
	return is_up;
}

static bool write_conf(const struct takeover *takeover)
{
	char *path = realpath(takeover->from, NULL);
	char *text = mem_printf("# Squid's configuration, as bobtailctl takeover serves it.\n"
				"include %s\npid_filename %s\n%s",
				path ? path : takeover->from, takeover->pid_path,
				takeover->config->cache_log ? "" : SQUIDS_CACHE_LOG);
	bool is_written = write_file(takeover->conf, text, strlen(text));

	free(path);
	mem_free(text);
	return is_written;
}

/* How Squid was started, for --back: its words, a NUL behind each. */
static bool keep_cmdline(const struct takeover *takeover, pid_t pid)
{
	char text[MAX_CMDLINE_BYTES], link[64], exe[4096];
	ssize_t exe_len;
	FILE *file;
	size_t len;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	exe_len = readlink(link, exe, sizeof(exe) - 1);
	snprintf(link, sizeof(link), "/proc/%d/cmdline", (int)pid);
	file = fopen(link, "re");
	if (!file || exe_len <= 0) {
		if (file)
			fclose(file);
		ctl_fail("%s: %s", link, strerror(errno));
		return false;
	}
	exe[exe_len] = '\0';
	len = (size_t)exe_len + 1;
	memcpy(text, exe, len);
	len += fread(text + len, 1, sizeof(text) - len, file);
	fclose(file);
	return write_file(takeover->cmdline, text, len);
}

/* ---- Squid's end */

static int end_squid(const struct takeover *takeover, pid_t pid, struct takeover_sockets *sockets)
{
	int64_t end_ms;

	if (takeover_sockets_silence(sockets, false) < sockets->n)
		fprintf(stderr, "bobtailctl: Squid goes on to accept until it ends\n");
	usleep(SETTLE_MS * 1000);
	if (kill(pid, SIGTERM) != 0)
		return ctl_fail("Squid (process %d): %s", (int)pid, strerror(errno));
	printf("Bobtail serves; Squid finishes its requests, for %d s at most\n",
	       (int)(takeover->config->shutdown_lifetime_ms / 1000));
	fflush(stdout);
	end_ms = clock_mono_ms() + takeover->config->shutdown_lifetime_ms + BEYOND_MS;
	while (kill(pid, 0) == 0 && clock_mono_ms() < end_ms)
		wait_a_little();
	if (kill(pid, 0) == 0)
		return ctl_fail("Squid (process %d) has not ended yet; Bobtail serves", (int)pid);
	printf("Squid has ended. Bobtail's tool: bobtailctl -f %s; back: bobtailctl takeover --back\n",
	       takeover->conf);
	return CTL_OK;
}

static int take_over(struct takeover *takeover, pid_t pid, struct takeover_sockets *sockets)
{
	pid_t bobtail;

	if (mkdir(takeover->state, 0755) != 0 && errno != EEXIST)
		return ctl_fail("%s: %s", takeover->state, strerror(errno));
	if (!write_conf(takeover) || !keep_cmdline(takeover, pid))
		return CTL_FAILED;
	bobtail = fork();
	if (bobtail == 0)
		become_bobtail(takeover, sockets);
	if (bobtail < 0 || !wait_for_bobtail(takeover, bobtail)) {
		unlink(takeover->cmdline);
		return ctl_fail(
			"Bobtail does not come up (its cache_log has the reason): Squid goes on");
	}
	return end_squid(takeover, pid, sockets);
}

/* By its program's name; one that cannot be read is taken for Squid's. */
static bool is_bobtail(pid_t pid)
{
	char path[32], program[4096];
	const char *name;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	len = readlink(path, program, sizeof(program) - 1);
	program[len > 0 ? len : 0] = '\0';
	name = strrchr(program, '/');
	return name && strcmp(name, "/bobtail") == 0;
}

static int run_forth(struct takeover *takeover)
{
	struct takeover_sockets sockets;
	struct err_text why = {""};
	pid_t pid;
	int status = explain(takeover);

	if (status != CTL_OK)
		return status;
	if (takeover_is_service())
		return takeover_services_forth(takeover->config, takeover->to, takeover->is_dry);
	if (!takeover->config->pid_filename)
		return ctl_fail("pid_filename none: the running Squid cannot be found");
	if (pid_file_read(takeover->config->pid_filename, &pid, &why) != ERR_OK ||
	    kill(pid, 0) != 0)
		return ctl_fail("no running Squid by %s %s", takeover->config->pid_filename,
		                why.at);
	if (is_bobtail(pid))
		return ctl_fail("process %d is no Squid: Bobtail serves already", (int)pid);
	if (!takeover_sockets_take(pid, &sockets, &why))
		return ctl_fail("%s", why.at);
	printf("Squid is process %d and listens on %u sockets; Bobtail %s them by %s\n", (int)pid,
	       sockets.n, takeover->is_dry ? "would serve" : "takes", takeover->conf);
	fflush(stdout);
	if (!takeover->is_dry)
		status = take_over(takeover, pid, &sockets);
	takeover_sockets_close(&sockets);
	return status;
}

/* ---- back */

/* Could somebody else listen there now? */
static bool is_free(const struct port *port)
{
	int fd = socket(port->addr.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	bool is_bound;

	if (fd < 0 || port->unix_path.len > 0) {
		if (fd >= 0)
			close(fd);
		return true;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	is_bound = bind(fd, &port->addr.as.any, addr_len(&port->addr)) == 0 && listen(fd, 1) == 0;
	close(fd);
	return is_bound;
}

/* Until all ports are free, or one is not any more. */
static bool wait_for_ports(const struct config *config, bool are_free)
{
	int64_t end_ms = clock_mono_ms() + START_MS;

	while (clock_mono_ms() < end_ms) {
		unsigned n = 0;

		for (const struct port *port = config->ports->first; port; port = port->next)
			n += is_free(port);
		if (are_free ? n == config->ports->n : n < config->ports->n)
			return true;
		wait_a_little();
	}
	return false;
}

/* argv of what keep_cmdline kept; the program first, then the words behind its name. */
static bool read_cmdline(const struct takeover *takeover, char *text,
                         char *argv[CTL_TAKEOVER_MAX_WORDS])
{
	FILE *file = fopen(takeover->cmdline, "re");
	size_t len = file ? fread(text, 1, MAX_CMDLINE_BYTES - 1, file) : 0;
	unsigned n = 0, word = 0;

	if (file)
		fclose(file);
	text[len] = '\0';
	for (size_t at = 0; at < len && n < CTL_TAKEOVER_MAX_WORDS - 1;
	     at += strlen(text + at) + 1, word++)
		if (word != 1) /* how it called itself */
			argv[n++] = text + at;
	argv[n] = NULL;
	return n > 0;
}

static bool start_squid(char **argv)
{
	pid_t pid = argv[0] ? fork() : -1;

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		setsid();
		for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
			dup2(null, fd);
		execv(argv[0], argv);
		_exit(127);
	}
	return pid > 0;
}

/* Would Squid start? It reads its configuration once before anything ends. */
static bool rehearse(char **argv)
{
	char *words[CTL_TAKEOVER_MAX_WORDS + 2];
	unsigned n = 0;

	for (; argv[n]; n++)
		words[n] = argv[n];
	words[n++] = "-k";
	words[n++] = "parse";
	words[n] = NULL;
	return takeover_run(words, true) == 0;
}

static int end_bobtail(const struct takeover *takeover)
{
	char *socket_path = mem_printf("%s.ctl", takeover->pid_path);
	struct ctl ctl = {.config_path = takeover->conf, .socket_path = socket_path};
	const char *shutdown = "shutdown";
	int status = client_ask(&ctl, &shutdown, 1, NULL);

	mem_free(socket_path);
	return status;
}

static bool take_bobtails(const struct takeover *takeover, struct takeover_sockets *sockets)
{
	struct err_text why = {""};
	pid_t pid;

	return pid_file_read(takeover->pid_path, &pid, &why) == ERR_OK &&
	       takeover_sockets_take(pid, sockets, &why);
}

/* Squid listens beside Bobtail before that ends. */
static enum takeover_beside swap_beside(char **argv, const struct takeover *takeover)
{
	struct takeover_sockets sockets;
	enum takeover_beside is = BESIDE_IMPOSSIBLE;

	if (!take_bobtails(takeover, &sockets))
		return is;
	is = takeover_start_beside(argv, &sockets, START_MS);
	if (is == BESIDE_LISTENS)
		usleep(SETTLE_MS * 1000); /* for Bobtail to accept what was connecting */
	takeover_sockets_close(&sockets);
	return is;
}

/* Nobody listens in between. */
static int swap_in_turn(const struct takeover *takeover, char **argv)
{
	int64_t began_us, let_go_us;

	if (end_bobtail(takeover) != CTL_OK)
		return CTL_FAILED;
	began_us = clock_mono_us();
	if (!wait_for_ports(takeover->config, true))
		return ctl_fail("Bobtail does not let go of the ports");
	let_go_us = clock_mono_us();
	if (!start_squid(argv) || !wait_for_ports(takeover->config, false))
		return ctl_fail("Squid does not come up: %s", argv[0]);
	printf("Squid serves; nobody listened for some %d ms\n",
	       (int)((clock_mono_us() - (began_us + let_go_us) / 2) / 1000));
	return CTL_OK;
}

static int swap_back(struct takeover *takeover, char **argv)
{
	int status = CTL_OK;

	switch (swap_beside(argv, takeover)) {
	case BESIDE_LISTENS:
		printf("Squid serves; Bobtail finishes its requests\n");
		status = end_bobtail(takeover);
		break;
	case BESIDE_FAILED:
		return ctl_fail(
			"Squid does not come up (its cache_log has the reason): Bobtail goes on");
	case BESIDE_IMPOSSIBLE:
		status = swap_in_turn(takeover, argv);
	}
	if (status == CTL_OK)
		unlink(takeover->cmdline);
	return status;
}

static int run_back(struct takeover *takeover)
{
	char text[MAX_CMDLINE_BYTES], *argv[CTL_TAKEOVER_MAX_WORDS];

	takeover->config = ctl_config(&takeover->squid);
	if (!takeover->config)
		return CTL_FAILED;
	if (units_are_there() && access(takeover->cmdline, F_OK) != 0)
		return takeover_services_back(takeover->config, takeover->to, takeover->is_dry);
	if (!read_cmdline(takeover, text, argv))
		return ctl_fail("%s: there was no takeover", takeover->cmdline);
	printf("Bobtail %s, and then it starts:", takeover->is_dry ? "would end" : "ends");
	for (unsigned i = 0; argv[i]; i++)
		printf(" %s", argv[i]);
	putchar('\n');
	fflush(stdout);
	if (takeover->is_dry)
		return CTL_OK;
	if (!rehearse(argv))
		return ctl_fail("Squid does not take its configuration (squid -k parse has why): "
				"Bobtail goes on");
	return swap_back(takeover, argv);
}

/* What systemd starts as Squid's service on the way back. */
static int become_beside(const char *number, char **words, int nwords)
{
	struct takeover_sockets sockets;
	struct err_text why = {""};
	pid_t pid = atoi(number);

	if (pid <= 0 || nwords == 0)
		return CTL_USAGE;
	if (!takeover_sockets_take(pid, &sockets, &why)) {
		ctl_fail("%s", why.at);
		return TAKEOVER_CANNOT_TRACE_STATUS;
	}
	words[nwords] = NULL;
	return takeover_become_beside(words, &sockets);
}

int ctl_run_takeover(struct ctl *ctl, const struct ctl_args *args)
{
	struct takeover takeover;
	int status;

	if (ctl_given(args, OPTION_BESIDE))
		return become_beside(ctl_given(args, OPTION_BESIDE), args->words, args->nwords);
	if (args->nwords > 0)
		return CTL_USAGE;
	init(&takeover, args);
	takeover.squid =
		(struct ctl){.config_path = takeover.from, .service_name = ctl->service_name};
	status = ctl_given(args, OPTION_BACK) ? run_back(&takeover) : run_forth(&takeover);
	fini(&takeover);
	return status;
}
