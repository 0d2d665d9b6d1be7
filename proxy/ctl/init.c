/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommand init: a squid.conf for one site, commented, which is right as it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/str.h"
#include "proxy/ctl/commands.h"

enum {
	OPTION_SITE,
	OPTION_ORIGIN,
	OPTION_OUT,
	OPTION_AUTH,
	OPTION_AUTH_PROGRAM,
	OPTION_TLS_CERT,
	OPTION_TLS_KEY,
	OPTION_TLS_DIR,
	OPTION_CACHE,
	OPTION_PORT,
	OPTION_TLS_PORT,
	OPTIONS,
	MAX_BYTES = 1 << 20,
	MAX_NAME_BYTES = 253,
};

const struct ctl_option ctl_init_options[] = {
	[OPTION_SITE] = {"site", 0, "NAME", "what the world calls it: www.example.org; required"},
	[OPTION_ORIGIN] = {"origin", 0, "URL", "who makes it: http://HOST[:PORT] or https://HOST[:PORT]; required"},
	[OPTION_OUT] = {"output", 'o', "FILE", "write there, instead of to stdout; a file that is there stays"},
	[OPTION_AUTH] = {"auth", 0, "FILE", "ask for a user and a password of this file (htpasswd's)"},
	[OPTION_AUTH_PROGRAM] = {"auth-program", 0, "PATH", "what checks them, if not Bobtail's basic_ncsa_auth"},
	[OPTION_TLS_CERT] = {"tls-cert", 0, "FILE", "serve by TLS with this certificate (a chain in PEM)"},
	[OPTION_TLS_KEY] = {"tls-key", 0, "FILE", "and this key, unless it is in the same file"},
	[OPTION_TLS_DIR] = {"tls-cert-dir", 0, "DIR", "or with those of a directory, by name (docs/TLS.md)"},
	[OPTION_CACHE] = {"cache", 0, "DIR", "keep a cache on disk there, of 1000 MB"},
	[OPTION_PORT] = {"port", 0, "[ADDR:]N", "of plain HTTP (80)"},
	[OPTION_TLS_PORT] = {"tls-port", 0, "[ADDR:]N", "of TLS (443)"},
	[OPTIONS] = {0},
};

const char ctl_init_help[] =
	"Writes a configuration for one site to stdout, or to FILE. With TLS, plain HTTP leads to it. Say\n"
	"`bobtail -k parse -f FILE` then: it has nothing to complain of as long as the files that are named are\n"
	"there.\n";

struct wishes {
	const char *at[OPTIONS];
	struct str host; /* of the origin */
	uint64_t port;
	bool is_tls_origin, has_tls;
};

/* ---- what may stand in a line of squid.conf as one plain word */

static bool is_of(struct str text, const char *more)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = ascii_lower(text.at[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !strchr(more, c))
			return false;
	}
	return text.len > 0;
}

static bool is_name(struct str text)
{
	return text.len <= MAX_NAME_BYTES && is_of(text, "-.") && *text.at != '-' &&
	       *text.at != '.' && text.at[text.len - 1] != '.';
}

static bool is_path(const char *text)
{
	return *text == '/' && is_of(str_of(text), "/._+:@,=-");
}

static bool is_port(struct str text)
{
	size_t colon = text.len;
	uint64_t port;

	while (colon > 0 && text.at[colon - 1] != ':')
		colon--;
	return str_to_u64(str_from(text, colon), &port) && port > 0 && port < 65536 &&
	       (colon == 0 || (colon > 1 && is_of(str_first(text, colon - 1), ".:[]-")));
}

/* SCHEME "://" HOST [":" PORT] ["/"] */
static bool read_origin(struct wishes *wishes)
{
	struct str rest = str_of(wishes->at[OPTION_ORIGIN]), port;
	bool is_v6;

	wishes->is_tls_origin = str_starts_with_nocase(rest, STR("https://"));
	if (!wishes->is_tls_origin && !str_starts_with_nocase(rest, STR("http://")))
		return false;
	rest = str_from(rest, wishes->is_tls_origin ? 8 : 7);
	if (rest.len > 0 && rest.at[rest.len - 1] == '/')
		rest.len--;
	is_v6 = rest.len > 0 && *rest.at == '[';
	wishes->host =
		str_first(rest, is_v6 ? str_find_char(rest, ']') + 1 : str_find_char(rest, ':'));
	port = str_from(rest, wishes->host.len);
	wishes->port = wishes->is_tls_origin ? 443 : 80;
	if (port.len > 0 && (*port.at != ':' || !str_to_u64(str_from(port, 1), &wishes->port)))
		return false;
	return wishes->port > 0 && wishes->port < 65536 &&
	       (is_v6 ? is_of(wishes->host, ":.[]") : is_name(wishes->host));
}

