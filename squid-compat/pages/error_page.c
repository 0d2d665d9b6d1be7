/* SPDX-License-Identifier: BSD-2-Clause */
/* A page is a text with %codes, expanded by a table of codes. Our own pages are made of one frame
 * and the words of error_templates.c when a configuration is read, so that all are rendered
 * alike. */
#include "squid-compat/pages/error_page.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/check.h"
#include "squid-compat/log/logformat.h"
#include "squid-compat/pages/error_page_internal.h"

enum { MAX_VALUE = 8192 }; /* what one code inserts at most */

const char *error_name_text(enum error_name name)
{
	check((unsigned)name < ERROR_NAMES);
	return error_entries[name].name;
}

enum error_name error_name_of(struct str text)
{
	for (unsigned i = ERROR_NONE + 1; i < ERROR_NAMES; i++)
		if (str_eq(text, str_of(error_entries[i].name)))
			return (enum error_name)i;
	return ERROR_NONE;
}

int error_status(enum error_name name)
{
	check((unsigned)name < ERROR_NAMES);
	return error_entries[name].status;
}

void html_quote(struct buf *out, struct str value)
{
	static const char *const entities[128] = {
		['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;", ['\''] = "&#39;",
	};

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];

		if (c < 128 && entities[c])
			buf_add_str(out, str_of(entities[c]));
		else if (c >= 127 || (c < 32 && c != '\n' && c != '\t'))
			buf_printf(out, "&#%u;", c);
		else
			buf_add_char(out, (char)c);
	}
}

/* ---- codes */

struct expanding {
	const struct error_pages *pages;
	const struct error_facts *facts;
	struct buf *out; /* of the value */
};

static const char *page_name(const struct error_facts *facts)
{
	return facts->page ? facts->page : error_name_text(facts->name);
}

static void add_or(const struct expanding *expanding, struct str text, const char *otherwise)
{
	buf_add_str(expanding->out, text.len > 0 ? text : str_of(otherwise));
}

static void add_ip(const struct expanding *expanding, const struct addr *addr)
{
	char text[ADDR_TEXT_BYTES];

	buf_add_str(expanding->out, addr ? str_of(addr_ip_text(addr, text)) : STR("-"));
}

/* One field of the request line; a part that is not there is empty or "-" as Squid has it. */
static struct str request_part(const struct expanding *expanding, size_t slot)
{
	const struct log_request *request = expanding->facts->request;

	return request ? *(const struct str *)(const void *)((const char *)request + slot)
		       : STR_NONE;
}

#define PART(member) offsetof(struct log_request, member)

static void add_user(const struct expanding *expanding)
{
	add_or(expanding, expanding->facts->user, "-");
}

static void add_local_ip(const struct expanding *expanding)
{
	add_ip(expanding, expanding->facts->local);
}

static void add_local_port(const struct expanding *expanding)
{
	if (expanding->facts->local)
		buf_add_u64(expanding->out, addr_port(expanding->facts->local));
}

static void add_url(const struct expanding *expanding)
{
	add_or(expanding, request_part(expanding, PART(url)), "[no URL]");
}

static void add_name(const struct expanding *expanding)
{
	buf_add_str(expanding->out, str_of(page_name(expanding->facts)));
}

static void add_detail(const struct expanding *expanding)
{
	add_or(expanding, expanding->facts->detail, "[No Error Detail]");
}

static void add_errno(const struct expanding *expanding)
{
	buf_add_u64(expanding->out, (uint64_t)expanding->facts->error_number);
}

static void add_errno_text(const struct expanding *expanding)
{
	int error = expanding->facts->error_number;

	if (error == 0)
		buf_add_str(expanding->out, STR("[No Error]"));
	else
		buf_printf(expanding->out, "(%d) %s", error, strerror(error));
}

static void add_nothing(const struct expanding *expanding)
{
	(void)expanding;
}

static void add_visible_hostname(const struct expanding *expanding)
{
	add_or(expanding, expanding->facts->visible_hostname, "-");
}

static void add_server_host(const struct expanding *expanding)
{
	struct str host = expanding->facts->server_host;

	add_or(expanding, host.len > 0 ? host : request_part(expanding, PART(host)),
	       "[unknown host]");
}

static void add_client_ip(const struct expanding *expanding)
{
	add_ip(expanding, expanding->facts->client);
}

static void add_server_ip(const struct expanding *expanding)
{
	if (expanding->facts->server)
		add_ip(expanding, expanding->facts->server);
	else
		buf_add_str(expanding->out, STR("[unknown]"));
}

