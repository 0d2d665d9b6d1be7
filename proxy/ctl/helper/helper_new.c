/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "proxy/ctl/helper/helper.h"
#include "proxy/ctl/helper/helper_kind.h"
#include "proxy/ctl/helper/helper_skeleton.h"

enum {
	KIND,
	LANG,
	IDS,
};

const struct ctl_option ctl_helper_new_options[] = {
	[KIND] = {"kind", 'k', "KIND", "what it is for; without it: url_rewrite"},
	[LANG] = {"lang", 'l', "LANGUAGE", "what it is written in; without it: python"},
	[IDS] = {"ids", 'i', NULL, "with channel ids, for concurrency="},
	{0},
};

const char ctl_helper_new_help[] =
	"Writes a helper that works as it comes to stdout, to begin with. KIND is as for `helper\n"
	"test`; LANGUAGE is python, perl, sh, c, go, node, rust or lua.\n";

/* What is said of a kind at the top of a program. */
static const struct about {
	const char *kind, *summary, *protocol, *config[2]; /* config: without ids, with them */
} abouts[] = {
	{"url_rewrite", "other URLs instead of those that clients ask for",
	 "Each line of its input is a question, `URL EXTRAS`; it prints a line for each:\n"
	 "  OK rewrite-url=\"URL\"         serve that URL instead\n"
	 "  OK status=301 url=\"URL\"      send the client there (301 302 303 307 308)\n"
	 "  ERR                          the URL is fine",
	 {"url_rewrite_program /path/to/this\nurl_rewrite_children 5 startup=1 concurrency=0",
	  "url_rewrite_program /path/to/this\nurl_rewrite_children 1 startup=1 concurrency=100"}},
	{"store_id", "which URLs are one object for the cache",
	 "Each line of its input is a question, `URL EXTRAS`; it prints a line for each:\n"
	 "  OK store-id=\"KEY\"            what the object is known by\n"
	 "  ERR                          the URL",
	 {"store_id_program /path/to/this\nstore_id_children 5 startup=1 concurrency=0",
	  "store_id_program /path/to/this\nstore_id_children 1 startup=1 concurrency=100"}},
	{"external", "whether a request matches an ACL",
	 "Each line of its input is a question, the values of the format; it prints a line for each:\n"
	 "  OK [user=U] [tag=T] ...      it matches\n"
	 "  ERR [message=\"...\"]          it does not\n"
	 "  BH [message=\"...\"]           this helper cannot say",
	 {"external_acl_type mine children-startup=1 %SRC /path/to/this\nacl mine external mine",
	  "external_acl_type mine concurrency=100 children-max=1 %SRC /path/to/this\n"
	  "acl mine external mine"}},
	{"basic", "who a user with a password is",
	 "Each line of its input is a question, `USER PASSWORD`, both with %XX escapes; it prints a line\n"
	 "for each:\n"
	 "  OK                           that is the password\n"
	 "  ERR [message=\"...\"]          it is not",
	 {"auth_param basic program /path/to/this\nauth_param basic children 5 startup=1",
	  "auth_param basic program /path/to/this\n"
	  "auth_param basic children 1 startup=1 concurrency=100"}},
	{"digest", "the hash of a user's password",
	 "Each line of its input is a question, `\"USER\":\"REALM\"`; it prints a line for each:\n"
	 "  OK ha1=\"HASH\"                MD5 of USER:REALM:PASSWORD, in hex\n"
	 "  ERR [message=\"...\"]          there is no such user",
	 {"auth_param digest realm Realm\nauth_param digest program /path/to/this",
	  "auth_param digest realm Realm\nauth_param digest program /path/to/this\n"
	  "auth_param digest children 1 startup=1 concurrency=100"}},
	{"bearer", "whose a token is (Bobtail only)",
	 "Each line of its input is a question, `TOKEN`; it prints a line for each:\n"
	 "  OK user=NAME [ttl=SECONDS]   it is good\n"
	 "  ERR [message=\"...\"]          it is not",
	 {"auth_param bearer program /path/to/this\nauth_param bearer children 5 startup=1",
	  "auth_param bearer program /path/to/this\n"
	  "auth_param bearer children 1 startup=1 concurrency=100"}},
#define TURNS                                                                                      \
	"Each line of its input is `YR TOKEN`, which begins with a client, or `KK TOKEN`, which goes on;\n" \
	"it prints a line for each:\n"                                                             \
	"  TT TOKEN                     a challenge for the client\n"                              \
	"  AF [TOKEN] USER              it is let in\n"                                            \
	"  NA REASON                    it is not"
	{"ntlm", "who a client is, by NTLM", TURNS,
	 {"auth_param ntlm program /path/to/this\nauth_param ntlm children 5 startup=1", NULL}},
	{"negotiate", "who a client is, by Negotiate", TURNS,
	 {"auth_param negotiate program /path/to/this\nauth_param negotiate children 5 startup=1",
	  NULL}},
	{"log", "a log daemon",
	 "Its argument is the path of the log. Each line of its input is a command, and it prints nothing:\n"
	 "  Ltext    a line of the log      F   write what is held back\n"
	 "  R        rotate                 T   truncate\n"
	 "  O        open it anew           rN  keep N rotated logs",
	 {"logfile_daemon /path/to/this\naccess_log daemon:/var/log/bobtail/access.log squid", NULL}},
};

