/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/config_internal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/auth_config.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config_show.h"
#include "squid-compat/external_acl_config.h"
#include "squid-compat/log/access_log.h"
#include "squid-compat/machine.h"
#include "squid-compat/pages/deny_info.h"
#include "squid-compat/pages/error_page.h"
#include "squid-compat/ports.h"
#include "squid-compat/ports_url.h"
#include "squid-compat/rewrite_config.h"
#include "squid-compat/tls/tls_outgoing.h"
#include "squid-compat/word_cutter.h"

#define DEFAULT_CACHE_MEM_BYTES (INT64_C(256) << 20)
enum { MAX_DEFAULT_WORKERS = 4, MAX_HOST_NAME_BYTES = 256, MAX_RECV_BUFFER_BYTES = 1 << 30 };

/* Names that were not said. */
static void finish_names(struct reading *reading)
{
	struct config *config = reading->config;
	char name[MAX_HOST_NAME_BYTES] = "";

	if (!config->visible_hostname) {
		if (gethostname(name, sizeof(name) - 1) != 0 || !name[0])
			str_copy(STR("localhost"), name, sizeof(name));
		config->visible_hostname = reading_keep(reading, str_of(name));
	}
	if (!config->unique_hostname)
		config->unique_hostname = config->visible_hostname;
	if (!config->surrogate_id)
		config->surrogate_id = config->visible_hostname;
}

/* What is never on the way of a request unless the file speaks of it. */
static void finish_url_rules(struct reading *reading)
{
	struct config *config = reading->config;
	bool refuses_underscore = config->check_hostnames && !config->allow_underscore;
	struct port_url_rules *rules;

	if (config->append_domain && config->append_domain[0] != '.') {
		report_say(reading->report, REPORT_FATAL, "append_domain must begin with a '.'");
		return;
	}
	if (!config->append_domain && !refuses_underscore)
		return;
	rules = arena_zalloc(&config->arena_, sizeof(*rules));
	rules->append_domain = config->append_domain ? str_of(config->append_domain) : STR_NONE;
	rules->refuses_underscore = refuses_underscore;
	config->url_rules = rules;
}

static void finish_paths(struct reading *reading)
{
	struct config *config = reading->config;
	const char *service = reading->options->service_name;

	if (!reading_has_seen(reading, "pid_filename"))
		config->pid_filename =
			arena_printf(&config->arena_, "/run/%s.pid", service ? service : "squid")
				.at;
	if (!reading_has_seen(reading, "cache_log"))
		config->cache_log = "/var/log/squid/cache.log";
	if (!reading_has_seen(reading, "access_log"))
		access_logs_add_default(&config->logs->logs, STR("/var/log/squid/access.log"));
	if (config->emulate_httpd_log)
		access_logs_emulate_httpd(&config->logs->logs);
}

/* How many threads, and how much memory for objects. */
static void finish_sizes(struct reading *reading)
{
	struct config *config = reading->config;
	unsigned ncores = machine_cores();
	uint64_t memory = reading->options->memory_bytes ? reading->options->memory_bytes
	                                                 : machine_memory_bytes();

	config->nworkers = config->nworkers_asked > 0     ? (unsigned)config->nworkers_asked
	                   : ncores < MAX_DEFAULT_WORKERS ? ncores
	                                                  : MAX_DEFAULT_WORKERS;
	if (reading_has_seen(reading, "cache_mem"))
		return;
	config->cache_mem_bytes = DEFAULT_CACHE_MEM_BYTES;
	if (memory / 8 < (uint64_t)DEFAULT_CACHE_MEM_BYTES)
		config->cache_mem_bytes = (int64_t)(memory / 8);
}

/* Unless one says otherwise, a cache_dir is used to its size. Nothing at all is no size to aim
 * at. */
static void finish_swap_marks(struct reading *reading)
{
	struct config *config = reading->config;

	if (!reading_has_seen(reading, "cache_swap_low") &&
	    !reading_has_seen(reading, "cache_swap_high"))
		config->cache_swap_low_percent = config->cache_swap_high_percent = 100;
	if (config->cache_swap_low_percent == 0)
		config->cache_swap_low_percent = 1;
	if (config->cache_swap_high_percent == 0)
		config->cache_swap_high_percent = 1;
}

