/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/url_list.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"

void url_list_init(struct url_list *list)
{
	*list = (struct url_list){0};
}

void url_list_fini(struct url_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		mem_free(list->urls[i]);
	mem_free(list->urls);
	mem_free(list->seen_);
	url_list_init(list);
}

/* Where part begins in text, or text.len. */
static size_t find(struct str text, struct str part)
{
	const char *at = text.len > 0 ? memmem(text.at, text.len, part.at, part.len) : NULL;

	return at ? (size_t)(at - text.at) : text.len;
}

/* ---- each once */

static void put_seen(struct url_list *list, uint64_t hash)
{
	size_t i = hash & (list->seen_room_ - 1);

	while (list->seen_[i] != 0)
		i = (i + 1) & (list->seen_room_ - 1);
	list->seen_[i] = hash;
}

static void grow_seen(struct url_list *list)
{
	uint64_t *old = list->seen_;
	size_t nold = list->seen_room_;

	list->seen_room_ = nold > 0 ? nold * 2 : 1024;
	list->seen_ = mem_zalloc(list->seen_room_ * sizeof(*list->seen_));
	for (size_t i = 0; i < nold; i++)
		if (old[i] != 0)
			put_seen(list, old[i]);
	mem_free(old);
}

static bool is_new(struct url_list *list, struct str url)
{
	uint64_t hash = hash_str(url, 0) | 1;

	if (list->nseen_ * 2 >= list->seen_room_)
		grow_seen(list);
	for (size_t i = hash & (list->seen_room_ - 1); list->seen_[i] != 0;
	     i = (i + 1) & (list->seen_room_ - 1))
		if (list->seen_[i] == hash)
			return false;
	put_seen(list, hash);
	list->nseen_++;
	return true;
}

static bool is_url(struct str text)
{
	return str_starts_with(text, STR("http://")) || str_starts_with(text, STR("https://"));
}

/* What could end a request line, and begin another one, is no part of it. */
static bool is_one_word(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 0x7f)
			return false;
	return true;
}

static void add(struct url_list *list, struct str url)
{
	if (!is_url(url) || !is_one_word(url) || url.len > URL_LIST_MAX_URL_BYTES)
		return;
	url = str_first(url, str_find_char(url, '#')); /* that is for the client alone */
	if (!is_new(list, url))
		return;
	if (list->n == list->room_) {
		list->room_ = list->room_ > 0 ? list->room_ * 2 : 64;
		list->urls = mem_realloc(list->urls, list->room_ * sizeof(*list->urls));
	}
	list->urls[list->n++] = str_dup(url);
}

/* ---- sitemaps */

static const struct {
	struct str name;
	char character;
} entities[] = {
	{STR("&amp;"), '&'},  {STR("&lt;"), '<'},    {STR("&gt;"), '>'},
	{STR("&quot;"), '"'}, {STR("&apos;"), '\''},
};

/* An element's text, which may stand on a line of its own. */
static struct str trim_lines(struct str text)
{
	while (text.len > 0 && (unsigned char)text.at[0] <= ' ')
		text = str_from(text, 1);
	while (text.len > 0 && (unsigned char)text.at[text.len - 1] <= ' ')
		text.len--;
	return text;
}

static void add_decoded(struct url_list *list, struct str text)
{
	struct buf url;

	buf_init(&url, URL_LIST_MAX_URL_BYTES + 1);
	while (text.len > 0) {
		size_t i = 0;

		while (i < COUNT(entities) && !str_starts_with(text, entities[i].name))
			i++;
		buf_add_char(&url, i < COUNT(entities) ? entities[i].character : text.at[0]);
		text = str_from(text, i < COUNT(entities) ? entities[i].name.len : 1);
	}
	add(list, buf_str(&url));
	buf_fini(&url);
}

static void read_sitemap(struct url_list *list, struct str text)
{
	static const struct str begin = STR("<loc>"), end = STR("</loc>");

	for (;;) {
		size_t at = find(text, begin), len;

		if (at == text.len)
			return;
		text = str_from(text, at + begin.len);
		len = find(text, end);
		add_decoded(list, trim_lines(str_first(text, len)));
		text = str_from(text, len);
	}
}

/* ---- lines */

/* ... "GET /path HTTP/1.1" ... */
static void read_common(struct url_list *list, struct str line, struct str site)
{
	static const struct str mark = STR("\"GET ");
	size_t at = find(line, mark);
	struct str target = str_from(line, at < line.len ? at + mark.len : at);
	struct buf url;

	target = str_first(target, str_find_char(target, ' '));
	if (target.len == 0 || target.at[0] != '/') {
		add(list, target);
		return;
	}
	buf_init(&url, URL_LIST_MAX_URL_BYTES + 1);
	buf_add_str(&url, site);
	buf_add_str(&url, target);
	add(list, buf_str(&url));
	buf_fini(&url);
}

/* time elapsed client result/status bytes GET URL ... */
static bool read_native(struct url_list *list, struct str line)
{
	enum { METHOD = 5, URL = 6 };
	struct str word, method = STR_NONE;

	for (unsigned i = 0; i <= URL; i++) {
		if (!str_word(&line, &word))
			return false;
		if (i == METHOD)
			method = word;
	}
	if (!is_url(word) || method.at[0] == '"')
		return false;
	if (str_eq(method, STR("GET")))
		add(list, word);
	return true;
}

static void read_line(struct url_list *list, struct str line, struct str site)
{
	struct str rest = line, first;

	if (str_word(&rest, &first) && is_url(first))
		add(list, first);
	else if (!read_native(list, line))
		read_common(list, line, site);
}

static struct str without_cr(struct str line)
{
	return line.len > 0 && line.at[line.len - 1] == '\r' ? str_first(line, line.len - 1) : line;
}

void url_list_read(struct url_list *list, struct str text, struct str site)
{
	if (find(text, STR("<loc>")) < text.len) {
		read_sitemap(list, text);
		return;
	}
	while (text.len > 0) {
		size_t len = str_find_char(text, '\n');

		read_line(list, without_cr(str_first(text, len)), site);
		text = str_from(text, len + 1);
	}
}
