/* SPDX-License-Identifier: BSD-2-Clause */
/* Directives that Squid has dropped, said with those of today. Where several lines become one, it
 * stands at the first of them, and the others go. */
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/explain/explain_upgrade_internal.h"
#include "squid-compat/report.h"
#include "squid-compat/translate.h"

enum { MAX_TEXT_BYTES = 1 << 22 };

static const char with_another[] = "said by the line that stands for all of its kind";

/* The words of a line as those who read it want them; the caller frees words->at. */
static struct words words_of(const struct explain_line *line)
{
	struct word *at = mem_array(line->nwords + 1, sizeof(*at));
	const char *text = line->text;

	for (size_t i = 0; i < line->nwords; i++) {
		/* words are found in the text in their order; of quotes nothing depends here */
		char *word = str_dup(line->words[i].text);
		const char *found = strstr(text, word);

		at[i].text = line->words[i].text;
		at[i].raw_at = (size_t)((found ? found : text) - line->text);
		text = found ? found + strlen(word) : text;
		mem_free(word);
	}
	return (struct words){.line = str_of(line->text), .at = at, .n = line->nwords};
}

static bool has_directive(const struct explanation *explanation, const char *name)
{
	for (size_t i = 0; i < explanation->nlines; i++)
		if (explanation->lines[i].directive &&
		    strcmp(explanation->lines[i].directive->name, name) == 0)
			return true;
	return false;
}

/* No line above it is of the family. */
static bool is_first_of(const struct upgrading *upgrading, const char *prefix)
{
	for (size_t i = 0; i < upgrading->explanation->nlines; i++) {
		const struct explain_line *line = &upgrading->explanation->lines[i];

		if (str_starts_with(explain_word(line, 0), str_of(prefix)))
			return line == upgrading->line;
	}
	return false;
}

/* ---- httpd_accel_* */

static void read_accel(const struct explanation *explanation, struct httpd_accel *accel)
{
	struct report *unheard = report_create();

	httpd_accel_init(accel);
	for (size_t i = 0; i < explanation->nlines; i++) {
		struct words words;

		if (!str_starts_with(explain_word(&explanation->lines[i], 0), STR("httpd_accel_")))
			continue;
		words = words_of(&explanation->lines[i]);
		httpd_accel_parse(accel, &words, unheard);
		mem_free((void *)words.at);
	}
	report_destroy(unheard);
}

/* Some port says itself that it is an accelerator; then these lines do nothing. */
static bool has_accel_port(const struct explanation *explanation)
{
	for (size_t i = 0; i < explanation->nlines; i++) {
		const struct explain_line *line = &explanation->lines[i];

		if (!str_ends_with_nocase(explain_word(line, 0), STR("_port")))
			continue;
		for (size_t word = 2; word < line->nwords; word++)
			if (str_eq(explain_word(line, word), STR("accel")) ||
			    str_eq(explain_word(line, word), STR("vhost")) ||
			    str_starts_with(explain_word(line, word), STR("vport")) ||
			    str_starts_with(explain_word(line, word), STR("defaultsite=")))
				return true;
	}
	return false;
}

bool upgrade_accel_options(const struct explanation *explanation, struct buf *out)
{
	struct httpd_accel accel;

	read_accel(explanation, &accel);
	if (!accel.is_said || has_accel_port(explanation))
		return false;
	httpd_accel_port_options(&accel, out);
	return true;
}

static void upgrade_accel(struct upgrading *upgrading)
{
	struct httpd_accel accel;

	upgrading->why = "http_port and cache_peer say it";
	if (!str_eq(explain_word(upgrading->line, 0), STR("httpd_accel_host")) ||
	    has_directive(upgrading->explanation, "cache_peer") ||
	    has_accel_port(upgrading->explanation))
		return;
	read_accel(upgrading->explanation, &accel);
	httpd_accel_peer_line(&accel, upgrading->out);
	if (upgrading->out->len > 0)
		buf_add_char(upgrading->out, '\n');
}

/* ---- cache_peer_domain */

static bool is_peer_domain(const struct explain_line *line)
{
	return line->directive && strcmp(line->directive->name, "cache_peer_domain") == 0;
}

/* The domains of a peer, which the caller frees. */
static struct peer_domain *gather_domains(const struct explanation *explanation, struct str peer,
					  size_t *n)
{
	struct peer_domain *domains = NULL;
	size_t room = 0;

	*n = 0;
	for (size_t i = 0; i < explanation->nlines; i++) {
		const struct explain_line *line = &explanation->lines[i];

		if (!is_peer_domain(line) || !str_eq_nocase(explain_word(line, 1), peer))
			continue;
		for (size_t word = 2; word < line->nwords; word++) {
			struct str text = explain_word(line, word);
			bool is_negated = text.len > 0 && text.at[0] == '!';

			if (*n == room) {
				room = room ? 2 * room : 16;
				domains = mem_realloc(domains, room * sizeof(*domains));
			}
			domains[(*n)++] =
				(struct peer_domain){str_from(text, is_negated), is_negated};
		}
	}
	return domains;
}