/* Whoever wrote it meant those above as well. */
static void warn_of_late_replacement(struct reading *reading)
{
	const struct config *config = reading->config;
	const struct cache_dir *dir = config->cache_dirs->first;

	if (config->cache_replacement == REPLACEMENT_OWN || !dir)
		return;
	while (dir && dir->replacement != config->cache_replacement)
		dir = dir->next;
	if (!dir)
		report_say(reading->report, REPORT_WARNING,
		           "cache_replacement_policy is that of cache_dir lines below it, and "
		           "there are none");
}

/* Whom to become. As in Squid only root looks at the user; the group must exist for anyone. */
static void finish_user(struct reading *reading)
{
	struct config *config = reading->config;
	const struct passwd *user;
	const struct group *group;

	config->effective_uid = geteuid();
	config->effective_gid = getegid();
	if (geteuid() == 0) {
		if (!reading_has_seen(reading, "cache_effective_user"))
			config->effective_user = getpwnam("proxy") ? "proxy" : "nobody";
		user = config->effective_user ? getpwnam(config->effective_user) : NULL;
		if (user) {
			config->effective_uid = user->pw_uid;
			config->effective_gid = user->pw_gid;
		} else if (config->effective_user) {
			report_say(reading->report, REPORT_FATAL,
			           "getpwnam failed to find userid for effective user '%s'",
			           config->effective_user);
		}
	}
	if (!config->effective_group)
		return;
	group = getgrnam(config->effective_group);
	if (group)
		config->effective_gid = group->gr_gid;
	else
		report_say(reading->report, REPORT_FATAL,
		           "getgrnam failed to find groupid for effective group '%s'",
		           config->effective_group);
}

/* Nobody is served when nothing is said about it. */
static void finish_http_access(struct reading *reading)
{
	struct word_cutter *cutter;
	struct words words;

	if (reading->config->http_access)
		return;
	report_say(reading->report, REPORT_WARNING,
	           "No http_access configuration found. This will block ALL traffic");
	cutter = word_cutter_create();
	check(word_cutter_cut(cutter, STR("http_access deny all"), false, &words, reading->report));
	reading_take_line(reading, &words);
	word_cutter_destroy(cutter);
}

static void finish_auth(struct reading *reading)
{
	struct config *config = reading->config;
	bool is_usable = false;

	auth_check(config->auth, reading->report);
	for (size_t i = 0; i < AUTH_KINDS; i++)
		is_usable |= auth_is_usable(&config->auth->schemes[i]);
	if (acl_set_uses_auth(config->acls) && !is_usable)
		report_say(reading->report, REPORT_FATAL,
		           "Can't use proxy auth because no authentication schemes are fully "
		           "configured.");
}

static void finish_logfile_daemon(struct reading *reading)
{
	struct config *config = reading->config;
	const char *path = config->logfile_daemon, *ours;
	int error = path ? reading->world->may(path, X_OK) : 0;

	if (!error)
		return;
	ours = helper_find_bundled(path, reading->world, &config->arena_);
	if (ours) {
		report_say(reading->report, REPORT_WARNING,
		           "logfile_daemon %s: (%d) %s; the bundled %s is run instead", path, error,
		           strerror(error), ours);
		config->logfile_daemon = ours;
	} else {
		report_say(reading->report, REPORT_ERROR,
		           "logfile_daemon %s: (%d) %s; its logs wait until it is there", path,
		           error, strerror(error));
	}
}