static int read_wishes(struct wishes *wishes, const struct ctl_args *args)
{
	static const unsigned paths[] = {OPTION_AUTH, OPTION_AUTH_PROGRAM, OPTION_TLS_CERT,
					 OPTION_TLS_KEY, OPTION_TLS_DIR, OPTION_CACHE};
	static const unsigned ports[] = {OPTION_PORT, OPTION_TLS_PORT};

	for (unsigned i = 0; i < OPTIONS; i++)
		wishes->at[i] = ctl_given(args, i);
	if (!wishes->at[OPTION_SITE] || !is_name(str_of(wishes->at[OPTION_SITE])))
		return ctl_fail("--site: a name such as www.example.org is needed");
	if (!wishes->at[OPTION_ORIGIN] || !read_origin(wishes))
		return ctl_fail("--origin: http://HOST[:PORT] or https://HOST[:PORT] is needed");
	for (size_t i = 0; i < COUNT(paths); i++)
		if (wishes->at[paths[i]] && !is_path(wishes->at[paths[i]]))
			return ctl_fail("--%s: a path from / on, without blanks, is needed",
					ctl_init_options[paths[i]].name);
	for (size_t i = 0; i < COUNT(ports); i++)
		if (wishes->at[ports[i]] && !is_port(str_of(wishes->at[ports[i]])))
			return ctl_fail("--%s: N or ADDRESS:N is needed",
			                ctl_init_options[ports[i]].name);
	wishes->has_tls = wishes->at[OPTION_TLS_CERT] || wishes->at[OPTION_TLS_DIR];
	if (wishes->at[OPTION_TLS_CERT] && wishes->at[OPTION_TLS_DIR])
		return ctl_fail("--tls-cert or --tls-cert-dir: one of them");
	if (wishes->at[OPTION_TLS_KEY] && !wishes->at[OPTION_TLS_CERT])
		return ctl_fail("--tls-key goes with --tls-cert");
	if (wishes->at[OPTION_TLS_PORT] && !wishes->has_tls)
		return ctl_fail("--tls-port goes with --tls-cert or --tls-cert-dir");
	return wishes->at[OPTION_AUTH_PROGRAM] && !wishes->at[OPTION_AUTH]
		       ? ctl_fail("--auth-program goes with --auth")
		       : CTL_OK;
}

/* ---- the file, a section a function */

static void write_ports(const struct wishes *wishes, struct buf *out)
{
	const char *site = wishes->at[OPTION_SITE];

	buf_printf(out,
		   "# ---- where clients come in. The Host field chooses the site; without one it is ours.\n"
		   "http_port %s accel vhost defaultsite=%s name=plain\n",
		   wishes->at[OPTION_PORT] ? wishes->at[OPTION_PORT] : "80", site);
	if (!wishes->has_tls)
		return;
	buf_printf(out, "https_port %s accel vhost defaultsite=%s name=secure",
		   wishes->at[OPTION_TLS_PORT] ? wishes->at[OPTION_TLS_PORT] : "443", site);
	if (wishes->at[OPTION_TLS_DIR])
		buf_printf(out, " tls-cert-dir=%s", wishes->at[OPTION_TLS_DIR]);
	else
		buf_printf(out, " tls-cert=%s", wishes->at[OPTION_TLS_CERT]);
	if (wishes->at[OPTION_TLS_KEY])
		buf_printf(out, " tls-key=%s", wishes->at[OPTION_TLS_KEY]);
	buf_add_str(out, STR("\n# A renewed certificate is taken by itself, within seconds. For certbot certonly --webroot"
			     " -w /var/lib/acme:\n"
			     "# acme_challenge_dir /var/lib/acme/.well-known/acme-challenge\n"));
}

static void write_origin(const struct wishes *wishes, struct buf *out)
{
	buf_printf(out,
		   "\n# ---- where the site is made. One more such line, with another name=, shares the work.\n"
		   "cache_peer %.*s parent %u 0 originserver no-query name=origin%s\n"
		   "acl site dstdomain %s\n"
		   "cache_peer_access origin allow site\n",
		   STR_ARG(wishes->host), (unsigned)wishes->port, wishes->is_tls_origin ? " tls" : "",
		   wishes->at[OPTION_SITE]);
}

