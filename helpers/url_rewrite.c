/* SPDX-License-Identifier: BSD-2-Clause */
/* An answer with a result is read by its keys, one without by its first word. Both end in to_url or
 * to_redirect, the only places that let bytes of a helper out. */
#include "helpers/url_rewrite.h"

#include "lib/base/check.h"
#include "lib/http/uri.h"

enum { SHOWN_BYTES = 200 }; /* of a bad URL, in a message */

static const int redirect_statuses[] = {301, 302, 303, 307, 308};

static bool is_redirect(uint64_t status)
{
	for (size_t i = 0; i < COUNT(redirect_statuses); i++)
		if ((uint64_t)redirect_statuses[i] == status)
			return true;
	return false;
}

static bool fits_one_line(struct str s)
{
	return memchr(s.at, '\n', s.len) == NULL && memchr(s.at, '\r', s.len) == NULL &&
	       memchr(s.at, '\0', s.len) == NULL;
}

bool url_rewrite_line(struct str url, struct str extras, struct buf *line)
{
	if (url.len == 0 || url.len + 1 + extras.len > URL_REWRITE_MAX_ASK_BYTES)
		return false;
	if (!fits_one_line(url) || (extras.len > 0 && !fits_one_line(extras)))
		return false;
	return buf_add_str(line, url) &&
	       (extras.len == 0 || (buf_add_char(line, ' ') && buf_add_str(line, extras)));
}

/* An absolute http or https URL that the proxy can read: nothing in it ends a request line. */
static bool is_fetchable(struct str url)
{
	struct uri uri;

	return url.len <= URL_REWRITE_MAX_URL_BYTES && uri_parse(url, &uri);
}

static void to_url(struct str url, struct str method, struct url_rewrite_verdict *out)
{
	if (!is_fetchable(url)) {
		err_say(&out->complaint,
		        "ERROR: URL-rewrite produces invalid request: %.*s %.*s HTTP/1.1",
		        STR_ARG(str_first(method, 32)), STR_ARG(str_first(url, SHOWN_BYTES)));
		return;
	}
	out->action = URL_REWRITE_TO;
	out->url = url;
}

static void to_redirect(struct str status_text, struct str url, struct url_rewrite_verdict *out)
{
	uint64_t status = 302;

	if ((status_text.at != NULL && !str_to_u64(status_text, &status)) || !is_redirect(status) ||
	    url.len > URL_REWRITE_MAX_URL_BYTES || !helper_value_is_clean(url)) {
		err_say(&out->complaint,
		        "ERROR: URL-rewrite produces invalid %.*s redirect Location: %.*s",
		        STR_ARG(str_first(status_text.at ? status_text : STR("302"), 32)),
		        STR_ARG(str_first(url, SHOWN_BYTES)));
		return;
	}
	out->action = URL_REWRITE_REDIRECT;
	out->status = (int)status;
	out->url = url;
}

/* An empty url= is no redirect (Squid sends an empty Location). */
static void read_keys(const struct helper_reply *reply, struct str method,
                      struct url_rewrite_verdict *out)
{
	struct str url = helper_reply_value(reply, STR("url"));
	struct str rewrite_url = helper_reply_value(reply, STR("rewrite-url"));

	if (url.len > 0)
		to_redirect(helper_reply_value(reply, STR("status")), url, out);
	else if (rewrite_url.at != NULL)
		to_url(rewrite_url, method, out);
}

/* "!group!URL": the group is taken off the front of *word. */
static void take_group(struct str *word, struct str *group)
{
	size_t end = 1 + str_find_char(str_from(*word, 1), '!');

	if (word->len == 0 || *word->at != '!' || end >= word->len)
		return;
	*group = (struct str){word->at + 1, end - 1};
	*word = str_from(*word, end + 1);
}

/* "302:URL": a status that redirects, and a colon. */
static bool take_status(struct str *word, struct str *status)
{
	size_t colon = str_find_char(*word, ':');
	uint64_t value;

	if (colon == word->len || !str_to_u64(str_first(*word, colon), &value) ||
	    !is_redirect(value))
		return false;
	*status = str_first(*word, colon);
	*word = str_from(*word, colon + 1);
	return true;
}

static void read_old_form(const struct helper_reply *reply, struct str method,
                          struct url_rewrite_verdict *out)
{
	struct str rest = reply->rest, word, status;

	if (reply->npairs > 0 || !str_word(&rest, &word)) {
		err_say(&out->complaint,
		        "ERROR: URL-rewrite helper returned invalid result code. Wrong helper?");
		return;
	}
	if (take_status(&word, &status)) {
		if (word.len > 0)
			to_redirect(status, word, out);
		return;
	}
	take_group(&word, &out->group);
	to_url(word, method, out);
	if (rest.len == 0 || out->action != URL_REWRITE_TO)
		return;
	out->complaint_level = 2;
	err_say(&out->complaint,
	        "UPGRADE WARNING: URL rewriter responded with garbage '%.*s'. Only the first word "
	        "counts",
	        STR_ARG(str_first(rest, SHOWN_BYTES)));
}

static void read_timeout(struct str method, const struct url_rewrite_policy *policy,
                         struct url_rewrite_verdict *out)
{
	enum url_rewrite_on_timeout on_timeout =
		policy ? policy->on_timeout : URL_REWRITE_TIMEOUT_BYPASS;

	if (on_timeout == URL_REWRITE_TIMEOUT_FAIL)
		out->action = URL_REWRITE_FAIL;
	else if (on_timeout == URL_REWRITE_TIMEOUT_RESPONSE &&
	         policy->response->code != HELPER_TIMEOUT)
		url_rewrite_read(policy->response, method, NULL, out);
}

void url_rewrite_read(const struct helper_reply *reply, struct str method,
                      const struct url_rewrite_policy *policy, struct url_rewrite_verdict *out)
{
	out->action = URL_REWRITE_UNCHANGED;
	out->status = 0;
	out->url = out->group = STR_NONE;
	out->complaint.at[0] = '\0';
	out->complaint_level = 1;
	switch (reply->code) {
	case HELPER_OK:
		read_keys(reply, method, out);
		break;
	case HELPER_UNKNOWN:
		read_old_form(reply, method, out);
		break;
	case HELPER_TIMEOUT:
		read_timeout(method, policy, out);
		break;
	case HELPER_ERR:
		break;
	case HELPER_BUSY:
		err_say(&out->complaint, "URL rewrite/redirect queue too long. Bypassed.");
		break;
	default:
		err_say(&out->complaint, "ERROR: URL rewrite helper: {result=%s}",
		        helper_code_name(reply->code));
	}
}
