/* SPDX-License-Identifier: BSD-2-Clause */
/* What the status page's buttons do. The client has given the password, if one is needed, and its
 * browser has said that the form is one of ours; the token in it is what only our page knew. */
#include <gnutls/gnutls.h>
#include <stdio.h>

#include "cache/purge.h"
#include "lib/base/check.h"
#include "lib/base/log.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/manager/form.h"
#include "proxy/manager/manager_pages.h"
#include "proxy/manager/status_html.h"
#include "proxy/manager/status_page.h"
#include "proxy/serve.h"
#include "proxy/server.h"
#include "proxy/store/purger.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"

enum { VALUE_BYTES = 8192, TOKEN_BYTES = 128, WORD_BYTES = 16 };

static void write_end(struct buf *out, const char *heading, const char *what, struct str of)
{
	buf_printf(out,
		   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		   "<title>%s &ndash; Bobtail</title>\n<link rel=\"stylesheet\" href=\"status.css\">\n"
		   "</head>\n<body>\n<main>\n<section>\n<h1>%s</h1>\n<p role=\"status\">%s ",
		   heading, heading, what);
	html_cut(out, of, 256);
	buf_add_str(out, STR("</p>\n<p><a href=\"./\">Back to the status page</a></p>\n</section>\n"
			     "</main>\n</body>\n</html>\n"));
}

static bool has_token(const struct manager_page *page)
{
	char text[TOKEN_BYTES];
	const struct manager_question *question = &page->question;
	struct str given = str_of(form_value(question->form, STR("token"), text, sizeof(text)));

	return given.len > 0 && given.len == question->token.len &&
	       gnutls_memcmp(given.at, question->token.at, given.len) == 0;
}

/* False, and said: it is not from our page. */
static bool is_ours(struct manager_page *page)
{
	if (has_token(page))
		return true;
	write_end(page->out, "Nothing was done",
		  "The form is not from the status page as it is now: go back and try again.", STR(""));
	return false;
}

/* ---- purge */

static void purge_done(void *owner, const struct purger_count *count)
{
	(void)owner;
	log_say(1, "The purge from the status page ended: %llu objects in memory, %llu on disk",
		(unsigned long long)count->memory, (unsigned long long)count->disk);
}

static bool kind_by_name(struct str name, enum purge_kind *out)
{
	static const char *const kinds[] = {
		[PURGE_URL] = "url", [PURGE_HOST] = "host", [PURGE_PREFIX] = "prefix"};

	for (unsigned i = 0; i < COUNT(kinds); i++)
		if (str_eq(name, str_of(kinds[i]))) {
			*out = (enum purge_kind)i;
			return true;
		}
	return false;
}

bool manager_write_purge(struct manager_page *page)
{
	char word[WORD_BYTES], text[VALUE_BYTES], what[VALUE_BYTES + WORD_BYTES];
	const char *kind = form_value(page->question.form, STR("kind"), word, sizeof(word));
	struct str of = str_of(form_value(page->question.form, STR("text"), text, sizeof(text)));
	struct purge *purge;
	enum purge_kind n;

	if (!is_ours(page))
		return false;
	if (!kind_by_name(str_of(kind), &n) || of.len == 0) {
		write_end(page->out, "Nothing was done", "A purge needs a kind and a text.",
		          STR(""));
		return false;
	}
	purge = purge_create(n, of);
	snprintf(what, sizeof(what), "%s %s", kind, of.at);
	log_say(1, "The status page purges %s", what);
	purger_start(
		page->server, page->loop,
		&(struct purger_order){
			.purge = purge, .who = "status page", .what = what, .done = purge_done});
	purge_unref(purge);
	write_end(page->out, "The purge has begun", "From now on nothing stored serves for:", of);
	return false;
}

/* ---- drain */

static const struct peer *find_peer(const struct config *config, struct str name)
{
	for (const struct peer *peer = config->peers->first; peer; peer = peer->next)
		if (str_eq(peer->name, name))
			return peer;
	return NULL;
}

bool manager_write_drain(struct manager_page *page)
{
	char word[WORD_BYTES], text[VALUE_BYTES];
	struct str act = str_of(form_value(page->question.form, STR("act"), word, sizeof(word)));
	struct str name = str_of(form_value(page->question.form, STR("peer"), text, sizeof(text)));
	const struct peer *peer = find_peer(page->config, name);
	bool is_drain = str_eq(act, STR("drain"));

	if (!is_ours(page))
		return false;
	if (!peer || (!is_drain && !str_eq(act, STR("resume")))) {
		write_end(page->out, "Nothing was done", "There is no such peer:", name);
		return false;
	}
	log_say(1, "The status page %s peer %.*s", is_drain ? "drains" : "resumes", STR_ARG(name));
	peer_state_drain(peer_table_get(page->server->peers, name), is_drain);
	serve_keep_wishes(page->serve);
	write_end(page->out, is_drain ? "The peer is drained" : "The peer is back",
		  is_drain ? "It gets no new requests:" : "It gets requests again:", name);
	return false;
}

/* ---- the forms */

static void begin_form(struct buf *out, const struct manager_page *page, const char *action)
{
	buf_printf(out,
		   "<form method=\"post\" action=\"%s\">"
		   "<input type=\"hidden\" name=\"token\" value=\"%.*s\">\n",
		   action, STR_ARG(page->question.token));
}

static void write_purge_form(struct buf *out, const struct manager_page *page)
{
	begin_form(out, page, "purge");
	buf_add_str(out, STR("<label>Forget<select name=\"kind\"><option value=\"url\">this URL</option>"
			     "<option value=\"prefix\">what begins with</option>"
			     "<option value=\"host\">all of the host</option></select></label>\n"
			     "<label class=\"grow\">URL or host<input name=\"text\" required"
			     " autocomplete=\"off\" spellcheck=\"false\""
			     " placeholder=\"http://www.example/news/\"></label>\n"
			     "<button>Purge</button></form>\n"));
}

static void write_drain_form(struct buf *out, const struct manager_page *page)
{
	if (!page->config->peers->first)
		return;
	begin_form(out, page, "drain");
	buf_add_str(out, STR("<label class=\"grow\">Peer<select name=\"peer\">"));
	for (const struct peer *peer = page->config->peers->first; peer; peer = peer->next) {
		buf_add_str(out, STR("<option>"));
		html_text(out, peer->name);
		buf_add_str(out, STR("</option>"));
	}
	buf_add_str(out, STR("</select></label>\n<button name=\"act\" value=\"drain\">Drain</button>\n"
			     "<button name=\"act\" value=\"resume\">Resume</button></form>\n"));
}

void status_write_actions(struct buf *out, const struct manager_page *page)
{
	const struct manager_question *question = &page->question;

	if (!question->may_purge && !question->may_drain && !question->may_sign_in)
		return;
	html_section(out, "actions", "Actions");
	if (question->may_purge)
		write_purge_form(out, page);
	if (question->may_drain)
		write_drain_form(out, page);
	if (!question->may_purge && !question->may_drain)
		buf_add_str(out, STR("<p><a href=\"purge\">Sign in</a> to purge objects and to drain peers."
				     "</p>\n"));
	html_section_end(out);
}