static void write_users(const struct wishes *wishes, struct buf *out)
{
	const char *program = wishes->at[OPTION_AUTH_PROGRAM];

	if (!wishes->at[OPTION_AUTH])
		return;
	buf_printf(out,
		   "\n# ---- users: `htpasswd %s NAME` adds one, which counts at once\n"
		   "auth_param basic program %s %s\n"
		   "auth_param basic children 5 startup=1 idle=1\n"
		   "auth_param basic realm %s\n"
		   "acl users proxy_auth REQUIRED\n",
		   wishes->at[OPTION_AUTH], program ? program : BOBTAIL_LIBEXECDIR "/basic_ncsa_auth",
		   wishes->at[OPTION_AUTH], wishes->at[OPTION_SITE]);
	if (!wishes->has_tls)
		buf_add_str(out, STR("# Without TLS passwords can be read on their way.\n"));
}

/* ":PORT" of --tls-port, behind the name of the site; empty where https implies it. */
static const char *tls_port_suffix(const struct wishes *wishes, char suffix[8])
{
	const char *port = wishes->at[OPTION_TLS_PORT] ? wishes->at[OPTION_TLS_PORT] : "443";
	const char *colon = strrchr(port, ':');

	port = colon ? colon + 1 : port;
	if (strcmp(port, "443") == 0)
		return "";
	snprintf(suffix, 8, ":%s", port);
	return suffix;
}

static void write_access(const struct wishes *wishes, struct buf *out)
{
	char suffix[8];

	buf_add_str(out, STR("\n# ---- who may: the first line that matches decides\n"
			     "# The cache manager, for this machine: http://127.0.0.1/squid-internal-mgr/\n"
			     "http_access allow localhost manager\n"
			     "http_access deny manager\n"
			     "http_access deny !site\n"));
	if (wishes->has_tls)
		buf_printf(out,
			   "# Plain HTTP is led to TLS.\n"
			   "acl plain myportname plain\n"
			   "deny_info 308:https://%s%s%%R plain\n"
			   "http_access deny plain\n",
			   wishes->at[OPTION_SITE], tls_port_suffix(wishes, suffix));
	if (wishes->at[OPTION_AUTH])
		buf_add_str(out, STR("http_access allow users\n"));
	else
		buf_add_str(out, STR("http_access allow site\n"));
	buf_add_str(out, STR("http_access deny all\n"));
}

static void write_rest(const struct wishes *wishes, struct buf *out)
{
	buf_add_str(out, STR("\n# ---- the cache: memory"));
	if (wishes->at[OPTION_CACHE])
		buf_printf(out, ", and one SQLite file of up to 1000 MB\ncache_mem 64 MB\n"
			   "cache_dir ufs %s 1000 16 256\n", wishes->at[OPTION_CACHE]);
	else
		buf_add_str(out, STR(" only. A cache_dir line adds a disk.\ncache_mem 64 MB\n"));
	buf_add_str(out, STR("\n# ---- files\n"
			     "pid_filename /run/bobtail/bobtail.pid\n"
			     "access_log stdio:/var/log/bobtail/access.log\n"
			     "cache_log /var/log/bobtail/cache.log\n"
			     "# logrotate(8) renames them and keeps some of the past.\n"
			     "logfile_rotate 0\n"));
}

/* ---- */

/* path NULL or "-": to stdout. */
static int put(struct str text, const char *path)
{
	int fd;
	int error = 0;

	if (path && strcmp(path, "-") == 0)
		path = NULL;
	fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : STDOUT_FILENO;
	if (fd < 0)
		return ctl_fail("%s: %s", path, strerror(errno));
	while (text.len > 0 && error == 0) {
		ssize_t n = write(fd, text.at, text.len);

		if (n >= 0)
			text = str_from(text, (size_t)n);
		else if (errno != EINTR)
			error = errno;
	}
	if (path && close(fd) != 0 && error == 0)
		error = errno;
	return error == 0 ? CTL_OK : ctl_fail("%s: %s", path ? path : "stdout", strerror(error));
}

int ctl_run_init(struct ctl *ctl, const struct ctl_args *args)
{
	struct wishes wishes = {0};
	struct buf out;
	int status = read_wishes(&wishes, args);

	(void)ctl;
	if (status != CTL_OK)
		return CTL_USAGE;
	buf_init(&out, MAX_BYTES);
	buf_printf(&out,
		   "# %s, by Bobtail: a squid.conf. bobtail.conf(5) has all directives.\n"
		   "# After a change: bobtail -k parse, then bobtailctl reconfigure.\n\n",
		   wishes.at[OPTION_SITE]);
	write_ports(&wishes, &out);
	write_origin(&wishes, &out);
	write_users(&wishes, &out);
	write_access(&wishes, &out);
	write_rest(&wishes, &out);
	status = put(buf_str(&out), wishes.at[OPTION_OUT]);
	buf_fini(&out);
	return status;
}
