/* SPDX-License-Identifier: BSD-2-Clause */
/* ext_file_userip_acl -f FILE: which users may come from which addresses. In and out as Squid's
 * program of that name:
 *     FILE: ADDRESS[/MASK] WHO LF      WHO: a user, @GROUP, ALL or NONE
 *     [ID SP] ADDRESS SP USER LF → OK | ERR
 * Any line of the file that fits allows; NONE fits nobody. */
#include <arpa/inet.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helpers/bundled/common/helper_line.h"
#include "helpers/bundled/common/watched_file.h"
#include "lib/base/heap.h"

static const char program[] = "ext_file_userip_acl";

enum { ADDRESS_BYTES = 16, V4_BITS_BEFORE = 96 };

/* IPv4 as ::ffff:a.b.c.d. */
struct address {
	uint8_t bytes[ADDRESS_BYTES];
};

struct rule {
	struct address address, mask; /* the address has no bits outside the mask */
	const char *who;              /* in text */
};

struct rules {
	struct watched_file file;
	char *text;
	struct rule *list;
	size_t n;
};

static bool parse_address(const char *text, struct address *out)
{
	static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

	if (inet_pton(AF_INET6, text, out->bytes) == 1)
		return true;
	memcpy(out->bytes, v4_prefix, sizeof(v4_prefix));
	return inet_pton(AF_INET, text, out->bytes + sizeof(v4_prefix)) == 1;
}

/* text: a number of bits, or a mask in dots for IPv4; NULL: all of them. */
static bool parse_mask(const char *text, bool is_v4, struct address *out)
{
	unsigned before = is_v4 ? V4_BITS_BEFORE : 0;
	uint64_t bits = 128 - before;

	if (text && is_v4 && strchr(text, '.')) {
		bool is_one = parse_address(text, out);

		memset(out->bytes, 0xff, V4_BITS_BEFORE / 8);
		return is_one;
	}
	if (text && (!str_to_u64(str_of(text), &bits) || bits > 128 - before))
		return false;
	bits += before;
	for (unsigned i = 0; i < ADDRESS_BYTES; i++)
		out->bytes[i] = bits >= 8 * i + 8 ? 0xff
		                : bits <= 8 * i   ? 0
		                                  : (uint8_t)(0xff00 >> (bits - 8 * i));
	return true;
}

static struct address masked(struct address address, const struct address *mask)
{
	for (unsigned i = 0; i < ADDRESS_BYTES; i++)
		address.bytes[i] &= mask->bytes[i];
	return address;
}

static bool parse_rule(char *line, struct rule *rule)
{
	char *rest = line + strspn(line, " \t"), *address = strsep(&rest, " \t"), *mask = address;

	if (!rest)
		return false;
	rest += strspn(rest, " \t");
	rest[strcspn(rest, " \t")] = '\0';
	rule->who = rest;
	address = strsep(&mask, "/");
	if (*rest == '\0' || !parse_address(address, &rule->address) ||
	    !parse_mask(mask, !strchr(address, ':'), &rule->mask))
		return false;
	rule->address = masked(rule->address, &rule->mask);
	return true;
}

static void take_line(struct rules *rules, char *line, unsigned number)
{
	line[strcspn(line, "\r")] = '\0';
	if (line[strspn(line, " \t")] == '\0' || line[0] == '#')
		return;
	if (parse_rule(line, &rules->list[rules->n]))
		rules->n++;
	else
		fprintf(stderr, "%s: %s line %u is not ADDRESS[/MASK] WHO: left out\n", program,
		        rules->file.path, number);
}

static void refresh(struct rules *rules)
{
	char *text = watched_file_read(&rules->file), *rest = text, *line;
	size_t nlines = 1;

	if (!text)
		return;
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		nlines++;
	mem_free(rules->text);
	mem_free(rules->list);
	rules->text = text;
	rules->list = mem_array(nlines, sizeof(*rules->list));
	rules->n = 0;
	for (unsigned number = 1; (line = strsep(&rest, "\n")) != NULL; number++)
		take_line(rules, line, number);
}

/* A member that /etc/group, or what stands for it, lists; a user's own group does not count. */
static bool is_in_group(const char *user, const char *name)
{
	const struct group *group = getgrnam(name);

	for (char **member = group ? group->gr_mem : NULL; member && *member; member++)
		if (strcmp(*member, user) == 0)
			return true;
	return false;
}

static bool is_meant(const char *who, const char *user)
{
	if (who[0] == '@')
		return is_in_group(user, who + 1);
	if (strcmp(who, "ALL") == 0)
		return true;
	return strcmp(who, "NONE") != 0 && strcmp(who, user) == 0;
}

static bool may_come(const struct rules *rules, const struct address *from, const char *user)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->list[i];
		struct address net = masked(*from, &rule->mask);

		if (memcmp(&net, &rule->address, sizeof(net)) == 0 && is_meant(rule->who, user))
			return true;
	}
	return false;
}

static void answer(struct helper_lines *lines, const struct rules *rules, char *question)
{
	const char *address = helper_word(&question);
	const char *user = address ? helper_word(&question) : NULL;
	struct address from;

	if (!rules->file.is_known)
		helper_answer_broken(lines, rules->file.why.at);
	else if (!user)
		helper_answer(lines, "BH message=\"Invalid Input.\"");
	else if (parse_address(address, &from) && may_come(rules, &from, user))
		helper_answer(lines, "OK");
	else
		helper_answer(lines, "ERR");
}

int main(int argc, char **argv)
{
	struct helper_lines lines;
	struct rules rules = {0};
	const char *path = NULL;
	char *question;
	int option;

	while ((option = getopt(argc, argv, "df:")) != -1) /* -d: Squid's, for more messages */
		path = option == 'f' ? optarg : option == 'd' ? path : NULL;
	if (!path || optind < argc) {
		fprintf(stderr, "Usage: %s [-d] -f FILE\n", program);
		return 1;
	}
	watched_file_init(&rules.file, program, path);
	helper_lines_init(&lines, STDIN_FILENO, HELPER_CHANNEL_MAYBE);
	refresh(&rules);
	while ((question = helper_lines_next(&lines)) != NULL) {
		refresh(&rules);
		answer(&lines, &rules, question);
	}
	mem_free(rules.text);
	mem_free(rules.list);
	helper_lines_fini(&lines);
	return 0;
}