static bool is_acl_name(const struct explanation *explanation, const char *name)
{
	for (size_t i = 0; i < explanation->nlines; i++)
		if (str_eq(explain_word(&explanation->lines[i], 0), STR("acl")) &&
		    str_starts_with_nocase(explain_word(&explanation->lines[i], 1), str_of(name)))
			return true;
	return false;
}

/* A name for ACLs that no other has. */
static char *acl_prefix(const struct explanation *explanation, struct str peer)
{
	char *name = mem_printf("domains_of_%.*s", STR_ARG(str_first(peer, 30)));

	while (is_acl_name(explanation, name)) {
		char *longer = mem_printf("%s_", name);

		mem_free(name);
		name = longer;
	}
	return name;
}

/* Is no line of cache_peer_domain or cache_peer_access above this one about its peer? */
static bool is_first_of_peer(const struct upgrading *upgrading, struct str peer)
{
	for (size_t i = 0; i < upgrading->explanation->nlines; i++) {
		const struct explain_line *line = &upgrading->explanation->lines[i];

		if ((is_peer_domain(line) ||
		     str_eq(explain_word(line, 0), STR("cache_peer_access"))) &&
		    str_eq_nocase(explain_word(line, 1), peer))
			return line == upgrading->line;
	}
	return false;
}

/* What all domains of the line's peer say; false: nothing, or it stands above. */
static bool put_domains(struct upgrading *upgrading)
{
	struct str peer = explain_word(upgrading->line, 1);
	size_t n, length = upgrading->out->len;
	struct peer_domain *domains;

	if (!is_first_of_peer(upgrading, peer))
		return false;
	domains = gather_domains(upgrading->explanation, peer, &n);
	if (n > 0) {
		char *prefix = acl_prefix(upgrading->explanation, peer);

		translate_peer_domains(peer, str_of(prefix), domains, n, upgrading->out);
		mem_free(prefix);
	}
	mem_free(domains);
	return upgrading->out->len > length;
}

/* The rules of the domains come first. */
bool upgrade_peer_access(struct upgrading *upgrading)
{
	if (!put_domains(upgrading))
		return false;
	buf_printf(upgrading->out, "%s\n", upgrading->line->text);
	return true;
}

/* ---- children and their concurrency */

static const struct {
	const char *children, *old[2];
} concurrencies[] = {
	{"url_rewrite_children", {"url_rewrite_concurrency", "redirect_concurrency"}},
	{"store_id_children", {"storeurl_rewrite_concurrency", NULL}},
};

/* The last value that some line of the old ones gives; STR_NONE: there is none. */
static struct str concurrency_of(const struct explanation *explanation, size_t row)
{
	struct str value = STR_NONE;

	for (size_t i = 0; i < explanation->nlines; i++)
		for (size_t old = 0; old < 2 && concurrencies[row].old[old]; old++)
			if (str_eq(explain_word(&explanation->lines[i], 0),
				   str_of(concurrencies[row].old[old])))
				value = explain_word(&explanation->lines[i], 1);
	return value;
}

bool upgrade_children(struct upgrading *upgrading)
{
	const struct explain_line *line = upgrading->line;
	struct str value = STR_NONE;

	for (size_t row = 0; row < COUNT(concurrencies); row++)
		if (strcmp(line->directive->name, concurrencies[row].children) == 0)
			value = concurrency_of(upgrading->explanation, row);
	if (value.len == 0)
		return false;
	buf_add_str(upgrading->out, str_of(line->directive->name));
	for (size_t i = 1; i < line->nwords; i++)
		if (!str_starts_with(explain_word(line, i), STR("concurrency=")))
			buf_printf(upgrading->out, " %.*s", STR_ARG(explain_word(line, i)));
	buf_printf(upgrading->out, " concurrency=%.*s\n", STR_ARG(value));
	return true;
}

