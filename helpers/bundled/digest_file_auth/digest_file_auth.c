/* SPDX-License-Identifier: BSD-2-Clause */
/* digest_file_auth [-c] [-s] FILE: what stands for passwords in Digest authentication. In and out
 * as Squid's program of that name: FILE:    USER ":" PASSWORD | USER ":" REALM ":" PASSWORD; with
 * -c USER ":" REALM ":" HA1 [ID SP] "USER":"REALM" LF → OK ha1="HEX" | ERR message="No such user"
 * HA1 is the MD5 of user:realm:password in hex. -s, ours, adds ha1-sha256="HEX", the SHA-256 of the
 * same; with -c that is one more field of the line. */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helpers/bundled/common/helper_line.h"
#include "helpers/bundled/common/watched_file.h"
#include "helpers/bundled/digest_file_auth/digest_users.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

static const char program[] = "digest_file_auth";

enum { SHA256_BYTES = 32, HEX_BYTES = 2 * SHA256_BYTES + 1 };

struct mode {
	bool is_hashed, has_sha256;
};

/* Cuts the text between quotes at the front of *rest out of it; NULL: there is none. Nothing is
 * escaped: names with quotes never come here. */
static char *take_quoted(char **rest)
{
	char *text = *rest + strspn(*rest, " "), *end;

	end = *text == '"' ? strchr(text + 1, '"') : NULL;
	if (!end)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return text + 1;
}

/* hash of "USER:REALM:PASSWORD" in hex. */
static void hash_of(gnutls_digest_algorithm_t algorithm, const char *user, const char *realm,
                    const char *password, char out[HEX_BYTES])
{
	char *text = mem_printf("%s:%s:%s", user, realm, password);
	uint8_t digest[SHA256_BYTES];
	size_t len = gnutls_hash_get_len(algorithm);

	check(gnutls_hash_fast(algorithm, text, strlen(text), digest) == 0);
	for (size_t i = 0; i < len; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	gnutls_memset(text, 0, strlen(text));
	mem_free(text);
}

static void answer_with(struct helper_lines *lines, const struct digest_user *found,
                        const char *realm, struct mode mode)
{
	char ha1[HEX_BYTES] = "", sha256[HEX_BYTES] = "";

	if (!mode.is_hashed) {
		hash_of(GNUTLS_DIG_MD5, found->name, realm, found->secret, ha1);
		hash_of(GNUTLS_DIG_SHA256, found->name, realm, found->secret, sha256);
	} else {
		snprintf(ha1, sizeof(ha1), "%s", found->secret);
		snprintf(sha256, sizeof(sha256), "%s", found->sha256 ? found->sha256 : "");
	}
	if (mode.has_sha256 && sha256[0])
		helper_answer(lines, "OK ha1=\"%s\" ha1-sha256=\"%s\"", ha1, sha256);
	else
		helper_answer(lines, "OK ha1=\"%s\"", ha1);
}

static void answer(struct helper_lines *lines, const struct digest_users *users, char *question,
                   struct mode mode)
{
	const char *user = take_quoted(&question), *realm = NULL;
	const struct digest_user *found;

	if (user && *question == ':') {
		question++;
		realm = take_quoted(&question);
	}
	if (!realm || *user == '\0' || *realm == '\0') {
		helper_answer(lines, "BH message=\"Invalid line received\"");
		return;
	}
	found = digest_users_find(users, user, realm);
	if (found)
		answer_with(lines, found, realm, mode);
	else
		helper_answer(lines, "ERR message=\"No such user\"");
}

static bool read_options(int argc, char **argv, struct mode *mode)
{
	int option;

	while ((option = getopt(argc, argv, "cs")) != -1) {
		if (option == '?')
			return false;
		*(option == 'c' ? &mode->is_hashed : &mode->has_sha256) = true;
	}
	return optind == argc - 1;
}

static void refresh(struct digest_users *users, struct watched_file *file)
{
	char *text = watched_file_read(file);

	if (text)
		digest_users_take(users, text);
}

int main(int argc, char **argv)
{
	struct mode mode = {0};
	struct helper_lines lines;
	struct watched_file file;
	struct digest_users *users;
	char *question;

	if (!read_options(argc, argv, &mode)) {
		fprintf(stderr, "Usage: %s [-c] [-s] FILE\n", program);
		return 1;
	}
	users = digest_users_create(program, mode.is_hashed);
	watched_file_init(&file, program, argv[optind]);
	helper_lines_init(&lines, STDIN_FILENO, HELPER_CHANNEL_MAYBE);
	refresh(users, &file);
	while ((question = helper_lines_next(&lines)) != NULL) {
		refresh(users, &file);
		if (file.is_known)
			answer(&lines, users, question, mode);
		else
			helper_answer_broken(&lines, file.why.at);
	}
	digest_users_destroy(users);
	helper_lines_fini(&lines);
	return 0;
}
