/* SPDX-License-Identifier: BSD-2-Clause */
/* basic_pam_auth [-n SERVICE] [-o] [-r]: checks names and passwords by PAM. In and out as Squid's
 * program of that name: USER SP PASS LF (both %XX-escaped) → OK | ERR Each question is a
 * conversation of its own; -t and -1, by which Squid's program keeps one, are accepted and change
 * nothing. */
#include <gnutls/gnutls.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <unistd.h>

#include "helpers/bundled/common/helper_line.h"
#include "lib/base/heap.h"

static const char program[] = "basic_pam_auth";

struct options {
	const char *service;
	bool is_auth_only, has_realm;
};

/* PAM frees answers with free(), and mem_alloc's memory is malloc's. */
static int converse(int n, const struct pam_message **messages, struct pam_response **out,
                    void *password)
{
	struct pam_response *answers;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	answers = mem_array((size_t)n, sizeof(*answers));
	for (int i = 0; i < n; i++)
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			answers[i].resp = mem_strdup(password);
	*out = answers;
	return PAM_SUCCESS;
}

static bool is_right(const struct options *options, const char *user, char *password)
{
	const struct pam_conv conversation = {converse, password};
	pam_handle_t *pam = NULL;
	int result = pam_start(options->service, user, &conversation, &pam);

	if (result != PAM_SUCCESS) {
		fprintf(stderr, "%s: cannot begin with service %s: %s\n", program, options->service,
		        pam_strerror(pam, result));
		return false;
	}
	result = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (result == PAM_SUCCESS && !options->is_auth_only)
		result = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	pam_end(pam, result);
	return result == PAM_SUCCESS;
}

static void answer(struct helper_lines *lines, const struct options *options, char *question)
{
	char *user = helper_word(&question), *password = user ? helper_word(&question) : NULL;

	if (user && options->has_realm) { /* DOMAIN\user, user@REALM */
		char *domain = strchr(user, '\\');

		user = domain ? domain + 1 : user;
		user[strcspn(user, "@")] = '\0';
	}
	if (!password || *user == '\0') {
		helper_answer(lines, "ERR");
		return;
	}
	helper_answer(lines, is_right(options, user, password) ? "OK" : "ERR");
	gnutls_memset(password, 0, strlen(password));
}

static bool read_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt(argc, argv, "n:s:t:o1r")) != -1) {
		if (option == 'n' || option == 's')
			options->service = optarg;
		else if (option == 'o')
			options->is_auth_only = true;
		else if (option == 'r')
			options->has_realm = true;
		else if (option == '?')
			return false;
	}
	return optind == argc;
}

int main(int argc, char **argv)
{
	struct options options = {.service = "squid"};
	struct helper_lines lines;
	char *question;

	if (!read_options(argc, argv, &options)) {
		fprintf(stderr, "Usage: %s [-n SERVICE] [-t SECONDS] [-o] [-1] [-r]\n", program);
		return 1;
	}
	helper_lines_init(&lines, STDIN_FILENO, HELPER_CHANNEL_NEVER);
	while ((question = helper_lines_next(&lines)) != NULL)
		answer(&lines, &options, question);
	helper_lines_fini(&lines);
	return 0;
}