static void add_stylesheet(const struct expanding *expanding)
{
	buf_add_str(expanding->out, expanding->pages->stylesheet);
}

static void add_err_html_text(const struct expanding *expanding)
{
	add_or(expanding, expanding->facts->err_html_text, "[not available]");
}

static void add_auth_message(const struct expanding *expanding)
{
	add_or(expanding, expanding->facts->auth_message, "[not available]");
}

static void add_method(const struct expanding *expanding)
{
	add_or(expanding, request_part(expanding, PART(method)), "[unknown method]");
}

static void add_external_message(const struct expanding *expanding)
{
	buf_add_str(expanding->out, expanding->facts->external_message);
}

static void add_url_port(const struct expanding *expanding)
{
	if (expanding->facts->request)
		buf_add_u64(expanding->out, expanding->facts->request->port);
}

static void add_scheme(const struct expanding *expanding)
{
	add_or(expanding, request_part(expanding, PART(scheme)), "[unknown protocol]");
}

/* The request line, without the fields that Squid would add: they hold cookies and passwords. */
static void add_request_line(const struct expanding *expanding)
{
	const struct log_request *request = expanding->facts->request;

	if (!request || request->method.len == 0) {
		buf_add_str(expanding->out, STR("[no request]"));
		return;
	}
	buf_add_str(expanding->out, request->method);
	buf_add_char(expanding->out, ' ');
	buf_add_str(expanding->out, request->path);
	buf_printf(expanding->out, " HTTP/%u.%u\n", request->major, request->minor);
}

static void add_software(const struct expanding *expanding)
{
	add_or(expanding, expanding->facts->software, "-");
}

static void add_time(const struct expanding *expanding, const char *format, const struct tm *tm)
{
	char text[64];
	size_t len = strftime(text, sizeof(text), format, tm);

	buf_add(expanding->out, text, len);
}

static void add_local_time(const struct expanding *expanding)
{
	time_t seconds = (time_t)(expanding->facts->now_us / 1000000);
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		add_time(expanding, "%a, %d %b %Y %H:%M:%S %Z", &tm);
}