/* False: the line is none of these. */
static bool upgrade_concurrency(struct upgrading *upgrading)
{
	for (size_t row = 0; row < COUNT(concurrencies); row++)
		for (size_t old = 0; old < 2 && concurrencies[row].old[old]; old++) {
			if (!str_eq(explain_word(upgrading->line, 0),
				    str_of(concurrencies[row].old[old])))
				continue;
			upgrading->why = with_another;
			if (!has_directive(upgrading->explanation, concurrencies[row].children) &&
			    is_first_of(upgrading, concurrencies[row].old[old]))
				buf_printf(upgrading->out, "%s 20 concurrency=%.*s\n",
					   concurrencies[row].children,
					   STR_ARG(concurrency_of(upgrading->explanation, row)));
			return true;
		}
	return false;
}

/* ---- logs */

bool upgrade_logs_are_common(const struct explanation *explanation)
{
	const struct explain_line *line;
	bool is_on = false;

	for (size_t i = 0; (line = upgrade_next(explanation, "emulate_httpd_log", &i)); i++)
		is_on = str_eq(explain_word(line, 1), STR("on"));
	return is_on;
}

/* Without an access_log line there is one, which the first that is written would take away. */
static void put_default_log(struct upgrading *upgrading, bool is_always)
{
	bool is_common = upgrade_logs_are_common(upgrading->explanation);

	if (has_directive(upgrading->explanation, "access_log") || (!is_common && !is_always))
		return;
	buf_printf(upgrading->out, "access_log daemon:/var/log/squid/access.log %s\n",
		   is_common ? "common" : "squid");
}

/* The one of the lines that write the default log: the first that names a log. */
static bool is_first_log(const struct upgrading *upgrading)
{
	for (size_t i = 0; i < upgrading->explanation->nlines; i++) {
		const struct explain_line *line = &upgrading->explanation->lines[i];
		struct str name = explain_word(line, 0);

		if ((str_eq(name, STR("useragent_log")) || str_eq(name, STR("referer_log")) ||
		     str_eq(name, STR("referrer_log"))) &&
		    !str_eq(explain_word(line, 1), STR("none")))
			return line == upgrading->line;
	}
	return str_eq(explain_word(upgrading->line, 0), STR("emulate_httpd_log")) &&
	       is_first_of(upgrading, "emulate_httpd_log");
}

/* ---- sslproxy_* */

/* All of them in one line: a key needs its certificate. */
static void upgrade_sslproxy(struct upgrading *upgrading)
{
	static const struct str prefix = {"tls_outgoing_options ", 21};
	struct buf line;

	upgrading->why = with_another;
	if (!is_first_of(upgrading, "sslproxy_"))
		return;
	buf_init(&line, MAX_TEXT_BYTES);
	for (size_t i = 0; i < upgrading->explanation->nlines; i++) {
		struct words words;

		if (!upgrading->explanation->lines[i].directive ||
		    upgrading->explanation->lines[i].directive->verdict != TRANSLATED ||
		    !str_starts_with(explain_word(&upgrading->explanation->lines[i], 0),
				     STR("sslproxy_")))
			continue;
		words = words_of(&upgrading->explanation->lines[i]);
		buf_clear(&line);
		translate_line(&words, &line);
		mem_free((void *)words.at);
		if (line.len <= prefix.len + 1)
			continue;
		buf_add_str(upgrading->out, upgrading->out->len ? STR(" ") : prefix);
		buf_add_str(upgrading->out, str_first(str_from(buf_str(&line), prefix.len),
		                                      line.len - prefix.len - 1));
	}
	buf_fini(&line);
	if (upgrading->out->len > 0)
		buf_add_char(upgrading->out, '\n');
}

/* ---- all */

static void upgrade_by_itself(struct upgrading *upgrading)
{
	struct words words = words_of(upgrading->line);

	if (is_first_log(upgrading))
		put_default_log(upgrading, true);
	translate_line(&words, upgrading->out);
	mem_free((void *)words.at);
}

bool upgrade_translated(struct upgrading *upgrading)
{
	struct str name = explain_word(upgrading->line, 0);

	if (is_peer_domain(upgrading->line)) {
		upgrading->why = put_domains(upgrading) ? NULL : with_another;
	} else if (str_starts_with(name, STR("httpd_accel_"))) {
		upgrade_accel(upgrading);
	} else if (str_starts_with(name, STR("sslproxy_"))) {
		upgrade_sslproxy(upgrading);
	} else if (str_eq(name, STR("emulate_httpd_log"))) {
		upgrading->why = "access_log says it";
		if (is_first_log(upgrading))
			put_default_log(upgrading, false);
	} else if (str_eq(name, STR("ignore_ims_on_miss"))) {
		buf_printf(upgrading->out, "cache_miss_revalidate %s\n",
			   str_eq(explain_word(upgrading->line, 1), STR("on")) ? "off" : "on");
	} else if (!upgrade_concurrency(upgrading)) {
		upgrade_by_itself(upgrading);
	}
	return true;
}