/* What is to be written. */
struct order {
	const struct helper_kind *kind;
	const struct about *about;
	bool has_ids;
};

/* Is a part with these words for it? */
static bool is_meant(const struct order *order, struct str words)
{
	bool is_any = true;
	struct str word;

	while (str_word(&words, &word)) {
		is_any = false;
		if (str_eq(word, str_of(order->kind->name)))
			return true;
		if (order->kind->talk != HELPER_LISTENS &&
		    str_eq(word, order->has_ids ? STR("+ids") : STR("-ids")))
			return true;
	}
	return is_any;
}

/* Each line of text behind the same prefix. */
static void print_lines(struct str prefix, const char *text)
{
	struct str rest = str_of(text), line;

	while (str_split(&rest, '\n', &line))
		printf("%.*s%.*s\n", STR_ARG(prefix), STR_ARG(line));
}

/* The word's place in line, or its length. */
static size_t find_word(struct str line, const char *word)
{
	const char *at = memmem(line.at, line.len, word, strlen(word));

	return at ? (size_t)(at - line.at) : line.len;
}

static void print_words(const struct order *order, struct str line)
{
	const struct {
		const char *word, *value;
	} words[] = {
		{"@DIRECTIVE@", order->kind->directive},
		{"@SUMMARY@", order->about->summary},
		{"@KIND@", order->kind->name},
		{"@IDS@", order->has_ids ? " --concurrency 100" : ""},
	};

	for (size_t i = 0; i < COUNT(words); i++) {
		size_t at = find_word(line, words[i].word);

		if (at == line.len)
			continue;
		printf("%.*s%s", STR_ARG(str_first(line, at)), words[i].value);
		line = str_from(line, at + strlen(words[i].word));
	}
	printf("%.*s\n", STR_ARG(line));
}

static const char ids_text[] =
	"Each question begins with a number and a blank (a channel id), and so does its answer. Answers\n"
	"may come in any order.";

static void print_line(const struct order *order, struct str line)
{
	size_t protocol = find_word(line, "@PROTOCOL@"), config = find_word(line, "@CONFIG@");

	if (protocol < line.len) {
		print_lines(str_first(line, protocol), order->about->protocol);
		if (order->has_ids)
			print_lines(str_first(line, protocol), ids_text);
	} else if (config < line.len) {
		print_lines(str_first(line, config), order->about->config[order->has_ids]);
	} else {
		print_words(order, line);
	}
}

static void print_skeleton(const struct order *order, const char *text)
{
	struct str rest = {text, strlen(text) - 1}, line; /* without the last LF */
	bool is_on = true;

	while (str_split(&rest, '\n', &line)) {
		if (str_starts_with(line, STR("%%")))
			is_on = is_meant(order, str_from(line, 2));
		else if (is_on)
			print_line(order, line);
	}
}

static int find_order(const struct ctl_args *args, struct order *order)
{
	const char *kind = ctl_given(args, KIND);
	char names[160];

	order->has_ids = ctl_given(args, IDS) != NULL;
	order->kind = helper_kind_find(kind ? kind : "url_rewrite");
	if (!order->kind) {
		helper_kind_names(names, sizeof(names));
		return ctl_fail("no such kind: %s (there are %s)", kind, names);
	}
	if (order->has_ids && order->kind->talk != HELPER_ANSWERS)
		return ctl_fail("there are no channel ids in the protocol of %s",
		                order->kind->name);
	for (size_t i = 0; i < COUNT(abouts); i++)
		if (str_eq(str_of(abouts[i].kind), str_of(order->kind->name)))
			order->about = &abouts[i];
	return CTL_OK;
}

int ctl_run_helper_new(struct ctl *ctl, const struct ctl_args *args)
{
	const char *language = ctl_given(args, LANG);
	struct order order = {.about = abouts};

	(void)ctl;
	if (find_order(args, &order) != CTL_OK)
		return CTL_FAILED;
	for (unsigned i = 0; helper_skeletons[i].language; i++)
		if (str_eq(str_of(helper_skeletons[i].language),
		           str_of(language ? language : "python"))) {
			print_skeleton(&order, helper_skeletons[i].text);
			return CTL_OK;
		}
	return ctl_fail("no such language: %s (bobtailctl helper new --help has them)", language);
}
