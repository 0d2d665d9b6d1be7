/* SPDX-License-Identifier: BSD-2-Clause */
/* basic_ldap_auth -b BASE [OPTION...] [SERVER[:PORT] | URI]...: checks names and passwords against
 * an LDAP directory. In and out as Squid's program of that name: USER SP PASS LF (both %XX-escaped)
 * → OK | ERR [message="..."] | BH message="..." Options are Squid's; -O is how it works, and -d, -E
 * and -S change nothing. */
#include <gnutls/gnutls.h>
#include <ldap.h>
#include <stdio.h>
#include <unistd.h>

#include "helpers/bundled/basic_ldap_auth/directory.h"
#include "helpers/bundled/common/helper_line.h"
#include "helpers/bundled/common/watched_file.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

static const char program[] = "basic_ldap_auth";

enum { URI_BYTES = 8192, MAX_SECONDS = 3600 };

struct options {
	struct directory_config config;
	const char *port;
	struct buf uris;
	struct watched_file secret_file; /* -W; path NULL: none */
	char *secret;                    /* its text */
};

struct word {
	const char *text;
	int number;
};

/* The number that text stands for; false: none. */
static bool pick(const struct word *words, size_t n, const char *text, int *out)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i].text, text) == 0) {
			*out = words[i].number;
			return true;
		}
	return false;
}

static bool pick_seconds(const char *text, int *out)
{
	uint64_t seconds;

	if (!str_to_u64(str_of(text), &seconds) || seconds > MAX_SECONDS)
		return false;
	*out = (int)seconds;
	return true;
}

/* HOST, HOST:PORT or a URI. */
static void add_server(struct options *options, const char *server)
{
	if (options->uris.len > 0)
		buf_add_char(&options->uris, ' ');
	if (strstr(server, "://"))
		buf_add_str(&options->uris, str_of(server));
	else if (strchr(server, ':') || !options->port)
		buf_printf(&options->uris, "ldap://%s", server);
	else
		buf_printf(&options->uris, "ldap://%s:%s", server, options->port);
}

static bool take_text(int option, const char *text, struct options *options)
{
	const struct {
		int option;
		const char **to;
	} texts[] = {{'b', &options->config.base},           {'f', &options->config.filter},
	             {'u', &options->config.user_attribute}, {'U', &options->config.compare_with},
	             {'D', &options->config.bind_dn},        {'w', &options->config.bind_password},
	             {'W', &options->secret_file.path},      {'p', &options->port}};

	for (size_t i = 0; i < COUNT(texts); i++)
		if (texts[i].option == option) {
			*texts[i].to = text;
			return true;
		}
	return false;
}

static bool take_option(int option, const char *text, struct options *options)
{
	static const struct word scopes[] = {{"base", LDAP_SCOPE_BASE},
	                                     {"one", LDAP_SCOPE_ONELEVEL},
	                                     {"sub", LDAP_SCOPE_SUBTREE}};
	static const struct word dereferences[] = {{"never", LDAP_DEREF_NEVER},
	                                           {"always", LDAP_DEREF_ALWAYS},
	                                           {"search", LDAP_DEREF_SEARCHING},
	                                           {"find", LDAP_DEREF_FINDING}};
	static const struct word versions[] = {{"2", 2}, {"3", 3}};
	struct directory_config *config = &options->config;

	switch (option) {
	case 's':
		return pick(scopes, COUNT(scopes), text, &config->scope);
	case 'a':
		return pick(dereferences, COUNT(dereferences), text, &config->dereference);
	case 'v':
		return pick(versions, COUNT(versions), text, &config->version);
	case 'c':
		return pick_seconds(text, &config->connect_timeout_s);
	case 't':
		return pick_seconds(text, &config->search_timeout_s);
	case 'H':
	case 'h':
		add_server(options, text);
		return true;
	case 'Z':
		return config->has_tls = true;
	case 'R':
		return config->follows_no_referrals = true;
	case 'P':
		return config->is_persistent = true;
	default:
		return option != '?' &&
		       (take_text(option, text, options) || strchr("OdES", option));
	}
}

/* The password is the first line of -W's file, which may change. False: it was never read. */
static bool refresh_secret(struct options *options)
{
	char *text = options->secret_file.path ? watched_file_read(&options->secret_file) : NULL;

	if (text) {
		mem_free(options->secret);
		options->secret = text;
		text[strcspn(text, "\r\n")] = '\0';
		options->config.bind_password = text;
	}
	return !options->secret_file.path || options->secret;
}

static bool read_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt(argc, argv, "b:f:u:U:s:D:w:W:PORa:H:h:p:v:ZS:c:t:dE:")) != -1)
		if (!take_option(option, optarg, options))
			return false;
	for (; optind < argc; optind++)
		add_server(options, argv[optind]);
	if (options->uris.len == 0)
		add_server(options, "localhost");
	buf_add_char(&options->uris, '\0');
	options->config.uris = options->uris.at;
	return options->config.base && !options->uris.is_full;
}

static void answer(struct helper_lines *lines, struct directory *directory, struct options *options,
                   char *question)
{
	char *user = helper_word(&question), *password = user ? helper_word(&question) : NULL;
	struct err_text why;

	if (!password) {
		helper_answer(lines, "ERR message=\"Missing %s\"", user ? "password" : "username");
		return;
	}
	if (!refresh_secret(options)) {
		helper_answer_broken(lines, options->secret_file.why.at);
		return;
	}
	switch (directory_ask(directory, user, password, &why)) {
	case DIRECTORY_YES:
		helper_answer(lines, "OK");
		break;
	case DIRECTORY_NO:
		helper_answer(lines, "ERR message=\"Invalid credentials\"");
		break;
	case DIRECTORY_BROKEN:
		helper_answer_broken(lines, why.at);
		break;
	}
	gnutls_memset(password, 0, strlen(password));
}

int main(int argc, char **argv)
{
	struct options options = {.config = {.user_attribute = "uid",
	                                     .scope = LDAP_SCOPE_SUBTREE,
	                                     .dereference = LDAP_DEREF_NEVER,
	                                     .version = 3,
	                                     .connect_timeout_s = 10,
	                                     .search_timeout_s = 30},
	                          .secret_file.program = program};
	struct directory *directory;
	struct helper_lines lines;
	char *question;

	buf_init(&options.uris, URI_BYTES);
	if (!read_options(argc, argv, &options)) {
		fprintf(stderr,
		        "Usage: %s -b BASE [-f FILTER | -u ATTRIBUTE] [OPTION...] [SERVER]...\n",
		        program);
		return 1;
	}
	directory = directory_create(&options.config);
	helper_lines_init(&lines, STDIN_FILENO, HELPER_CHANNEL_NEVER);
	while ((question = helper_lines_next(&lines)) != NULL)
		answer(&lines, directory, &options, question);
	helper_lines_fini(&lines);
	directory_destroy(directory);
	mem_free(options.secret);
	buf_fini(&options.uris);
	return 0;
}