static void finish_error_pages(struct reading *reading)
{
	struct config *config = reading->config;

	if (config->error_default_language) {
		config->error_language = error_language_of(str_of(config->error_default_language));
		if (config->error_language == ERROR_LANGUAGES) {
			config->error_language = ERROR_ENGLISH;
			report_say(reading->report, REPORT_WARNING,
			           "error_default_language: there are no pages in '%s', English is "
			           "shown",
			           config->error_default_language);
		}
	}
	if (config->error_directory)
		error_pages_load(config->error_pages, str_of(config->error_directory),
		                 reading->report);
	if (config->err_page_stylesheet)
		error_pages_load_stylesheet(config->error_pages,
		                            str_of(config->err_page_stylesheet), reading->report);
	deny_infos_resolve(config->deny_infos, config->error_pages, reading->report);
}

/* Squid would forward what comes there. */
static void say_no_accelerator(const struct port *port, struct report *report)
{
	report_say(report, REPORT_IGNORED,
		   "%s_port %.*s is no accelerator: it serves the cache manager and PURGE, and refuses the "
		   "rest. For sites it needs 'accel vhost' or 'accel defaultsite=NAME'",
		   port->is_tls ? "https" : "http", STR_ARG(port->name));
}

static void finish_ports(struct reading *reading)
{
	struct config *config = reading->config;

	if (config->tcp_recv_bufsize_bytes > MAX_RECV_BUFFER_BYTES)
		config->tcp_recv_bufsize_bytes = MAX_RECV_BUFFER_BYTES;
	for (struct port *port = config->ports->first; port; port = port->next) {
		port->recv_bytes = (int)config->tcp_recv_bufsize_bytes;
		port->session_ttl_s = config->sslproxy_session_ttl_s;
		if (!port->is_accel)
			say_no_accelerator(port, reading->report);
	}
	if (!reading_has_seen(reading, "http_port") && !reading_has_seen(reading, "https_port"))
		report_say(reading->report, REPORT_FATAL_AT_START,
		           "No HTTP, HTTPS, or FTP ports configured");
}

static void finish_tls_outgoing(struct reading *reading)
{
	struct config *config = reading->config;

	config->tls_outgoing->options.password_program = config->sslpassword_program;
	tls_outgoing_finish(config->tls_outgoing, reading->world, &config->arena_, reading->report);
}

static bool line_has_secret(const struct directive *directive, const struct config_line *line)
{
	struct str text = str_of(line->text), word;

	for (unsigned i = 0; str_word(&text, &word); i++)
		if (config_has_secret(directive, i, word))
			return true;
	return false;
}

/* Once for each file, at the first such line of a directive. */
static void warn_of_open_secrets(struct reading *reading)
{
	static const char *const names[] = {"cachemgr_passwd", "cache_peer", "https_port",
	                                    "tls_outgoing_options"};
	const char *told = NULL;

	for (size_t i = 0; !reading->options->source && i < COUNT(names); i++) {
		const struct directive *directive = directive_find(str_of(names[i]));
		const struct config_line *line =
			reading->config->lines[directive_number(directive)];

		for (; line; line = line->next) {
			if (!line->file || line->file == told ||
			    !line_has_secret(directive, line) ||
			    reading->world->may(line->file, WORLD_IS_PRIVATE) != EPERM)
				continue;
			report_at(reading->report, line->file, line->number, line->text);
			report_say(reading->report, REPORT_WARNING,
			           "the line has a password, and anybody may read the file");
			told = line->file;
		}
	}
}

void config_finish(struct reading *reading)
{
	struct config *config = reading->config;

	reading_finish_gone(reading);
	finish_names(reading);
	finish_url_rules(reading);
	finish_paths(reading);
	finish_sizes(reading);
	finish_swap_marks(reading);
	warn_of_late_replacement(reading);
	finish_user(reading);
	finish_http_access(reading);
	finish_auth(reading);
	if (!reading_has_seen(reading, "tls_outgoing_options") || reading->has_sslproxy)
		finish_tls_outgoing(reading);
	rewrite_check(config->url_rewrite, "redirect_program", reading->report);
	rewrite_check(config->store_id, "store_id_program", reading->report);
	finish_logfile_daemon(reading);
	external_acl_types_check(config->external_acls, reading->report);
	finish_error_pages(reading);
	acl_set_seal(config->acls, reading->report);
	finish_ports(reading);
	warn_of_open_secrets(reading); /* the last: it moves the report's place */
}
