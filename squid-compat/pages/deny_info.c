/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/pages/deny_info.h"

#include <limits.h>

enum { LOCATION_VALUE_BYTES = 8192 };

void deny_infos_init(struct deny_infos *infos, struct arena *arena)
{
	*infos = (struct deny_infos){.last_ = &infos->first, .arena_ = arena};
}

/* Cuts "NUMBER:" off spec, if there is one. */
static void cut_status(struct str *spec, int *status)
{
	size_t colon = str_find_char(*spec, ':');
	uint64_t number;

	if (colon == spec->len || !str_to_u64(str_first(*spec, colon), &number))
		return;
	*spec = str_from(*spec, colon + 1);
	*status = number < INT_MAX ? (int)number : INT_MAX;
}

static const char url_codes[] = "aAbBeEhHiIMoOpPRstTuUwx%";

/* Each % of a URL must begin a code; %s is old. */
static bool check_url(struct str url, struct report *report)
{
	for (size_t i = 0; i < url.len; i++) {
		if (url.at[i] != '%')
			continue;
		i++;
		if (i == url.len || !strchr(url_codes, url.at[i]) || url.at[i] == '\0') {
			report_say(report, REPORT_FATAL,
				   "deny_info %.*s: unsupported code '%%%.*s'", STR_ARG(url),
				   STR_ARG(str_first(str_from(url, i), 1)));
			return false;
		}
		if (url.at[i] == 's')
			report_say(report, REPORT_WARNING,
				   "deny_info %.*s: %%s is deprecated. Use %%U instead.",
				   STR_ARG(url));
	}
	return true;
}

/* Which kinds go with which status. */
static bool check_status(const struct deny_info *info, struct report *report)
{
	int status = info->status;
	bool is_redirect_status = status >= 300 && status <= 399;

	if (status == 0)
		return true;
	if (status < 200 || status > 599) {
		report_say(report, REPORT_FATAL, "status %d is not valid on '%.*s'", status,
			   STR_ARG(info->spec));
		return false;
	}
	if (info->kind == DENY_REDIRECT && !is_redirect_status) {
		report_say(report, REPORT_FATAL,
			   "status %d on '%.*s' needs an error page, not a URL", status,
			   STR_ARG(info->spec));
		return false;
	}
	if (info->kind == DENY_PAGE && is_redirect_status) {
		report_say(report, REPORT_FATAL, "status %d requires a URL on '%.*s'", status,
			   STR_ARG(info->spec));
		return false;
	}
	return true;
}

static bool read_spec(struct deny_infos *infos, struct deny_info *info, struct str spec,
		      struct report *report)
{
	info->spec = arena_str(infos->arena_, spec);
	spec = info->spec;
	if (str_eq(spec, STR("TCP_RESET"))) {
		info->kind = DENY_RESET;
		return true;
	}
	cut_status(&spec, &info->status);
	if (str_find_char(spec, ':') < spec.len) {
		info->kind = DENY_REDIRECT;
		info->url = spec;
	} else {
		info->kind = DENY_PAGE;
		info->page_name = spec;
	}
	return check_status(info, report) &&
	       (info->kind != DENY_REDIRECT || check_url(spec, report));
}

void deny_infos_parse(struct deny_infos *infos, const struct words *words, struct report *report)
{
	struct deny_info *info = arena_zalloc(infos->arena_, sizeof(*info));
	struct deny_acl **last = &info->acls;

	if (words->n < 2) {
		report_say(report, REPORT_FATAL, "deny_info needs a page or a URL");
		return;
	}
	if (!read_spec(infos, info, words_text(words, 1), report))
		return;
	if (words->n < 3)
		report_say(report, REPORT_WARNING, "deny_info line contains no ACL's, skipping");
	for (size_t i = 2; i < words->n; i++) {
		struct deny_acl *acl = arena_zalloc(infos->arena_, sizeof(*acl));

		acl->name = arena_str(infos->arena_, words_text(words, i));
		*last = acl;
		last = &acl->next;
	}
	*infos->last_ = info;
	infos->last_ = &info->next;
}

void deny_infos_resolve(struct deny_infos *infos, struct error_pages *pages,
			struct report *report)
{
	for (struct deny_info *info = infos->first; info; info = info->next) {
		if (info->kind != DENY_PAGE)
			continue;
		info->page = error_pages_find(pages, info->page_name, report);
		if (!info->page)
			info->page = pages->builtin[ERROR_ACCESS_DENIED];
	}
}

const struct deny_info *deny_infos_find(const struct deny_infos *infos, struct str acl)
{
	for (const struct deny_info *info = infos->first; info; info = info->next)
		for (const struct deny_acl *entry = info->acls; entry; entry = entry->next)
			if (str_eq_nocase(entry->name, acl))
				return info;
	return NULL;
}

int deny_info_status(const struct deny_info *info, enum http_method method, int minor)
{
	if (info->status != 0)
		return info->status;
	if (info->kind != DENY_REDIRECT)
		return error_status(ERROR_ACCESS_DENIED);
	return method == HTTP_GET || method == HTTP_HEAD || minor < 1 ? 302 : 307;
}

static bool is_part_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("$-_.+!*(),", c));
}

/* As a part of a URL: what delimits parts is escaped too (rfc1738); as_is: only what would break
 * the field is. */
static void escape(struct buf *out, struct str value, bool as_is)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];

		if (as_is ? c > ' ' && c < 127 : is_part_char(c))
			buf_add_char(out, c);
		else
			buf_printf(out, "%%%02X", (unsigned char)c);
	}
}

/* %R and %s mean other things here than in a page. */
static void code_value(const struct error_pages *pages, const struct error_facts *facts, char code,
		       struct buf *out)
{
	if (code != 'R')
		error_code_value(pages, facts, code == 's' ? 'u' : code, out);
	else if (facts->request)
		buf_add_str(out, facts->request->path);
}

static void add_code(const struct error_pages *pages, const struct error_facts *facts, char code,
		     struct buf *out)
{
	struct buf value, quoted;

	if (code == '%') {
		buf_add_char(out, '%');
		return;
	}
	buf_init(&value, LOCATION_VALUE_BYTES);
	buf_init(&quoted, 8 * LOCATION_VALUE_BYTES);
	code_value(pages, facts, code, &value);
	html_quote(&quoted, buf_str(&value));
	escape(out, buf_str(&quoted), code == 'R');
	buf_fini(&quoted);
	buf_fini(&value);
}

void deny_info_location(const struct deny_info *info, const struct error_pages *pages,
			const struct error_facts *facts, struct buf *out)
{
	struct str left = info->url;

	while (left.len > 0) {
		size_t len = str_find_char(left, '%');

		buf_add_str(out, str_first(left, len));
		left = str_from(left, len);
		if (left.len >= 2)
			add_code(pages, facts, left.at[1], out);
		left = str_from(left, 2);
	}
}

void deny_info_error_value(const struct deny_info *info, struct buf *out)
{
	if (info->kind == DENY_REDIRECT)
		buf_printf(out, "%d Access Denied", info->status ? info->status : 403);
	else
		buf_printf(out, "%.*s 0", STR_ARG(info->spec));
}