static void add_gm_time(const struct expanding *expanding)
{
	time_t seconds = (time_t)(expanding->facts->now_us / 1000000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		add_time(expanding, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

/* HTML of ours: the line at the end of an administrator's page. */
static void add_signature(const struct expanding *expanding)
{
	buf_add_str(expanding->out, STR("<hr>\n<p><small>"));
	add_gm_time(expanding);
	buf_add_str(expanding->out, STR(" &middot; "));
	html_quote(expanding->out, expanding->facts->visible_hostname);
	buf_add_str(expanding->out, STR("</small></p>\n"));
}

static void add_cache_mgr(const struct expanding *expanding)
{
	add_or(expanding, expanding->facts->cache_mgr, "-");
}

/* "?subject=NAME" for a mailto: link; nothing of the request goes into it. */
static void add_mailto(const struct expanding *expanding)
{
	if (expanding->facts->has_email_data)
		buf_printf(expanding->out, "?subject=%s", page_name(expanding->facts));
}

static void add_brief_detail(const struct expanding *expanding)
{
	if (expanding->facts->detail.len > 0)
		buf_add_str(expanding->out, expanding->facts->detail);
	else if (expanding->facts->error_number != 0)
		buf_printf(expanding->out, "errno=%d", expanding->facts->error_number);
	else
		buf_add_char(expanding->out, '-');
}

static void add_dns_message(const struct expanding *expanding)
{
	add_or(expanding, expanding->facts->dns_message, "[unavailable]");
}

static void add_percent(const struct expanding *expanding)
{
	buf_add_char(expanding->out, '%');
}

/* is_html: the value is HTML (ours or the administrator's), or safe: it is not quoted. What comes
 * from helpers is quoted here even for %O and %D, which Squid inserts as they are. */
static const struct {
	void (*add)(const struct expanding *expanding);
	bool is_html;
} codes[128] = {
	['a'] = {add_user, false},
	['A'] = {add_local_ip, false},
	['b'] = {add_local_port, false},
	['B'] = {add_url, false},
	['c'] = {add_name, false},
	['D'] = {add_detail, false},
	['e'] = {add_errno, false},
	['E'] = {add_errno_text, false},
	['f'] = {add_nothing, false},
	['F'] = {add_nothing, false},
	['g'] = {add_nothing, false},
	['h'] = {add_visible_hostname, false},
	['H'] = {add_server_host, false},
	['i'] = {add_client_ip, false},
	['I'] = {add_server_ip, false},
	['l'] = {add_stylesheet, true},
	['L'] = {add_err_html_text, true},
	['m'] = {add_auth_message, false},
	['M'] = {add_method, false},
	['o'] = {add_external_message, false},
	['O'] = {add_external_message, false},
	['p'] = {add_url_port, false},
	['P'] = {add_scheme, false},
	['R'] = {add_request_line, false},
	['s'] = {add_software, false},
	['S'] = {add_signature, true},
	['t'] = {add_local_time, false},
	['T'] = {add_gm_time, false},
	['u'] = {add_url, false},
	['U'] = {add_url, false},
	['w'] = {add_cache_mgr, false},
	['W'] = {add_mailto, true},
	['x'] = {add_brief_detail, false},
	['z'] = {add_dns_message, false},
	['Z'] = {add_nothing, false},
	['%'] = {add_percent, false},
};

bool error_code_value(const struct error_pages *pages, const struct error_facts *facts, char code,
		      struct buf *out)
{
	const struct expanding expanding = {.pages = pages, .facts = facts, .out = out};

	if ((unsigned char)code >= COUNT(codes) || !codes[(unsigned char)code].add)
		return false;
	codes[(unsigned char)code].add(&expanding);
	return true;
}

/* ---- rendering */

/* "@Squid{%code}" at the start of text: the length of it, 0 if it is none. */
static size_t logformat_length(struct str text)
{
	const struct str start = STR("@Squid{");
	size_t end = str_find_char(text, '}');

	return str_starts_with(text, start) && end < text.len ? end + 1 : 0;
}

static void render_logformat(const struct error_facts *facts, struct str code, struct buf *value)
{
	struct report *report = report_create();
	struct arena arena;
	const struct logformat *format;

	arena_init(&arena, NULL, 0);
	format = logformat_compile(code, &arena, report);
	if (format && facts->log)
		logformat_render(format, facts->log, value);
	else
		buf_add_char(value, '-');
	arena_fini(&arena);
	report_destroy(report);
}

/* Expands what text begins with, a '%' or '@'; returns how much of it that was. */
static size_t render_code(const struct error_pages *pages, struct str text,
			  const struct error_facts *facts, struct buf *value, struct buf *body)
{
	const struct str start = STR("@Squid{");
	size_t len = logformat_length(text);

	buf_clear(value);
	if (len > 0) {
		render_logformat(facts, str_from(str_first(text, len - 1), start.len), value);
		html_quote(body, buf_str(value));
		return len;
	}
	if (text.at[0] == '@' || text.len < 2 ||
	    !error_code_value(pages, facts, text.at[1], value)) {
		buf_add_char(body, text.at[0]);
		return 1;
	}
	if (codes[(unsigned char)text.at[1]].is_html)
		buf_add_str(body, buf_str(value));
	else
		html_quote(body, str_first(buf_str(value), MAX_VALUE));
	return 2;
}

void error_template_render(const struct error_pages *pages, const struct error_template *page,
			   const struct error_facts *facts, struct buf *body)
{
	struct str left = page->text;
	struct buf value;

	buf_init(&value, ERROR_TEMPLATE_MAX_BYTES);
	while (left.len > 0) {
		size_t len = 0;

		while (len < left.len && left.at[len] != '%' && left.at[len] != '@')
			len++;
		buf_add_str(body, str_first(left, len));
		left = str_from(left, len);
		if (left.len > 0)
			left = str_from(left, render_code(pages, left, facts, &value, body));
	}
	buf_fini(&value);
}

const struct error_template *error_template_in(const struct error_template *page,
					       enum error_language language)
{
	for (const struct error_template *other = page; other; other = other->other)
		if (other->language == language)
			return other;
	return page;
}

void error_page_head(const struct error_pages *pages, const struct error_template *page,
		     const struct error_facts *facts, size_t body_bytes, struct buf *out)
{
	const struct expanding expanding = {.pages = pages, .facts = facts, .out = out};

	buf_printf(out, "Server: %.*s\r\nMime-Version: 1.0\r\nDate: ", STR_ARG(facts->software));
	add_gm_time(&expanding);
	buf_printf(out,
		   "\r\nContent-Type: text/html;charset=utf-8\r\nContent-Length: %zu\r\n"
		   "X-Squid-Error: %s %d\r\n",
		   body_bytes, page_name(facts), facts->error_number);
	if (page->is_ours)
		buf_printf(out, "Vary: Accept-Language\r\nContent-Language: %s\r\n",
			   error_language_tag(page->language));
}

/* ---- loading */

static struct error_template *add_template(struct error_pages *pages, struct str name,
					   struct str text)
{
	struct error_template *page = arena_zalloc(pages->arena_, sizeof(*page));

	page->name = arena_str(pages->arena_, name);
	page->text = arena_str(pages->arena_, text);
	return page;
}

/* An error's page in every language that has words for it. */
static struct error_template *make_page(struct error_pages *pages, enum error_name name,
					struct buf *text)
{
	struct error_template *first = NULL, **last = &first;

	for (unsigned i = 0; i < ERROR_LANGUAGES; i++) {
		const struct error_words *words = error_words_in((enum error_language)i, name);

		if (!words->title)
			continue;
		buf_clear(text);
		error_words_page(words, error_language_tag((enum error_language)i), text);
		*last = add_template(pages, str_of(error_entries[name].name), buf_str(text));
		(*last)->language = (enum error_language)i;
		(*last)->is_ours = true;
		last = &(*last)->other;
	}
	return first;
}

void error_pages_init(struct error_pages *pages, struct arena *arena, const struct world *world)
{
	struct buf text;

	*pages = (struct error_pages){.arena_ = arena, .world_ = world};
	buf_init(&text, ERROR_TEMPLATE_MAX_BYTES);
	pages->builtin[ERROR_NONE] = add_template(pages, STR("-"), STR(""));
	for (unsigned i = ERROR_NONE + 1; i < ERROR_NAMES; i++)
		pages->builtin[i] = make_page(pages, (enum error_name)i, &text);
	buf_fini(&text);
}

/* NULL: it cannot be read, and *error says why. */
static struct error_template *read_template(struct error_pages *pages, struct str name,
					    const char *path, int *error)
{
	struct error_template *page = NULL;
	struct buf text;

	buf_init(&text, ERROR_TEMPLATE_MAX_BYTES);
	*error = pages->world_->read_file(path, &text);
	if (*error == 0)
		page = add_template(pages, name, buf_str(&text));
	buf_fini(&text);
	return page;
}

void error_pages_load(struct error_pages *pages, struct str directory, struct report *report)
{
	unsigned nmissing = 0;

	pages->directory_ = arena_str(pages->arena_, directory);
	for (unsigned i = ERROR_NONE + 1; i < ERROR_NAMES; i++) {
		struct str name = str_of(error_entries[i].name);
		struct str path =
			arena_printf(pages->arena_, "%.*s/%s", STR_ARG(directory), name.at);
		int error;
		struct error_template *page = read_template(pages, name, path.at, &error);

		if (page)
			pages->builtin[i] = page;
		else
			nmissing++;
	}
	if (nmissing > 0)
		report_say(report, REPORT_NOTE,
			   "error_directory %.*s lacks %u of %d pages: ours are shown for these",
			   STR_ARG(directory), nmissing, ERROR_NAMES - 1);
}

void error_pages_load_stylesheet(struct error_pages *pages, struct str path,
				 struct report *report)
{
	struct str file = arena_str(pages->arena_, path);
	struct buf text;
	int error;

	buf_init(&text, ERROR_TEMPLATE_MAX_BYTES);
	error = pages->world_->read_file(file.at, &text);
	if (error == 0)
		pages->stylesheet = arena_str(pages->arena_, buf_str(&text));
	else
		report_say(report, REPORT_NOTE, "err_page_stylesheet %s: (%d) %s", file.at, error,
			   strerror(error));
	buf_fini(&text);
}

static const struct error_template *find_extra(const struct error_pages *pages, struct str name)
{
	for (const struct error_template *page = pages->extra; page; page = page->next)
		if (str_eq(page->name, name))
			return page;
	return NULL;
}

const struct error_template *error_pages_find(struct error_pages *pages, struct str name,
					      struct report *report)
{
	enum error_name known = error_name_of(name);
	const struct error_template *found = find_extra(pages, name);
	bool is_path = name.len > 0 && name.at[0] == '/';
	struct error_template *page;
	struct str path;
	int error;

	if (known != ERROR_NONE || found)
		return found ? found : pages->builtin[known];
	if (!is_path && !pages->directory_.at) {
		report_say(report, REPORT_ERROR,
			   "there is no error page %.*s, and no error_directory to find it in",
			   STR_ARG(name));
		return NULL;
	}
	path = is_path ? arena_str(pages->arena_, name)
		       : arena_printf(pages->arena_, "%.*s/%.*s", STR_ARG(pages->directory_),
				      STR_ARG(name));
	page = read_template(pages, name, path.at, &error);
	if (!page) {
		report_say(report, REPORT_ERROR, "error page %s: (%d) %s", path.at, error,
			   strerror(error));
		return NULL;
	}
	page->next = pages->extra;
	pages->extra = page;
	return page;
}
